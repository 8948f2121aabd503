import shutil
from pathlib import Path

import pytest

from unwarp.experiments.table_check import check_files, check_kept
from unwarp.experiments.table_figures import collect
from unwarp.experiments.table_files import write_table
from unwarp.experiments.table_markdown import pages_with
from unwarp.experiments.tables import TABLES, layout

ROOT = Path(__file__).parents[2]


@pytest.fixture
def results(tmp_path):
    """A copy of the committed records and cards."""
    return Path(shutil.copytree(ROOT / "results", tmp_path / "results", ignore=shutil.ignore_patterns("*.safetensors")))


def kept(results, name="1 standard"):
    chosen = layout("1")
    return list(check_kept(chosen, collect(chosen, results, budget="standard"), results, name))


def test_a_table_that_keeps_as_many_weights_as_its_definition_says(results):
    (finding,) = kept(results)
    assert finding.sound


def test_missing_weights_are_found_even_if_the_table_was_made_again(results):
    chosen = layout("1")
    cards = [card for cell in collect(chosen, results, budget="standard") for card in cell.weights]
    for card in cards[2:]:
        (results / card).unlink()
    cells = collect(chosen, results, budget="standard")
    write_table(chosen, cells, results, "1 standard")
    assert all(finding.sound for finding in check_files(chosen, cells, results, "1 standard", []))
    (finding,) = kept(results)
    assert not finding.sound
    assert "at least 3 runs of '1 standard'" in finding.text
    assert finding.text.endswith("found 2. Restore the files weights-*, or keep a run's by --keep EXPERIMENT.")


def test_other_budgets_and_tables_need_no_weights(results):
    assert kept(results, "1 quick") == []
    assert [name for name in TABLES if layout(name).kept] == ["1"]


def test_a_changed_cell_of_a_page_is_found(results):
    page = results.parent / "docs" / "deep" / "page.md"
    page.parent.mkdir(parents=True)
    page.write_text("<!-- begin: unwarp table volumes standard -->\n<!-- end: unwarp table volumes standard -->\n")
    chosen = layout("volumes")
    cells = collect(chosen, results, budget="standard")
    write_table(chosen, cells, results, "volumes standard", page=page)
    ours = next(cell.ours for cell in cells if cell.ours is not None)
    page.write_text(page.read_text().replace(f"{ours.mean:.2f}", f"{ours.mean + 1:.2f}"))
    pages = pages_with("volumes standard", results.parent / "docs")
    wrong = [each.text for each in check_files(chosen, cells, results, "volumes standard", pages) if not each.sound]
    assert wrong == [f"{page}, section 'volumes standard' does not agree with the records; make the table again"]
