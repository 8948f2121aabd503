import pytest

from unwarp.models import CNN, FCN, st_cnn, st_fcn

R, RTS, TC = (28, 28), (42, 42), (60, 60)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("size", "width", "expected"),
    [(R, 64, 208_586), (RTS, 64, 222_026), (TC, 64, 270_026), (R, 32, 54_122)],
)
def test_cnn(size, width, expected):
    assert count(CNN(size, width=width)) == expected


@pytest.mark.parametrize(
    ("size", "width", "expected"),
    [(R, 256, 784 * 256 + 256 + 256 * 257 + 2570), (RTS, 128, 243_722), (TC, 128, 478_730)],
)
def test_fcn(size, width, expected):
    assert count(FCN(size, width=width)) == expected


CONVOLUTIONS = 520 + 10_020
HEADS = {"affine": 126, "projective": 168, "thin_plate_spline": 672}


@pytest.mark.parametrize("transform", HEADS)
@pytest.mark.parametrize(
    ("size", "pooling", "classifier", "dense"),
    # the localiser's dense layer sees 20 maps of 1x1, 4x4 and 9x9
    [(R, 1, 208_586, 420), (RTS, 2, 206_666, 6_420), (TC, 2, 208_586, 32_420)],
)
def test_st_cnn(size, pooling, classifier, dense, transform):
    model = st_cnn(size, transform=transform, pooling=pooling)
    assert count(model) == classifier + CONVOLUTIONS + dense + HEADS[transform]


@pytest.mark.parametrize(("transform", "head"), [("affine", 198), ("projective", 264), ("thin_plate_spline", 1056)])
@pytest.mark.parametrize(("size", "pooling", "seen"), [(R, 1, 784), (RTS, 2, 441), (TC, 2, 900)])
def test_st_fcn(size, pooling, seen, transform, head):
    localiser = size[0] * size[1] * 32 + 32 + 2 * (32 * 33) + head
    classifier = seen * 256 + 256 + 256 * 257 + 2570
    assert count(st_fcn(size, transform=transform, pooling=pooling)) == classifier + localiser
