"""The tables of the pages are those of the records; `unwarp table --check` computes kept weights again besides."""

from pathlib import Path

import pytest

from unwarp.experiments.table_check import check_files
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
    assert pages == [ROOT / "docs" / "reproduction.md"]
    findings = list(check_files(layout(name), cells, results, section, pages))
    assert len(findings) == 3
    assert [finding.text for finding in findings if not finding.sound] == []


def test_three_networks_of_table_1_are_kept():
    cells = collect(layout("1"), ROOT / "results", budget="standard")
    assert sum(len(cell.weights) for cell in cells) >= 3
