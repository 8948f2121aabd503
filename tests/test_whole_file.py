import errno
from pathlib import Path

import pytest

from unwarp._whole_file import write_whole


def test_folders_are_made_links_followed_and_nothing_else_is_left(tmp_path):
    path = write_whole(tmp_path / "new" / "file", b"one")
    (tmp_path / "link").symlink_to(path)
    assert write_whole(tmp_path / "link", b"two") == tmp_path / "link"
    assert path.read_bytes() == b"two"
    assert (tmp_path / "link").is_symlink()
    assert [found.name for found in path.parent.iterdir()] == ["file"]


def test_what_is_there_stays_where_the_disk_is_full(tmp_path, monkeypatch):
    def fill(self, content):
        original(self, content[:2])
        raise OSError(errno.ENOSPC, "No space left on device")

    path = write_whole(tmp_path / "file", b"before")
    original = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        with pytest.raises(OSError, match="No space left") as raised:
            write_whole(path, b"after")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == b"before"
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["folder", "file/below"])
def test_a_place_that_holds_no_file_is_named(name, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(OSError, match=name) as raised:
        write_whole(tmp_path / name, b"any")
    assert raised.value.filename == str(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have a device that is always full")
def test_a_device_is_written_to_and_not_replaced():
    with pytest.raises(OSError, match="No space left"):
        write_whole(Path("/dev/full"), b"any")
    assert Path("/dev/full").is_char_device()
