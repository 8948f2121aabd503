import gzip
import hashlib

import numpy as np
import pytest
import torch

from unwarp.data import download, mnist
from unwarp.data.idx import write_idx
from unwarp.errors import DataError, OptionError


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("the network was asked")

    monkeypatch.setattr(download, "fetch", refuse)


@pytest.mark.parametrize(("split", "count"), [("train", 12), ("test", 5)])
@pytest.mark.usefixtures("no_network")
def test_a_folder_is_read(digits_dir, split, count):
    digits = mnist.load(split, data_dir=digits_dir)
    assert digits.images.shape == (count, 28, 28)
    assert digits.images.dtype == torch.uint8
    assert digits.labels.tolist() == [i % 10 for i in range(count)]
    assert digits.labels.dtype == torch.int64
    assert len(digits) == count


def pack(path):
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def dot(path):
    path.rename(path.with_name(path.name.replace("-idx", ".idx")))


@pytest.mark.parametrize("change", [[pack], [dot], [dot, pack]], ids=["gz", "dot", "dot and gz"])
@pytest.mark.usefixtures("no_network")
def test_the_usual_names_are_found(digits_dir, change):
    expected = mnist.load("train", data_dir=digits_dir)
    for step in change:
        for path in digits_dir.iterdir():
            step(path)
    assert not (digits_dir / "train-images-idx3-ubyte").exists()
    digits = mnist.load("train", data_dir=str(digits_dir))
    assert torch.equal(digits.images, expected.images)
    assert torch.equal(digits.labels, expected.labels)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.usefixtures("no_network")
def test_a_missing_file_is_named_with_the_ways_out(digits_dir, name):
    (digits_dir / name).unlink()
    remedy = r".*--data-dir.*unwarp\.data\.mnist_subset\.subset"
    with pytest.raises(DataError, match=rf"expected a file {name} or {name}\.gz{remedy}"):
        mnist.load("train", data_dir=digits_dir)


def test_digest_tells_digits_from_others_however_they_are_packed(digits_dir):
    plain = mnist.digest(digits_dir)
    for path in list(digits_dir.iterdir()):
        pack(path)
    assert mnist.digest(digits_dir) == plain
    labels = digits_dir / "t10k-labels-idx1-ubyte.gz"
    changed = bytearray(gzip.decompress(labels.read_bytes()))
    changed[-1] ^= 1
    labels.write_bytes(gzip.compress(changed) + b"\0")  # padding, so that the size tells even a clock that stands
    assert mnist.digest(digits_dir) != plain


def test_digest_of_the_published_files_is_known_without_them(digits_dir):
    names = [name for split in mnist.SPLITS for name in mnist.FILES[split]]
    of_files = [hashlib.sha256((digits_dir / name).read_bytes()).hexdigest() for name in names]
    assert mnist.digest(digits_dir) == mnist.combined(of_files)
    assert mnist.combined(mnist.SHA256[name] for name in names) == mnist.PUBLISHED


def test_more_images_than_labels(digits_dir):
    write_idx(digits_dir / "train-labels-idx1-ubyte", np.zeros(11, np.uint8))
    with pytest.raises(DataError, match=r"a label for each of the 12 images of train-images-idx3-ubyte, got 11"):
        mnist.load("train", data_dir=digits_dir)


def test_images_of_another_size(digits_dir):
    write_idx(digits_dir / "train-images-idx3-ubyte", np.zeros((12, 32, 32), np.uint8))
    with pytest.raises(DataError, match=r"expected images of 28x28, got 32x32"):
        mnist.load("train", data_dir=digits_dir)


def test_labels_beyond_nine(digits_dir):
    write_idx(digits_dir / "train-labels-idx1-ubyte", np.full(12, 10, np.uint8))
    with pytest.raises(DataError, match=r"expected labels 0 to 9, got 10"):
        mnist.load("train", data_dir=digits_dir)


def test_swapped_files(digits_dir):
    images, labels = digits_dir / "train-images-idx3-ubyte", digits_dir / "train-labels-idx1-ubyte"
    images.rename(digits_dir / "x")
    labels.rename(images)
    (digits_dir / "x").rename(labels)
    with pytest.raises(DataError, match="swapped"):
        mnist.load("train", data_dir=digits_dir)


def test_an_unknown_split(digits_dir):
    with pytest.raises(OptionError, match="split: expected one of train, test, got 'tset'.*'test'"):
        mnist.load("tset", data_dir=digits_dir)


@pytest.fixture
def published(digits_dir, monkeypatch):
    """Take the few digits for the published ones."""
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in digits_dir.iterdir()}
    monkeypatch.setattr(mnist, "SHA256", digests)
    return digits_dir


@pytest.mark.usefixtures("no_network")
def test_a_sound_cache_is_used(published):
    assert len(mnist.load("test", cache_dir=published)) == 5


@pytest.mark.usefixtures("no_network")
def test_a_damaged_cache_without_download_is_an_error(published):
    path = published / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match=r"found no sound copy, and downloading is off.*--data-dir"):
        mnist.load("test", cache_dir=published, download=False)


def test_what_the_cache_lacks_is_fetched(published, tmp_path, monkeypatch):
    asked = []

    def deliver(target, *, urls, sha256, unpack, remedy):
        asked.append((target.name, tuple(urls)))
        assert "--data-dir" in remedy
        content = unpack(gzip.compress((published / target.name).read_bytes()))
        assert download.digest(content) == sha256
        download.store(target, content)

    monkeypatch.setattr(download, "fetch", deliver)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "t10k-images-idx3-ubyte").write_bytes(b"damaged")
    assert len(mnist.load("test", cache_dir=cache)) == 5
    assert [name for name, _ in asked] == ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    assert asked[0][1] == tuple(f"{mirror}t10k-images-idx3-ubyte.gz" for mirror in mnist.MIRRORS)
    monkeypatch.setattr(download, "fetch", None)
    assert len(mnist.load("test", cache_dir=cache)) == 5


def test_hold_out_takes_the_last_digits(digits_dir):
    digits = mnist.load("train", data_dir=digits_dir)
    rest, held = mnist.hold_out(digits, 3)
    assert torch.equal(torch.cat([rest.images, held.images]), digits.images)
    assert held.labels.tolist() == [9, 0, 1]


@pytest.mark.parametrize("count", [-1, 0, 12, 13])
def test_hold_out_leaves_no_part_empty(digits_dir, count):
    with pytest.raises(OptionError, match="count: expected 1 to 11"):
        mnist.hold_out(mnist.load("train", data_dir=digits_dir), count)
