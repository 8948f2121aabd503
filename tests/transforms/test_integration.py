"""Which code follows particles: an op that is asked for once, or the series."""

import pytest
import torch

from unwarp.transforms import integration, trajectory

ARGUMENTS = torch.full((1, 49, 2), 0.25), torch.zeros(3, 5, 2), (1, 1), 4


@pytest.fixture(autouse=True)
def _own_ops(monkeypatch):
    monkeypatch.setattr(integration, "_LOADERS", {})
    monkeypatch.setattr(integration, "_OPS", {})


def test_the_series_where_no_op_is_provided():
    assert torch.equal(integration.follow(*ARGUMENTS), trajectory.follow(*ARGUMENTS))


def test_an_op_is_loaded_once_and_gets_one_field_for_each_batch_of_points():
    loaded, shapes = [], []

    def op(velocities, points, boxes, stages):
        shapes.append((velocities.shape, points.shape, boxes, stages))
        return points + 1

    integration.provide("cpu", lambda: loaded.append(True) or op)
    assert not loaded
    for _ in range(2):
        assert torch.equal(integration.follow(*ARGUMENTS), torch.ones(3, 5, 2))
    assert loaded == [True]
    assert shapes == 2 * [((3, 49, 2), (3, 5, 2), (1, 1), 4)]


def test_the_series_where_the_op_cannot_be_used():
    integration.provide("cpu", lambda: None)
    assert torch.equal(integration.follow(*ARGUMENTS), trajectory.follow(*ARGUMENTS))
