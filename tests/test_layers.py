"""The import contracts cover every part of the package, and the core imports torch and numpy alone."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "unwarp"
IMPORT_LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in IMPORT_LINTER["contracts"]}
LAYERS = [re.findall(r"\w+", layer) for layer in CONTRACTS["layers"]["layers"]]
CORE = [name for layer in LAYERS[4:] for name in layer]


def parts() -> list[str]:
    children = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    return sorted(path.stem for path in children if path.stem not in {"__init__", "__main__"})


def sources(name: str) -> list[Path]:
    return [*PACKAGE.glob(f"{name}.py"), *(PACKAGE / name).rglob("*.py")]


def imported_packages(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_every_part_of_the_package_has_a_layer():
    assert set(parts()) <= {name for layer in LAYERS for name in layer}


def test_the_core_contract_holds_for_every_core_layer():
    assert sorted(CONTRACTS["core"]["source_modules"]) == sorted(f"unwarp.{name}" for name in CORE)


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_torch_and_numpy_alone(name):
    paths = sources(name)
    assert paths
    for path in paths:
        allowed = {"unwarp", "torch", "numpy", "jaxtyping", *sys.stdlib_module_names}
        if "triton" in path.parts:
            allowed.add("triton")
        assert imported_packages(path) <= allowed, path
