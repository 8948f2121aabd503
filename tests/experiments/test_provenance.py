import re
import subprocess

import pytest
import torch

from unwarp.experiments import provenance


def test_commit_is_one_or_nothing():
    commit = provenance.commit()
    assert commit is None or re.fullmatch(r"[0-9a-f]{40}(-dirty)?", commit)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository whose folder stands for the sources."""

    def git(*arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "errors.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    monkeypatch.setattr(provenance, "_SOURCES", tmp_path)
    return tmp_path


def test_changed_sources_are_dirty(repository):
    assert re.fullmatch("[0-9a-f]{40}", provenance.commit())
    (repository / "errors.py").write_text("2")
    assert provenance.commit().endswith("-dirty")


def test_copy_inside_a_foreign_repository_has_no_commit(repository, monkeypatch):
    installed = repository / "site-packages"
    installed.mkdir()
    (installed / "errors.py").write_text("1")
    monkeypatch.setattr(provenance, "_SOURCES", installed)
    assert provenance.commit() is None


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() is None


def test_machine_and_versions():
    machine = provenance.machine(torch.device("cpu"))
    assert machine["threads"] == torch.get_num_threads()
    assert machine["processor"]
    assert provenance.versions()["torch"] == torch.__version__
    assert "not installed" not in provenance.versions().values()
