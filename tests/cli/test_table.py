import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

SMALL = ["data.validation=32", "data.batch_size=32", "model.width=4", "training.precision=float32", "training.epochs=1"]
ONLY = ["--only", "mnist-r/st-cnn-affine"]


@pytest.fixture
def table(unwarp, mnist_folder):
    """`unwarp table 1` with settings that make a cell take a second."""
    return lambda *arguments: unwarp("table", "1", *SMALL, "--data-dir", mnist_folder, "--quiet", *arguments)


def record_files():
    return sorted(path for path in Path("results").rglob("*.json") if path.parent.name != "tables")


def test_runs_what_is_missing_and_writes_the_table(table):
    first = table("--only", "mnist-r/*cnn", "--only", "mnist-p/fcn")
    assert first.code == 0
    assert first.out.index("1 of 2: mnist-r/cnn") < first.out.index("2 of 2: mnist-p/fcn")
    assert len(record_files()) == 2
    (document,) = Path("results/tables").glob("*.json")
    cells = {cell["experiment"]: cell for cell in json.loads(document.read_text())["cells"]}
    assert len(cells) == 36
    assert [name for name, cell in cells.items() if cell["ours"]] == ["mnist-p/fcn", "mnist-r/cnn"]
    assert document.with_suffix(".md").read_text().count("\n| mnist-") == 36
    assert document.with_suffix(".png").stat().st_size > 10_000
    assert not list(Path("results/tables").glob("*/*.png"))
    second = table("--only", "mnist-r/*cnn", "--only", "mnist-p/fcn")
    assert second.out.count("done before") == 2


def test_seeds_run_seed_by_seed(table):
    done = table("--only", "mnist-r/cnn", "--only", "mnist-r/fcn", "--seeds", "2")
    order = [done.out.index(f"mnist-r/{name} (custom-") for name in ("cnn", "fcn")]
    assert done.code == 0
    assert order == sorted(order)
    assert [path.stem[-5:] for path in record_files()] == ["seed0", "seed1"] * 2


@pytest.mark.timeout(300)
def test_jobs_run_at_the_same_time(table):
    done = table("--only", "mnist-r/cnn", "--only", "mnist-p/cnn", "--jobs", "2")
    assert done.code == 0, done.err
    assert len(record_files()) == 2


def test_a_damaged_record_is_replaced_and_one_of_other_digits_is_not_taken(table, tmp_path, mnist_folder):
    only = ["--only", "mnist-r/fcn"]
    table(*only)
    (record,) = record_files()
    content = record.read_bytes()
    record.write_bytes(content[:100])
    refused = table("--no-run")
    assert (refused.code, "Delete the file" in refused.err) == (1, True)
    replaced = table(*only)
    assert (replaced.code, "damaged record replaced" in replaced.out) == (0, True)
    assert json.loads(record.read_text())["test_error"] == json.loads(content)["test_error"]
    other = tmp_path / "other"
    shutil.copytree(mnist_folder, other)
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copyfile(other / f"t10k-{kind}-ubyte.gz", other / f"train-{kind}-ubyte.gz")
    again = table(*only, "--data-dir", other)
    assert (again.code, "trained" in again.out) == (0, True)
    assert table(*only, "--data-dir", other).out.count("done before") == 1
    assert len(record_files()) == 2  # the one of the first digits has moved aside


def test_no_run_makes_the_table_alone(table):
    assert table("--no-run").code == 0
    assert record_files() == []


def test_no_figure_is_cut_in_a_narrow_window(unwarp, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    printed = unwarp("table", "1", "--budget", "quick", "--no-run").out
    assert "(13. │ │ │ )" in printed  # one row after another
    assert "…" not in printed


@pytest.mark.timeout(300)  # two programs start, each of which imports all of the trainer
def test_a_cell_killed_in_the_middle_goes_on_from_its_last_checkpoint(table, mnist_folder):
    settings = [setting for setting in SMALL if "epochs" not in setting] + ["training.epochs=12"]
    arguments = ["table", "1", *settings, "--data-dir", mnist_folder, "--quiet", *ONLY]
    command = [sys.executable, "-c", "from unwarp.cli import main; main()", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        last = _wait_for_checkpoint(process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished = torch.load(last, weights_only=True)["epoch"] + 1
    assert 0 < finished < 12
    assert record_files() == []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "resumed" in done.stdout
    (record,) = record_files()
    assert [row["epoch"] for row in json.loads(record.read_text())["history"]] == list(range(1, 13))


def _wait_for_checkpoint(process):
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        for last in Path("runs").rglob("last.ckpt"):
            return last
        time.sleep(0.02)
    pytest.fail(f"no checkpoint; the command ended with {process.poll()}")


def test_a_failed_cell_does_not_stop_the_others(table, mnist_folder):
    done = table("--only", "mnist-r/cnn", "--only", "mnist-r/fcn", "training.lr=1e30", "training.clip=0")
    assert done.code == 1
    assert "failed: loss: expected a finite value" in done.out
    assert "2 of 2" in done.out


def test_docs_page_gets_the_table(table):
    Path("docs").mkdir()
    page = Path("docs/page.md")
    page.write_text("before\n<!-- begin: unwarp table 1 quick -->\nold\n<!-- end: unwarp table 1 quick -->\nafter\n")
    assert table("--no-run", "--docs", page).code == 1  # the section is of plain quick runs, not of these settings
    assert "old" in page.read_text()


def test_docs_section_is_replaced_alone(unwarp):
    page = Path("page.md")
    page.write_text("before\n<!-- begin: unwarp table 1 quick -->\nold\n<!-- end: unwarp table 1 quick -->\nafter\n")
    assert unwarp("table", "1", "--budget", "quick", "--no-run", "--docs", page).code == 0
    text = page.read_text()
    assert text.startswith("before\n<!-- begin")
    assert text.endswith("-->\nafter\n")
    assert "old" not in text
    assert "](images/tables/1-quick.png)" in text
    assert Path("images/tables/1-quick.png").read_bytes() == Path("results/tables/1-quick.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("2",), "table: expected"), (("1", "--only", "mnist-q/*"), "mnist-q"), (("1", "--budget", "all"), "budget")],
)
def test_wrong_requests(unwarp, arguments, message):
    refused = unwarp("table", *arguments)
    assert refused.code == 2
    assert message in refused.err


@pytest.fixture
def standing(table):
    """A table with one run, its weights kept."""
    assert table(*ONLY, "--keep", "mnist-r/st-cnn-affine").code == 0
    return lambda: table("--check")


def test_samples_are_drawn_of_cells_with_a_transformer(table):
    done = table(*ONLY, "--only", "mnist-r/cnn", "--samples")
    assert done.code == 0
    (sample,) = Path("results/tables").glob("*-samples/*.png")
    assert sample.stem == "mnist-r-st-cnn-affine"
    assert "not drawn, no transformer: mnist-r/cnn" in done.out
    shutil.rmtree("runs")
    again = table(*ONLY, "--samples", "--no-run")
    assert "not drawn, no weights of a finished run here: mnist-r/st-cnn-affine" in again.out
    (page,) = Path("results/tables").glob("*.md")
    assert f"]({sample.parent.name}/{sample.name})" in page.read_text()


def test_samples_of_a_co_localiser_show_every_digit(unwarp, mnist_folder):
    settings = [
        "data.validation=32",
        "model.width=4",
        "training.epochs=1",
        "training.steps=1",
        "training.precision=float32",
    ]
    only = ["--only", "mnist-t84/*", "--data-dir", mnist_folder, "--quiet", "--samples"]
    done = unwarp("table", "colocalisation", *settings, *only)
    assert done.code == 0, done.err
    (sample,) = Path("results/tables").glob("*-samples/*.png")
    assert sample.stem == "mnist-t84-co-localiser"


def test_check_of_a_sound_table(standing):
    checked = standing()
    assert checked.code == 0
    assert checked.out.count("sound: ") == 3
    assert "mnist-r/st-cnn-affine, seed 0" in checked.out


def test_check_finds_a_table_that_the_records_do_not_give(standing):
    (record,) = [path for path in record_files() if not path.stem.startswith("weights-")]
    values = json.loads(record.read_text())
    record.write_text(json.dumps({**values, "test_error": values["test_error"] / 2}))
    checked = standing()
    assert checked.code == 1
    assert checked.out.count("WRONG: ") == 3
    assert f"test_error {values['test_error']} instead of {values['test_error'] / 2}" in " ".join(checked.out.split())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("seed", 7, "seed 7 instead of 0"),
        ("test_error", 0.25, "test_error 0.25 instead of "),
        ("test_examples", 1, "test_examples 1 instead of "),
        ("config", {"training": {"epochs": 9}}, "training.epochs 9 instead of 1"),
        ("config", [], "expected a file that describes kept weights"),
    ],
)
def test_check_finds_a_card_that_says_what_its_record_does_not(standing, name, value, message):
    (card,) = Path("results").rglob("weights-*.json")
    values = json.loads(card.read_text())
    if name == "config" and value:
        value = {**values["config"], "training": {**values["config"]["training"], **value["training"]}}
    card.write_text(json.dumps({**values, name: value}))
    checked = standing()
    assert checked.code == 1
    assert checked.out.count("WRONG: ") == 1
    assert message in checked.out


def test_check_finds_a_table_that_keeps_too_few_weights(unwarp):
    assert unwarp("table", "1", "--no-run").code == 0
    checked = unwarp("table", "1", "--check")
    assert checked.code == 1
    assert checked.out.count("WRONG: ") == 1
    assert "expected those of at least 3 runs of '1 standard' in results, found 0" in checked.out


def test_check_finds_that_kept_weights_are_gone(standing):
    for path in Path("results").rglob("weights-*"):
        path.unlink()
    checked = standing()
    assert checked.code == 1
    assert checked.out.count("WRONG: ") == 1


def test_check_finds_weights_that_do_not_give_the_recorded_error(standing):
    (card,) = Path("results").rglob("weights-*.json")
    values = json.loads(card.read_text())
    card.write_text(json.dumps({**values, "float32_error": values["float32_error"] - 2.5}))
    checked = standing()
    assert checked.code == 1
    assert checked.out.count("WRONG: ") == 1


def test_check_finds_changed_weights(standing):
    (weights,) = Path("results").rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    checked = standing()
    assert checked.code == 1
    assert "missing or changed" in checked.out


def test_check_of_a_page(unwarp):
    page = Path("page.md")
    page.write_text("<!-- begin: unwarp table 1 quick -->\n<!-- end: unwarp table 1 quick -->\n")
    quick = ["table", "1", "--budget", "quick", "--docs", page]
    assert unwarp(*quick, "--check").code == 1
    assert unwarp(*quick, "--no-run").code == 0
    assert unwarp(*quick, "--check").code == 0
    page.write_text(page.read_text().replace("0 of 36", "1 of 36"))
    assert unwarp(*quick, "--check").code == 1


@pytest.mark.parametrize("name", ["any.md", "deep/other.md"])
def test_check_finds_the_pages_of_the_folder_of_documents(unwarp, name):
    page = Path("docs", name)
    page.parent.mkdir(parents=True)
    page.write_text("<!-- begin: unwarp table 1 quick -->\n<!-- end: unwarp table 1 quick -->\n")
    quick = ["table", "1", "--budget", "quick"]
    assert unwarp(*quick, "--no-run", "--docs", page).code == 0
    assert unwarp(*quick, "--check").out.count("sound: ") == 3
    page.write_text(page.read_text().replace("0 of 36", "1 of 36"))
    checked = unwarp(*quick, "--check")
    assert checked.code == 1
    assert checked.out.count("WRONG: ") == 1


def test_only_runs_can_be_kept(table):
    refused = table("--no-run", "--keep", "mnist-r/cnn")
    assert refused.code == 2
    assert "keep: expected" in refused.err
