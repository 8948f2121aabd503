"""Read and write IDX files, the format of the MNIST distribution, plain or gzipped.

An IDX file is ``0 0 type rank``, then `rank` big-endian 32-bit sizes, then the items in C order.
MNIST needs one type alone, unsigned bytes (8): images have rank 3 and therefore the "magic number" 2051, labels rank 1
and 2049.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unwarp.errors import DataError

UNSIGNED_BYTE = 8
GZIP_MAGIC = b"\x1f\x8b"

_FETCH_AGAIN = "Fetch the file again."


def read_idx(path: str | Path, *, rank: int) -> NDArray[np.uint8]:
    """Read the unsigned bytes of an IDX file. Whether it is gzipped is told from its content, not from its name.

    Args:
        path: the file.
        rank: number of dimensions it must have: 3 for images, 1 for labels.

    Returns:
        A writable array of the shape that the file's header gives.

    Raises:
        DataError: the file is missing, unreadable, damaged, of another type or rank, of the wrong length, or holds
            no items; the message names the file, what was expected, what it holds, and the fix.
    """
    path = Path(path)
    return decode_idx(read_unpacked(path), rank=rank, source=path)


def read_unpacked(path: Path) -> bytes:
    """All bytes of a file, gunzipped if its content is gzip. Raises `DataError` as `read_idx` does."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        message = f"{path}: expected a readable IDX file, got {error.strerror or error}. Check the path."
        raise DataError(message) from error
    return unpack(raw, source=path)


def unpack(raw: bytes, *, source: str | Path) -> bytes:
    """Gunzip what is gzip and return the rest as it is; a damaged stream is a `DataError` that names `source`."""
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        message = f"{source}: expected a complete gzip stream, got a truncated or damaged one ({error}). {_FETCH_AGAIN}"
        raise DataError(message) from error


def decode_idx(data: bytes, *, rank: int, source: str | Path) -> NDArray[np.uint8]:
    """Decode an unpacked IDX file's bytes; `source` names it in messages. Raises `DataError` as `read_idx` does."""
    header = 4 + 4 * rank
    magic = bytes([0, 0, UNSIGNED_BYTE, rank])
    if data[:4] != magic:
        got = f"it begins with {data[:4].hex(' ')}" if data else "it is empty"
        message = f"{source}: expected an IDX file of unsigned bytes with {rank} dimension(s), which begins with "
        raise DataError(f"{message}{magic.hex(' ')}; {got}. {_advice(data, rank)}")
    if len(data) < header:
        raise DataError(f"{source}: expected a header of {header} bytes, got {len(data)}: truncated. {_FETCH_AGAIN}")
    shape = struct.unpack(f">{rank}I", data[4:header])
    if len(data) != header + math.prod(shape):
        message = f"{source}: its header announces {shape}, {header + math.prod(shape)} bytes in all; got {len(data)}. "
        raise DataError(message + _FETCH_AGAIN)
    if 0 in shape:
        raise DataError(f"{source}: expected at least one item, got the shape {shape}. {_FETCH_AGAIN}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape).copy()


def write_idx(path: str | Path, array: NDArray[np.uint8]) -> None:
    """Write unsigned bytes as an IDX file, gzipped (reproducibly, without a time stamp) if the name ends in ``.gz``."""
    path = Path(path)
    header = bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    data = header + array.astype(np.uint8, casting="safe").tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _advice(data: bytes, rank: int) -> str:
    is_idx = len(data) >= 4 and data[:3] == bytes([0, 0, UNSIGNED_BYTE])
    if is_idx and {rank, data[3]} == {1, 3}:
        return "Images and labels seem to be swapped: check the files' names."
    return _FETCH_AGAIN
