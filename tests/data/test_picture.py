"""One rule for every kind of file that a folder of pictures may hold."""

import struct

import numpy as np
import pytest
from PIL import Image

from unwarp.data import png16
from unwarp.data.intake import Intake
from unwarp.data.picture import read_picture
from unwarp.data.picture_output import output_suffix, write_picture
from unwarp.errors import DataError

RAMP = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
WIDE = np.arange(6 * 4 * 4, dtype=np.uint16).reshape(6, 4, 4) * 683


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def picture_file(folder, channels, *, wide=False):
    array = (WIDE if wide else RAMP)[..., :channels]
    path = folder / f"{channels}{wide}.png"
    if wide:
        path.write_bytes(png16.encode(array))
    else:
        Image.fromarray(array[..., 0] if channels == 1 else array).save(path)
    return path, array


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("wide", [False, True])
def test_depth_and_alpha_are_kept_both_ways(tmp_path, channels, wide):
    path, array = picture_file(tmp_path, channels, wide=wide)
    picture = read_picture(path)
    if channels == 2 and wide:  # the two values are kept; the picture is one of grey and alpha
        assert picture.pixels.shape == (6, 4, 2)
    assert picture.alpha == (channels in (2, 4))
    np.testing.assert_array_equal(picture.pixels, array)
    assert picture.notes == ()
    again = read_picture(write_picture(tmp_path / "sub" / "again.png", picture.pixels, picture))
    np.testing.assert_array_equal(again.pixels, array)
    assert again.pixels.dtype == array.dtype


def test_another_program_reads_the_16_bit_colour_that_is_written(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path, array = picture_file(tmp_path, 3, wide=True)
    read = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read[..., ::-1], array)


def test_opencvs_16_bit_colour_is_read_whatever_its_filters(tmp_path):
    cv2 = pytest.importorskip("cv2")
    array = np.random.default_rng(0).integers(0, 2**16, (40, 30, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "cv.png"), array[..., ::-1])
    np.testing.assert_array_equal(read_picture(tmp_path / "cv.png").pixels, array)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_pictures_are_turned_upright(tmp_path, orientation, suffix):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a camera"
    path = saved(tmp_path / f"turned{suffix}", RAMP[..., :3], exif=exif)
    with Image.open(path) as opened:
        expected = np.array(ImageOps.exif_transpose(opened))
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, expected)
    written = write_picture(tmp_path / f"upright{suffix}", picture.pixels, picture)
    with Image.open(written) as opened:
        tags = opened.getexif()
    assert tags.get(0x0112, 1) == 1
    assert tags[0x010F] == "a camera"


def test_a_16_bit_picture_keeps_its_exif_block(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    path = tmp_path / "wide.png"
    path.write_bytes(png16.encode(WIDE[..., :3], exif=exif.tobytes(), icc=b"profile"))
    with Image.open(path) as opened:
        assert opened.getexif()[0x010F] == "a camera"
        assert opened.info["icc_profile"] == b"profile"


@pytest.mark.parametrize(
    ("mode", "suffix", "channels", "note"),
    [
        ("CMYK", ".jpg", 3, "CMYK: converted to RGB"),
        ("P", ".png", 3, None),
        ("1", ".png", 1, None),
        ("F", ".tif", 1, "floats"),
        ("I", ".tif", 1, "32-bit integers"),
        ("YCbCr", ".tif", 3, "YCbCr: converted to RGB"),
    ],
)
def test_modes_are_converted_and_noted(tmp_path, mode, suffix, channels, note):
    path = tmp_path / f"odd{suffix}"
    Image.fromarray(RAMP[..., :3]).convert("L" if mode in "FI" else "RGB").convert(mode).save(path)
    picture = read_picture(path)
    assert picture.pixels.shape[2] == channels
    assert [text.startswith(note) for text in picture.notes] == ([True] if note else [])


def signed_file(path, values, **options):
    """A TIFF of signed 16-bit integers: Pillow reads them, but writes unsigned ones under another tag."""
    exif = Image.Exif()
    exif[339] = 2
    Image.fromarray(values.view(np.uint16)).save(path, exif=exif, **options)
    return path


@pytest.mark.parametrize("compression", ["raw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("values", [(-1000, 2920), (0, 100), (-32768, 32767)])
def test_signed_16_bit_tiffs_have_one_scale_and_keep_their_values(tmp_path, values, compression):
    array = np.linspace(*values, 24).astype(np.int16).reshape(6, 4)
    picture = read_picture(signed_file(tmp_path / "ct.tif", array, compression=compression))
    np.testing.assert_array_equal(picture.pixels[..., 0], array)
    assert (picture.pixels.dtype, picture.notes) == (np.int16, ())
    seen = Intake(6, 4, 1).image(picture)[0].numpy()
    np.testing.assert_array_equal(seen, np.rint((array.astype(np.float64) + 32768) / 65535 * 255))
    assert output_suffix(picture, ".tif") == ".tif"
    again = read_picture(write_picture(tmp_path / "again.tif", picture.pixels, picture))
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.pixels.dtype == np.int16
    wide = read_picture(write_picture(tmp_path / "again.png", picture.pixels, picture))
    np.testing.assert_array_equal(wide.pixels[..., 0], array.astype(np.int32) + 32768)


def test_a_big_endian_signed_tiff_keeps_its_values(tmp_path):
    array = np.array([[-1000, 2920]], np.int16)
    tags = {256: 2, 257: 1, 258: 16, 259: 1, 262: 1, 273: 134, 277: 1, 278: 1, 279: 4, 339: 2}
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags.items())
    path = tmp_path / "ct.tif"
    path.write_bytes(b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4) + array.astype(">i2").tobytes())
    np.testing.assert_array_equal(read_picture(path).pixels[..., 0], array)


@pytest.mark.parametrize(("least", "most"), [(0, 117_600), (-5, 70), (-(2**31), 2**31 - 1), (100_000, 100_000)])
def test_32_bit_integers_are_seen_from_their_least_to_their_greatest_value(tmp_path, least, most):
    array = np.linspace(least, most, 24).astype(np.int32).reshape(6, 4)
    array[0, 1] = most - 1 if most > least else most  # beside it: float32 could not tell them apart
    picture = read_picture(saved(tmp_path / "depth.tif", array))
    np.testing.assert_array_equal(picture.pixels[..., 0], array)
    assert picture.notes == ("32-bit integers: the least value is black and the greatest white",)
    seen = Intake(6, 4, 1).image(picture)[0].numpy()
    expected = (array.astype(np.float64) - least) / max(most - least, 1)
    np.testing.assert_array_equal(seen, np.rint(255 * expected))
    again = read_picture(write_picture(tmp_path / "again.tif", picture.pixels, picture))
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    wide = read_picture(write_picture(tmp_path / "again.png", picture.pixels, picture))
    np.testing.assert_array_equal(wide.pixels[..., 0], np.rint(65535 * expected))


def test_a_signed_tiff_keeps_its_exif_block(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[339] = "a scanner", 2
    path = tmp_path / "ct.tif"
    Image.fromarray(np.full((2, 3), -7, np.int16).view(np.uint16)).save(path, exif=exif)
    picture = read_picture(path)
    with Image.open(write_picture(tmp_path / "again.tif", picture.pixels, picture)) as opened:
        assert opened.getexif()[0x010F] == "a scanner"


def test_unsigned_32_bit_integers_that_are_too_large_are_refused(tmp_path):
    path = saved(tmp_path / "deep.tif", np.array([[5, 70_000]], np.int32))
    data = path.read_bytes()
    signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))
    assert data.count(signed) == 1
    path.write_bytes(data.replace(signed, unsigned))
    np.testing.assert_array_equal(read_picture(path).pixels[..., 0], [[5, 70_000]])
    large = data.replace(signed, unsigned).replace(struct.pack("<I", 70_000), struct.pack("<I", 3_000_000_000))
    path.write_bytes(large)
    assert refused(path).startswith("deep: expected integers of at most 2,147,483,647, got 3,000,000,000.")


@pytest.mark.parametrize(("mode", "suffix", "kept"), [("RGB", ".jpg", b"profile"), ("CMYK", ".jpg", None)])
def test_a_colour_profile_is_kept_where_the_colours_are(tmp_path, mode, suffix, kept):
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(RAMP[..., :3]).convert(mode).save(path, icc_profile=b"profile")
    assert read_picture(path).icc == kept


def test_a_tiffs_own_tags_stay_behind(tmp_path):
    path = tmp_path / "picture.tif"
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.fromarray(RAMP[..., :3]).convert("CMYK").save(path, exif=exif, icc_profile=b"profile")
    left = Image.Exif()
    left.load(read_picture(path).exif)
    assert dict(left) == {0x010E: "a description"}


def test_the_first_frame_of_an_animation_is_used_and_noted(tmp_path):
    frames = [Image.fromarray(np.full((6, 4), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    picture = read_picture(tmp_path / "moving.gif")
    assert picture.notes == ("animated: the first of 2 frames is used",)
    assert picture.pixels.max() == 10


def refused(path, **options):
    with pytest.raises(DataError) as error:
        read_picture(path, **options)
    assert str(error.value).startswith(f"{path}: ")
    return str(error.value)[len(f"{path}: ") :]


def test_damaged_files_are_refused_by_name(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for suffix in (".png", ".jpg"):
        path = saved(tmp_path / f"cut{suffix}", noise)
        path.write_bytes(path.read_bytes()[:-2000])
        assert refused(path).startswith("truncated")
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("this is no picture")
    assert refused(tmp_path / "empty.png").startswith("unreadable")
    assert refused(tmp_path / "text.png").startswith("unreadable")
    assert refused(tmp_path / "missing.png") == "no such file."


def test_pillows_own_limit_gives_way_to_a_larger_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = saved(tmp_path / "large.png", np.zeros((30, 20), np.uint8))
    with pytest.raises(DataError, match="huge"):
        read_picture(path, most_pixels=90)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert read_picture(path, most_pixels=600).pixels.shape == (30, 20, 1)


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path):
    path = saved(tmp_path / "large.png", RAMP)
    assert "huge: expected at most 23 pixels, got 4 x 6" in refused(path, most_pixels=23)
    bomb = bytearray(path.read_bytes())
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert refused(tmp_path / "bomb.png").split(":")[0] in ("huge", "unreadable")


@pytest.mark.parametrize(
    ("channels", "wide", "suffix", "expected"),
    [
        (3, False, ".JPG", ".JPG"),
        (4, False, ".jpg", ".png"),
        (3, True, ".jpg", ".png"),
        (3, True, ".tif", ".png"),
        (1, True, ".tif", ".tif"),
        (3, False, ".gif", ".png"),
        (4, False, ".webp", ".webp"),
        (1, False, ".ppm", ".png"),
        (3, True, ".png", ".png"),
    ],
)
def test_the_output_format_can_hold_the_picture(tmp_path, channels, wide, suffix, expected):
    picture = read_picture(picture_file(tmp_path, channels, wide=wide)[0])
    assert output_suffix(picture, suffix) == expected
    again = read_picture(write_picture(tmp_path / f"out{expected}", picture.pixels, picture))
    assert (again.pixels.dtype, again.alpha) == (picture.pixels.dtype, picture.alpha)


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    picture = read_picture(picture_file(tmp_path, 3)[0])
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        write_picture(tmp_path / "out" / "x.png", picture.pixels, picture)
    assert list((tmp_path / "out").iterdir()) == []
