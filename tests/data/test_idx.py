import gzip
import struct

import numpy as np
import pytest

from unwarp.data import idx
from unwarp.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 4, 5), dtype=np.uint8)


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize("array", [IMAGES, IMAGES[0, 0]], ids=["rank 3", "rank 1"])
def test_what_is_written_is_read(tmp_path, name, array):
    idx.write_idx(tmp_path / name, array)
    read = idx.read_idx(tmp_path / name, rank=array.ndim)
    assert np.array_equal(read, array)
    assert read.dtype == np.uint8
    assert read.flags.writeable


def test_only_a_name_in_gz_is_packed(tmp_path):
    idx.write_idx(tmp_path / "plain", IMAGES)
    idx.write_idx(tmp_path / "packed.gz", IMAGES)
    plain, packed = (tmp_path / "plain").read_bytes(), (tmp_path / "packed.gz").read_bytes()
    assert plain[:8] == struct.pack(">II", 2051, 3)
    assert gzip.decompress(packed) == plain
    assert packed[4:8] == bytes(4), "a time stamp: the same array would give other bytes tomorrow"


def test_packing_is_told_from_the_content(tmp_path):
    idx.write_idx(tmp_path / "packed.gz", IMAGES)
    (tmp_path / "packed.gz").rename(tmp_path / "named-plain")
    assert np.array_equal(idx.read_idx(tmp_path / "named-plain", rank=3), IMAGES)


def test_other_types_are_not_written_silently(tmp_path):
    with pytest.raises(TypeError):
        idx.write_idx(tmp_path / "floats", IMAGES.astype(np.float32))


def plain() -> bytes:
    return bytes([0, 0, 8, 3]) + struct.pack(">3I", *IMAGES.shape) + IMAGES.tobytes()


DAMAGED = {
    "empty": (b"", "it is empty"),
    "cut inside the magic": (plain()[:3], "it begins with 00 00 08"),
    "cut inside the header": (plain()[:10], "expected a header of 16 bytes, got 10"),
    "cut inside the items": (plain()[:-1], r"announces \(3, 4, 5\), 76 bytes in all; got 75"),
    "too long": (plain() + b"\0", "76 bytes in all; got 77"),
    "huge sizes": (plain()[:4] + b"\xff" * 12 + plain()[16:], "4294967295.*got 76"),
    "no items": (bytes([0, 0, 8, 3]) + struct.pack(">3I", 0, 4, 5), "at least one item"),
    "a web page": (b"<!DOCTYPE html><html>Not here</html>", "it begins with 3c 21 44 4f"),
    "another type": (bytes([0, 0, 13, 3]) + plain()[4:], "unsigned bytes"),
    "labels": (bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + b"\1\2\3", "swapped"),
    "gzip cut": (gzip.compress(plain())[:-9], "expected a complete gzip stream"),
    "gzip header alone": (b"\x1f\x8b", "expected a complete gzip stream"),
    "gzip with an impossible block": (gzip.compress(plain())[:10] + b"\xff" * 20, "expected a complete gzip stream"),
    "gzip of other bytes": (gzip.compress(plain())[:-8] + b"\0" * 8, "expected a complete gzip stream.*CRC"),
    "gzip of a web page": (gzip.compress(b"<html>"), "it begins with 3c 68 74 6d"),
    "gzip of nothing": (gzip.compress(b""), "it is empty"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_one_clear_error(tmp_path, case):
    content, message = DAMAGED[case]
    path = tmp_path / "damaged"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        idx.read_idx(path, rank=3)
    assert str(path) in str(caught.value)
    assert str(caught.value).endswith((". Fetch the file again.", "check the files' names."))


@pytest.mark.parametrize("missing", ["absent", "."])
def test_a_path_without_a_file_is_one_clear_error(tmp_path, missing):
    with pytest.raises(DataError, match=r"expected a readable IDX file, got .*Check the path"):
        idx.read_idx(tmp_path / missing, rank=3)
