"""Whatever a package exports is in the reference."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import unwarp

ROOT = Path(__file__).parents[2]
PACKAGES = ("transforms", "kernels", "nn", "compat", "models", "viz", "export")


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "tools" / "site_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_listed_by_its_exports(package):
    assert f"\n{{exports of unwarp.{package}}}\n" in page(package)


def test_exports_are_the_classes_and_functions(hooks):
    assert hooks.exports("unwarp.compat") == "::: unwarp.compat.affine_grid\n\n::: unwarp.compat.grid_sample"
    assert "TRANSFORMS" not in hooks.exports("unwarp.transforms")


def test_functions_and_errors_are_documented():
    functions = {name for name in unwarp.__all__ if name.islower() and callable(getattr(unwarp, name))}
    errors = {name for name in unwarp.__all__ if name.endswith("Error")}
    for listed, expected in (("functions", functions), ("errors", errors)):
        lines = page(listed).splitlines()
        assert {line.rpartition(".")[2] for line in lines if line.startswith("::: ")} == expected


def test_formulas_become_mathml(hooks):
    shown = hooks.on_page_content('<p><span class="arithmatex">\\(a &lt; \\theta\\)</span></p>')
    assert shown.startswith("<p><math")
    assert "arithmatex" not in shown


def test_examples_of_docstrings_are_found_as_such():
    """Written "Example:" they are shown as running text."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py")]
    assert not [text for text in sources if re.search(r"^ +Example:$", text, re.MULTILINE)]
    assert sum(len(re.findall(r"^ +Examples:$", text, re.MULTILINE)) for text in sources) >= 60


@pytest.mark.parametrize(
    ("place", "expected"),
    [("index.html", "assets/folder_worker.js"), ("zh/paper.html", "../assets/folder_worker.js")],
)
def test_pages_fetch_no_script_from_elsewhere(place, expected, hooks):
    page = SimpleNamespace(file=SimpleNamespace(dest_uri=place))
    given = '<script src="https://unpkg.com/iframe-worker/shim"></script>'
    assert hooks.on_post_page(given, page=page) == f'<script src="{expected}"></script>'
    assert hooks.on_post_template(given) == '<script src="/assets/folder_worker.js"></script>'
    assert (ROOT / "docs" / "assets" / "folder_worker.js").is_file()
