"""Errors are counted an answer at a time."""

import pytest
import torch
from torch import nn

from unwarp.experiments.evaluation import error_rate, wrong_answers


class Reads(nn.Module):
    """Answers with what the image's pixels are."""

    def forward(self, images):
        return nn.functional.one_hot(images.long().squeeze(), 10).float()


@pytest.mark.parametrize(
    ("seen", "answers", "wrong"),
    [
        ([[[1], [2]], [[3]]], [[1, 5], [3]], [False, True, False]),
        ([[[1, 2, 3], [4, 5, 6]]], [[[1, 2, 4], [4, 5, 6]]], [False, False, True, False, False, False]),
    ],
)
def test_a_sequence_has_as_many_answers_as_digits(seen, answers, wrong):
    batches = [
        (torch.tensor(images)[:, None], torch.tensor(known)) for images, known in zip(seen, answers, strict=True)
    ]
    assert wrong_answers(Reads(), batches).tolist() == wrong
    assert error_rate(Reads(), batches) == pytest.approx(100 * sum(wrong) / len(wrong))
