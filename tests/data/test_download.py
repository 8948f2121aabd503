import errno
import gzip
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from unwarp.data import download, idx
from unwarp.data.progress import DownloadProgress
from unwarp.errors import DataError

CONTENT = bytes(range(256)) * 500
UNPACK = partial(idx.unpack, source="digits.gz")
FETCH = partial(download.fetch, sha256=download.digest(CONTENT), unpack=UNPACK, remedy="Do this instead.")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A mirror on this machine: yields its folder and its address."""
    monkeypatch.setenv("NO_PROXY", "*")
    folder = tmp_path / "mirror"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path):
    return tmp_path / "cache" / "digits"


def left_behind(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_a_file_is_fetched_unpacked_and_checked(server, target):
    folder, address = server
    (folder / "digits.gz").write_bytes(gzip.compress(CONTENT, 1))
    FETCH(target, urls=[f"{address}digits.gz"])
    assert target.read_bytes() == CONTENT
    assert left_behind(target) == ["digits"]


def test_the_next_mirror_is_tried(server, target):
    folder, address = server
    (folder / "other.gz").write_bytes(gzip.compress(b"other digits"))
    (folder / "cut.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    (folder / "digits.gz").write_bytes(gzip.compress(CONTENT))
    names = ["absent.gz", "other.gz", "cut.gz", "digits.gz"]
    FETCH(target, urls=[address + name for name in names])
    assert target.read_bytes() == CONTENT


def test_when_no_mirror_delivers_each_reason_and_the_remedy_are_told(server, target):
    folder, address = server
    (folder / "other.gz").write_bytes(gzip.compress(b"other digits"))
    (folder / "cut.gz").write_bytes(gzip.compress(CONTENT)[:-20])
    urls = [address + name for name in ("absent.gz", "other.gz", "cut.gz")]
    with pytest.raises(DataError) as caught:
        FETCH(target, urls=urls)
    message = str(caught.value)
    assert message.startswith("digits: expected to download it, but no mirror delivered it:\n")
    assert f"{urls[0]}: HTTP status 404" in message
    assert f"{urls[1]}: expected content with sha256 {download.digest(CONTENT)[:12]}" in message
    assert f"{urls[2]}: digits.gz: expected a complete gzip stream" in message
    assert message.endswith("\nDo this instead.")
    assert left_behind(target) == []


def test_no_network(target, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/digits\.gz: ConnectionError\nDo this instead\."):
        FETCH(target, urls=["http://127.0.0.1:9/digits.gz"])
    assert left_behind(target) == []


def full(path: Path, content: bytes) -> int:
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_while_storing_leaves_nothing(target, monkeypatch):
    download.prepare_directory(target.parent)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="the disk is full. Free some space"):
        download.store(target, CONTENT)
    assert left_behind(target) == []


def test_a_full_disk_keeps_the_old_file(target, monkeypatch):
    download.prepare_directory(target.parent)
    target.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match="the disk is full"):
        download.store(target, CONTENT)
    assert target.read_bytes() == b"old"


def test_a_full_disk_while_downloading_tries_no_other_mirror(server, target, monkeypatch):
    folder, address = server
    (folder / "digits.gz").write_bytes(gzip.compress(CONTENT))
    attempts = []

    def no_room(self, url, *_):
        attempts.append(url)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pooch.HTTPDownloader.__call__", no_room)
    with pytest.raises(DataError, match="the disk is full"):
        FETCH(target, urls=[f"{address}digits.gz"] * 2)
    assert len(attempts) == 1
    assert left_behind(target) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="expected a writable place, got: Not a directory. Set UNWARP_CACHE"):
        FETCH(tmp_path / "file" / "cache" / "digits", urls=[])


def test_the_cache_directory_can_be_chosen(monkeypatch):
    monkeypatch.setenv("UNWARP_CACHE", "/chosen")
    assert download.cache_directory() == Path("/chosen")
    monkeypatch.delenv("UNWARP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert download.cache_directory() == Path("/caches/unwarp")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert download.cache_directory() == Path.home() / ".cache" / "unwarp"


def test_progress_is_shown_and_counts(capsys):
    with DownloadProgress("digits.gz") as progress:
        assert progress.total == 0
        progress.total = 2_000_000
        progress.update(500_000)
        progress.update(500_000)
        assert progress.done == 1_000_000
        progress.reset()
        progress.update(2_000_000)
        progress.close()
        assert progress.done == progress.total == 2_000_000
    assert capsys.readouterr().out == ""
