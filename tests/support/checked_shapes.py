"""Under pytest the shapes in unwarp's signatures are checked: of calls that return, by jaxtyping and beartype.

A call that raises is left alone, so that the messages for wrong arguments stay those of the package. One that returns
although a tensor has another shape than its signature says has a wrong signature, or accepts what it should refuse.
"""

import ast
import functools
import importlib.machinery
import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple, get_args

import jaxtyping
import torch
from beartype.door import is_bearable

PACKAGE = "unwarp"
SHAPES = ("Float", "Integer", "Shaped")
"""What `unwarp._typing` calls them, and jaxtyping too."""
ENOUGH = 200
"""Forms of calls of a function that were right; further ones are not looked at, for the sake of time."""


class WrongShapeError(AssertionError):
    """A tensor has another shape or dtype than the signature says."""


class _Checks(NamedTuple):
    """What is to be checked of a function."""

    name: str
    signature: inspect.Signature
    hints: dict[str, Any]
    fitted: set[Any]
    """Forms of calls that were right: most calls of a run are like one before."""

    @classmethod
    def of(cls, function: Callable[..., Any]) -> "_Checks":
        signature = inspect.signature(function)
        kinds = {name: one.kind for name, one in signature.parameters.items()}
        unnamed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        hints = inspect.get_annotations(function).items()
        checked = {name: hint for name, hint in hints if _has_shape(hint) and kinds.get(name) not in unnamed}
        return cls(function.__qualname__, signature, checked, set())

    def mismatches(self, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> list[str]:
        if any(_symbolic(value) for value in (*args, *kwargs.values(), result)):
            return []
        form = (_form(args), tuple(kwargs), _form(tuple(kwargs.values())), _form(result))
        if form in self.fitted:
            return []
        values = {**self.signature.bind(*args, **kwargs).arguments, "return": result}
        with jaxtyping.jaxtyped("context"):
            wrong = [name for name in self.hints if name in values and not is_bearable(values[name], self.hints[name])]
        if not wrong:
            self.fitted.add(form)
        shown = {name: _shown(value) for name, value in values.items()} if wrong else {}
        return [f"{self.name}: {name} is no {self.hints[name]}; there are {shown}" for name in wrong]


_checks: dict[Callable[..., Any], _Checks] = {}


class _Pending(threading.local):
    """What is wrong within the calls that are under way."""

    def __init__(self) -> None:
        self.depth = 0
        self.mismatches: list[str] = []


_pending = _Pending()


def install() -> None:
    """Check whatever of the package is imported from now on."""
    if any(name.partition(".")[0] == PACKAGE for name in sys.modules):
        raise RuntimeError(f"{PACKAGE} is imported already: its shapes cannot be checked any more.")
    sys.meta_path.insert(0, _Finder())


def on_return(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check arguments and result of a function once the outermost of all checked calls has returned."""
    _checks[function] = _Checks.of(function)  # not in the closure, which torch.compile reads

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or len(_checks[function].fitted) >= ENOUGH:
            return function(*args, **kwargs)
        _pending.depth += 1
        try:
            result = function(*args, **kwargs)
            _pending.mismatches += _checks[function].mismatches(args, kwargs, result)
        finally:
            _pending.depth -= 1
            found = _pending.mismatches
            if _pending.depth == 0:
                _pending.mismatches = []
        if _pending.depth == 0 and found:
            raise WrongShapeError("\n".join(found))
        return result

    return checked


def _has_shape(hint: Any) -> bool:
    of_jaxtyping = isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)
    return of_jaxtyping or any(_has_shape(part) for part in get_args(hint))


def _form(value: Any) -> Any:
    """What a check can depend on."""
    if isinstance(value, torch.Tensor):
        return type(value), value.dtype, tuple(value.shape)
    return tuple(_form(part) for part in value) if isinstance(value, tuple | list) else type(value)


def _symbolic(value: Any) -> bool:
    """Whether a shape is not known yet, as while a graph is made."""
    return isinstance(value, torch.Tensor) and any(isinstance(side, torch.SymInt) for side in value.shape)


def _shown(value: Any) -> Any:
    return (str(value.dtype), tuple(value.shape)) if isinstance(value, torch.Tensor) else repr(value)[:60]


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != PACKAGE:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Compile without the cache of bytecode, which is that of the unchecked module."""
        return self.source_to_code(Path(self.path).read_bytes(), self.path)

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> CodeType:
        return compile(_with_checks(ast.parse(data)), path, "exec", dont_inherit=True, optimize=_optimize)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if module.__name__ == f"{PACKAGE}._typing":
            module.__dict__.update({name: _Checked(getattr(jaxtyping, name)) for name in SHAPES})


class _Checked:
    """A dtype of jaxtyping that leaves open what it cannot check: two parts of unknown length, sums and products."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype

    def __getitem__(self, item: tuple[Any, str]) -> Any:
        tensor, shape = item
        sides = [side if side.lstrip("*#").isalnum() or "_" in side else "_" for side in shape.split()]
        several = [index for index, side in enumerate(sides) if side.startswith("*")]
        if len(several) > 1:
            sides[several[0] : several[-1] + 1] = ["..."]
        return self._dtype[tensor, " ".join(sides)]


def _with_checks(tree: ast.Module) -> ast.Module:
    """The decorator goes next to the function: what others decorate is the checked one."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in [*tree.body, *(inner for each in classes for inner in each.body)]:
        if isinstance(node, ast.FunctionDef) and _has_shapes(node):
            node.decorator_list.append(_expression(f"__import__({__name__!r}, fromlist=['']).on_return"))
    return ast.fix_missing_locations(tree)


def _has_shapes(function: ast.FunctionDef) -> bool:
    args = function.args
    hints = [arg.annotation for arg in [*args.posonlyargs, *args.args, *args.kwonlyargs]] + [function.returns]
    names = (inner for hint in hints if hint is not None for inner in ast.walk(hint) if isinstance(inner, ast.Name))
    return any(name.id in SHAPES for name in names)


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
