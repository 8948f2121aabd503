import pytest

from unwarp.experiments.kept_weights import Card, Recomputed


def card(examples, *, recorded, in_float32):
    return Card(
        experiment="mnist-r/cnn",
        label="standard",
        seed=0,
        config={},
        test_error=recorded,
        float32_error=in_float32,
        test_examples=examples,
        commit=None,
        sha256="",
    )


@pytest.mark.parametrize(
    ("examples", "recorded", "in_float32", "agrees"),
    [
        (10_000, 1.0, 1.0, True),
        (10_000, 1.1, 1.02, True),
        (10_000, 1.0, 1.03, False),
        (10_000, 1.11, 1.0, False),  # the card's own figure agrees, that of the run does not
        (100, 3.0, 1.0, True),
        (100, 4.0, 1.0, False),
    ],
)
def test_weights_agree_with_both_figures(examples, recorded, in_float32, agrees):
    assert Recomputed(card(examples, recorded=recorded, in_float32=in_float32), 1.0).agrees is agrees
