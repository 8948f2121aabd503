import math

import pytest

from support.picture_folders import write_oddities
from unwarp.data.picture_limits import decoded_bytes, pixel_limit
from unwarp.errors import OptionError


def test_megapixels_are_pixels():
    assert pixel_limit(0.03, "x") == 30_000
    assert pixel_limit(100, "x") == 100_000_000


@pytest.mark.parametrize("wrong", [math.inf, math.nan, -1.0, 0.0, 1e305])
def test_no_number_of_pixels_is_refused(wrong):
    with pytest.raises(OptionError, match=r"data.megapixels: expected millions of pixels above 0 .* got"):
        pixel_limit(wrong, "data.megapixels")


def test_bytes_are_those_of_the_head_of_the_file(tmp_path, monkeypatch):
    odd = write_oddities(tmp_path)
    assert decoded_bytes(odd["huge.png"]) > 4 * 30_000
    assert decoded_bytes(odd["text.jpg"]) == decoded_bytes(tmp_path / "missing.png") == 0
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 100)
    assert decoded_bytes(odd["huge.png"]) == math.inf
