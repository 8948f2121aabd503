"""Every block of Python in the documentation runs, page by page and in order; every command is one that exists."""

import ast
import re
import shlex
import textwrap
from pathlib import Path

import pytest
import typer

from unwarp.cli.app import app
from unwarp.experiments.experiment import choose

UsageError = typer.BadParameter.__base__
DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, also those inside of lists."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def pages_with(language: str) -> list[str]:
    return sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if blocks(page, language))


def commands(page: Path) -> list[list[str]]:
    """The arguments of each `unwarp` command of a page."""
    lines = "\n".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    words = [shlex.split(line, comments=True) for line in lines]
    return [line[1:] for line in words if line[:1] == ["unwarp"]]


def parse(arguments: list[str]):
    """Read a command line as the program would, without running it; nothing where an option answers at once."""
    command = typer.main.get_command(app)
    context = command.make_context("unwarp", list(arguments))
    while hasattr(command, "resolve_command"):  # a command with subcommands
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        try:
            context = command.make_context(name, rest, parent=context)
        except typer.Exit:
            return None
    return context


def translated(page: str) -> Path:
    """The English page that a Chinese one, by its path below zh/, links to."""
    (link,) = re.findall(r"\[English\]\((.*?)\)", (DOCS / "zh" / page).read_text(encoding="utf-8"))
    return DOCS / "zh" / link


def shape(page: Path) -> list[str]:
    """What a translation has in common with its original: the first characters of headings, lists and tables."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^(?:#+ |- |\||!\[)", prose, re.MULTILINE)


ORIGINALS = [page for page in pages_with("python") if not page.startswith("zh/")]
CHINESE = sorted(str(page.relative_to(DOCS / "zh")) for page in (DOCS / "zh").glob("*.md"))


@pytest.mark.parametrize("page", CHINESE)
def test_translations_hold_the_same_code(page):
    """Comments apart; so they run as their originals do."""
    chinese, english = DOCS / "zh" / page, translated(page)
    for language in ("python", "bash"):
        codes = [blocks(one, language) for one in (chinese, english)]
        if language == "python":
            codes = [[ast.dump(ast.parse(block)) for block in code] for code in codes]
        assert codes[0] == codes[1]


@pytest.mark.parametrize("page", [page for page in CHINESE if page != "index.md"])
def test_translations_are_complete(page):
    assert shape(DOCS / "zh" / page) == shape(translated(page))


@pytest.mark.parametrize("page", ORIGINALS)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "docs"}
    for block in blocks(DOCS / page, "python"):
        exec(compile(block, page, "exec"), names)
    if page == "tutorials/first-transformer.md":
        assert 12 < names["error"] < 22  # percent: "about one test digit in six"
        assert 0.4 < names["total"] / names["training"].num_batches < 0.7  # "to about 0.5"


@pytest.mark.parametrize("page", pages_with("bash"))
def test_commands_exist(page):
    for arguments in commands(DOCS / page):
        context = parse(arguments)
        if context is None or context.info_name != "train" or "/" not in context.params["name"]:
            continue
        if not context.params["name"].startswith("folder/"):
            choose(context.params["name"], context.params["settings"] or [], budget=context.params["budget"])


def test_a_wrong_option_is_seen():
    with pytest.raises(UsageError, match="No such option"):
        parse(["train", "mnist-r/cnn", "--nonsense"])


def test_the_tutorials_are_among_them():
    assert {"index.md", "tutorials/first-transformer.md", "tutorials/paper.md"} <= {*ORIGINALS}
    assert {"index.md", "paper.md", "first-transformer.md", "training.md", "conventions.md"} <= {*CHINESE}
