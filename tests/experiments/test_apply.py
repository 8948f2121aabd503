"""Many files: where they go, what is never overwritten, and what happens after an interruption."""

import csv
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from support.picture_folders import write_digit_folder, write_oddities
from unwarp.data.intake import Intake
from unwarp.data.picture import read_picture
from unwarp.errors import DataError, OptionError
from unwarp.experiments import apply as applying
from unwarp.experiments.apply import apply_network, find_sources, parse_size
from unwarp.experiments.network_files import Network
from unwarp.models import st_cnn


@pytest.fixture
def network(tmp_path):
    """A network that turns every picture upside down."""
    torch.manual_seed(0)
    model = st_cnn((28, 28), width=2).eval()
    model.transformer.regression.bias.data.copy_(torch.tensor([-1.0, 0, 0, 0, -1, 0]))
    (tmp_path / "weights").write_bytes(b"one")
    classes = tuple(map(str, range(10)))
    return Network({"name": "turner"}, 1, model, Intake(28, 28, 1), classes, None)


@pytest.fixture
def run(network, tmp_path):
    def apply(*inputs, **options):
        out = tmp_path / "out"
        sources = find_sources([str(one) for one in inputs], out)
        return apply_network(network, tmp_path / "weights", sources, out, **options)

    return apply


def table(tmp_path):
    with (tmp_path / "out" / "theta.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_keeps_its_shape_and_every_picture_its_row(run, tmp_path):
    root = write_digit_folder(tmp_path / "in", each=20)
    applied = run(root)
    assert (applied.done, applied.before, applied.failed) == (40, 0, [])
    for path in root.rglob("*.png"):
        made = read_picture(tmp_path / "out" / path.relative_to(root)).pixels
        np.testing.assert_array_equal(made, read_picture(path).pixels[::-1, ::-1])
    rows = table(tmp_path)
    assert len(rows) == 40
    assert [float(rows[0][f"theta_{i}"]) for i in range(6)] == [-1, 0, 0, 0, -1, 0]
    assert {row["output"] for row in rows} == {str(path) for path in (tmp_path / "out").rglob("*.png")}


def test_pictures_larger_than_the_input_keep_their_size_depth_and_transparency(run, tmp_path):
    large = np.random.default_rng(0).integers(0, 255, (90, 61, 4), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")
    deep = np.random.default_rng(1).integers(0, 2**16, (50, 40), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    run(tmp_path / "large.png", tmp_path / "deep.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "out" / "deep.png").pixels[..., 0], deep[::-1, ::-1])
    made = read_picture(tmp_path / "out" / "large.png").pixels
    assert made.shape == large.shape
    np.testing.assert_array_equal(made[..., 3], large[::-1, ::-1, 3])
    visible = made[..., 3] > 50
    assert np.abs(made[visible].astype(int) - large[::-1, ::-1][visible]).max() <= 3


def stopped_after(count, run, root, monkeypatch, **options):
    """Rectify all pictures, but be killed when so many are written."""
    wrote = []

    def stop(path, pixels, like):
        if len(wrote) == count:
            raise KeyboardInterrupt
        wrote.append(path)
        return original(path, pixels, like)

    original = applying.write_picture
    with monkeypatch.context() as patch:
        patch.setattr(applying, "write_picture", stop)
        patch.setattr(applying.ThetaLog, "__exit__", lambda log, *_: log._file.close())  # a kill leaves no last word
        with pytest.raises(KeyboardInterrupt):
            run(root, **options)


def test_goes_on_where_it_stopped(run, tmp_path, monkeypatch):
    root = write_digit_folder(tmp_path / "in", each=20)
    stopped_after(20, run, root, monkeypatch)
    applied = run(root)
    assert applied.before == 20
    assert applied.done == 20
    assert len({row["file"] for row in table(tmp_path)}) == len(table(tmp_path)) == 40
    assert run(root).before == 40


def test_a_start_that_is_cut_short_loses_no_row(run, tmp_path, monkeypatch):
    root = write_digit_folder(tmp_path / "in", each=2)
    run(root)

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            run(root)
    assert len(table(tmp_path)) == 4


def test_files_of_others_are_never_overwritten_without_force(run, tmp_path):
    root = write_digit_folder(tmp_path / "in", each=3)
    foreign = tmp_path / "out" / "1" / "000.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"precious")
    applied = run(root)
    assert applied.done == 5
    assert [path.name for path, reason in applied.failed if "--force" in reason] == ["000.png"]
    assert foreign.read_bytes() == b"precious"
    assert run(root, force=True).done == 6
    assert foreign.read_bytes() != b"precious"


def test_two_pictures_never_go_into_one_file(run, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / name / "same.png")
    applied = run(tmp_path / "a", tmp_path / "b")
    assert applied.done == 1
    assert "already made of" in applied.failed[0][1]


def test_odd_files_are_named_and_the_others_done(run, tmp_path):
    write_oddities(tmp_path / "in")
    applied = run(tmp_path / "in", most_pixels=30_000)
    assert {path.name for path, _ in applied.failed} == {"cut.png", "text.jpg", "huge.png"}
    assert {path.name for path, _ in applied.notes} == {"moving.gif", "cmyk.jpg"}
    assert {path.name for path in (tmp_path / "out").glob("*.*g")} == {"moving.png", "cmyk.jpg", "wide.png"}
    with pytest.raises(DataError, match="--strict"):
        run(tmp_path / "in", strict=True, force=True)


def test_a_table_of_another_network_is_refused(run, tmp_path):
    root = write_digit_folder(tmp_path / "in", each=3)
    run(root)
    (tmp_path / "weights").write_bytes(b"another")
    with pytest.raises(OptionError, match="table of another network"):
        run(root)
    assert run(root, force=True).done == 6


def test_a_replacement_that_is_cut_short_leaves_no_older_picture(run, network, tmp_path, monkeypatch):
    """A row is of the picture beside it, and what is not yet replaced is replaced by the next run."""
    root = write_digit_folder(tmp_path / "in", each=6)
    run(root)
    monkeypatch.setattr(applying, "_BATCH", 2)
    (tmp_path / "weights").write_bytes(b"another")
    network.model.transformer.regression.bias.data.copy_(torch.tensor([1.0, 0, 0, 0, 1, 0]))
    for _ in range(2):  # the second run forgets the few rows of the first one
        stopped_after(5, run, root, monkeypatch, force=True)
    applied = run(root)
    assert (applied.before, applied.done, applied.failed) == (5, 7, [])
    for path in root.rglob("*.png"):
        made = read_picture(tmp_path / "out" / path.relative_to(root)).pixels
        np.testing.assert_array_equal(made, read_picture(path).pixels)
    assert not list((tmp_path / "out").glob(".*"))


def test_replacing_a_few_leaves_the_others_to_be_replaced(run, tmp_path):
    root = write_digit_folder(tmp_path / "in", each=2)
    run(f"{root}/*/*.png")
    (tmp_path / "weights").write_bytes(b"another")
    assert run(f"{root}/*/000.png", force=True).done == 2
    assert len(table(tmp_path)) == 2
    applied = run(f"{root}/*/*.png")
    assert (applied.before, applied.done, applied.failed) == (2, 2, [])


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_name_that_is_no_text_is_kept_as_it_is(run, tmp_path):
    (tmp_path / "in").mkdir()
    name = os.fsdecode(b"x\xff\xfe.png")
    Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "in" / "x.png")
    (tmp_path / "in" / "x.png").rename(tmp_path / "in" / name)
    assert run(tmp_path / "in").done == 1
    assert run(tmp_path / "in").before == 1
    assert (tmp_path / "out" / name).is_file()


def test_patterns_folders_and_files_are_found_but_not_the_output(tmp_path):
    root = write_digit_folder(tmp_path / "in", each=2)
    (root / "out").mkdir()
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(root / "out" / "made.png")
    places = [source.place for source in find_sources([str(root)], root / "out")]
    assert places == [Path("1/000.png"), Path("1/001.png"), Path("4/000.png"), Path("4/001.png")]
    assert [source.place for source in find_sources([f"{root}/*/000.png"], tmp_path / "x")] == [
        Path("1/000.png"),
        Path("4/000.png"),
    ]
    twice = find_sources([str(root / "1" / "000.png"), f"{root}/1/0*.png"], tmp_path / "x")
    assert len(twice) == 2
    for nothing in ("missing", f"{root}/*.jpg"):
        with pytest.raises(DataError):
            find_sources([nothing], tmp_path / "x")


def test_every_result_has_the_size_asked_for(run, tmp_path):
    root = write_digit_folder(tmp_path / "in", each=2)
    run(root, size=parse_size("40x20"))
    assert read_picture(tmp_path / "out" / "1" / "000.png").pixels.shape == (20, 40, 1)
    for wrong in ("40", "40x", "axb", "0x3", "-1x4"):
        with pytest.raises(OptionError, match="WIDTHxHEIGHT"):
            parse_size(wrong)


def test_the_same_files_are_known_by_any_path_and_from_any_folder(network, tmp_path, monkeypatch):
    root = write_digit_folder(tmp_path / "in", each=2)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(root)

    def again(folder, named, out):
        monkeypatch.chdir(tmp_path / folder)
        applied = apply_network(network, tmp_path / "weights", find_sources([str(named)], Path(out)), Path(out))
        return applied.done, applied.before, applied.failed

    assert again(".", "in", "out") == (4, 0, [])
    written = [(row["file"], row["output"]) for row in table(tmp_path)]
    assert written[0] == ("../in/1/000.png".replace("/", os.sep), "1/000.png".replace("/", os.sep))
    for place in ((".", root, "out"), ("elsewhere", "../in", "../out"), ("out", "../link", "."), (".", "in", "./out")):
        assert again(*place) == (0, 4, [])
    assert [(row["file"], row["output"]) for row in table(tmp_path)] == written


def test_another_size_than_before_is_refused_unless_forced(run, tmp_path):
    root = write_digit_folder(tmp_path / "in", each=2)
    run(root)
    assert run(root, size=parse_size("28x28")).before == 4  # the size that they have
    with pytest.raises(OptionError, match=r"--size: expected 40x20 .* got 28x28 .*--force"):
        run(root, size=parse_size("40x20"))
    assert run(root, size=parse_size("40x20"), force=True).done == 4
    assert {(row["output_width"], row["output_height"]) for row in table(tmp_path)} == {("40", "20")}
    assert run(root, size=parse_size("40x20")).before == 4
    with pytest.raises(OptionError, match=r"--size: expected 28x28 .* got 40x20 .*--force"):
        run(root)


def test_few_large_pictures_are_held_at_once(run, tmp_path, monkeypatch):
    root = write_digit_folder(tmp_path / "in", each=10)
    held, most = 0, 0

    def read(path, **options):
        nonlocal held, most
        held += 1
        most = max(most, held)
        return read_picture(path, **options)

    def write(path, pixels, like):
        nonlocal held
        held -= 1
        return write_picture(path, pixels, like)

    write_picture = applying.write_picture
    for name, replacement in (("read_picture", read), ("write_picture", write)):
        monkeypatch.setattr(applying, name, replacement)
    monkeypatch.setattr(applying, "_AHEAD", 2 * 28 * 28 * 4)
    monkeypatch.setattr(applying, "_TOGETHER", 28 * 28)
    assert run(root).done == 20
    assert most <= 4  # two read ahead, one that is rectified, one that is written
