import sys

import pytest

from unwarp._optional import require
from unwarp.errors import DependencyError


def test_returns_the_module():
    assert require("os.path", extra="train") is sys.modules["os.path"]


def test_names_the_package_and_the_extra_that_installs_it():
    with pytest.raises(DependencyError, match=r"absent_package: .* pip install .* -e '\.\[train\]'"):
        require("absent_package.part", extra="train")


def test_a_package_that_is_there_but_broken_says_so_itself(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("import absent_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="absent_dependency") as caught:
        require("broken_package", extra="train")
    assert not isinstance(caught.value, DependencyError)
