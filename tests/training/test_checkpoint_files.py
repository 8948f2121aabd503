import pytest
import torch

from unwarp import _whole_file
from unwarp.training.checkpoint_files import WholeCheckpoints

FULL = OSError(28, "No space left on device")


@pytest.fixture
def full_disk(monkeypatch):
    """Half of a file fits on it."""

    def write(path, content):
        path.write_bytes(content[: len(content) // 2])
        raise FULL

    monkeypatch.setattr(_whole_file, "_write", write)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_round_trip_leaves_one_file(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    for epoch in (1, 2):
        WholeCheckpoints().save_checkpoint({"epoch": epoch, "weight": torch.ones(3)}, path)
    read = WholeCheckpoints().load_checkpoint(path, weights_only=True)
    assert (read["epoch"], read["weight"].tolist(), files(path.parent)) == (2, [1, 1, 1], ["last.ckpt"])


def test_full_disk_leaves_the_old_checkpoint_and_names_it(tmp_path, full_disk):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"good")
    with pytest.raises(OSError, match="No space") as raised:
        WholeCheckpoints().save_checkpoint({"epoch": 1}, path)
    assert (raised.value.errno, raised.value.filename) == (28, str(path))
    assert (path.read_bytes(), files(tmp_path)) == (b"good", ["last.ckpt"])


def test_interrupted_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    path.write_bytes(b"good")

    def interrupted(unfinished, content):
        unfinished.write_bytes(content[:5])
        raise KeyboardInterrupt

    monkeypatch.setattr(_whole_file, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        WholeCheckpoints().save_checkpoint({"epoch": 1}, path)
    assert (path.read_bytes(), files(tmp_path)) == (b"good", ["last.ckpt"])


def test_what_a_kill_left_is_written_over(tmp_path):
    (tmp_path / ".last.ckpt.unfinished").write_bytes(b"half")
    WholeCheckpoints().save_checkpoint({"epoch": 1}, tmp_path / "last.ckpt")
    assert files(tmp_path) == ["last.ckpt"]


def test_options_of_other_storage_are_refused(tmp_path):
    with pytest.raises(TypeError, match="storage_options"):
        WholeCheckpoints().save_checkpoint({}, tmp_path / "last.ckpt", storage_options={"a": 1})


def test_training_goes_by_it(tmp_path, full_disk, make_module, make_data, fit_small):
    with pytest.raises(OSError, match="No space") as raised:
        fit_small(make_module(), make_data(), tmp_path, epochs=1)
    assert raised.value.filename == str(tmp_path / "checkpoints" / "best.ckpt")
    assert files(tmp_path / "checkpoints") == []
