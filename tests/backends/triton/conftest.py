"""These bodies run on a GPU where there is one, else interpreted: see `tests/backends/test_triton.py`."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from unwarp.backends.select import BACKENDS
from unwarp.backends.triton.interpreted import interpreted

HERE = Path(__file__).parent

if not (interpreted() or torch.cuda.is_available()):
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let these bodies compile on a GPU: Triton 3.9 warns there, once, that 3.10 will fuse no multiply-adds of itself.

    The kernels say themselves what is fused and what is not, so neither default changes a promise.
    """
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION is unset:UserWarning"))


@pytest.fixture
def device() -> str:
    """Where the kernels run."""
    return "cpu" if interpreted() else "cuda"


@pytest.fixture(autouse=True, scope="session")
def _remember_what_triton_patches() -> Iterator[None]:
    """At every call of a device function the interpreter lists and replaces Triton's language anew: most of its time.

    The launch of a kernel has replaced what our own modules see; Triton's see `triton.language.core`, for good.
    """
    if not interpreted():
        yield
        return
    from triton import language
    from triton.language.core import is_builtin
    from triton.runtime import interpreter

    names: dict[object, list[str]] = {}

    def members(package: object) -> list[tuple[str, object]]:
        if package not in names:
            names[package] = [name for name, member in inspect.getmembers(package) if is_builtin(member)]
        return [(name, getattr(package, name)) for name in names[package]]

    replaced: set[str] = set()

    def call(self: interpreter.InterpretedFunction, *arguments: object, **options: object) -> object:
        module = self.fn.__globals__
        if module.get("tl") is not language and module["__name__"] not in replaced:
            interpreter._patch_lang(self.fn)
            replaced.add(module["__name__"])
        return self.rewrite()(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreter, "inspect", SimpleNamespace(**{**vars(inspect), "getmembers": members}))
        patch.setattr(interpreter.InterpretedFunction, "__call__", call)
        yield


@pytest.fixture(autouse=True, scope="session")
def _loaded() -> None:
    """Define the ops, as choosing the backend does."""
    assert BACKENDS["triton"].missing() is None
