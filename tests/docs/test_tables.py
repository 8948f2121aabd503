"""The tables of the pages are those of the records; `unwarp table --check` computes kept weights again besides."""

import re
from pathlib import Path

import pytest

from unwarp.experiments.table_check import check_files, check_kept
from unwarp.experiments.table_figures import collect
from unwarp.experiments.table_files import section_name
from unwarp.experiments.table_markdown import pages_with
from unwarp.experiments.tables import TABLES, layout

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_those_of_the_records(name):
    results, section = ROOT / "results", section_name(name, "standard")
    cells = collect(layout(name), results, budget="standard")
    pages = pages_with(section, ROOT / "docs")
    assert pages
    files = list(check_files(layout(name), cells, results, section, pages))
    assert len(files) == 2 + len(pages)
    findings = [*files, *check_kept(layout(name), cells, results, section)]
    assert [finding.text for finding in findings if not finding.sound] == []


def test_every_generated_section_is_compared():
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    found = re.findall(r"<!-- begin: unwarp table (.*?) -->", pages)
    assert sorted(found) == sorted(section_name(name, "standard") for name in TABLES)
