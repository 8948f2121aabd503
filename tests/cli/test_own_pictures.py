"""What the commands for one's own pictures say, and what they leave with."""

import json
from pathlib import Path

import pytest
from PIL import Image

from support.picture_folders import write_digit_folder, write_oddities

SMALL = ["data.height=28", "data.channels=1", "model.filters=2", "training.epochs=1", "training.precision=float32"]


@pytest.fixture
def train_folder(unwarp):
    def run(*arguments, root="digits"):
        if not Path(root).exists():
            write_digit_folder(Path(root))
        return unwarp("train", f"folder/{root}", *SMALL, "--quiet", *arguments)

    return run


@pytest.fixture
def checkpoint(train_folder):
    assert train_folder("--out", "run").code == 0
    return Path("run/checkpoints/best.ckpt")


def test_odd_files_are_named_counted_and_converted_or_skipped(train_folder):
    write_oddities(Path("digits") / "odd")
    write_digit_folder(Path("digits"))
    result = train_folder("data.megapixels=0.03")
    assert result.code == 0
    for name, reason in (("cut.png", "truncated"), ("text.jpg", "unreadable"), ("huge.png", "huge")):
        assert f"skipped: digits/odd/{name}: {reason}" in result.out
    assert "skipped: 3 in all" in result.out
    for name, note in (("moving.gif", "animated"), ("cmyk.jpg", "CMYK")):
        assert f"converted: digits/odd/{name}: {note}" in result.out
    assert "converted: 2 in all" in result.out


def test_strict_stops(train_folder):
    write_oddities(Path("digits") / "odd")
    write_digit_folder(Path("digits"))
    result = train_folder("--strict")
    assert result.code == 1
    assert result.err.startswith("error: --strict: digits/odd/")
    assert not Path("runs").exists()


def test_runs_go_where_their_settings_say_and_are_not_replaced(train_folder):
    assert train_folder().code == 0
    (run,) = Path("runs/folder/digits").iterdir()
    assert run.name.endswith("-seed0")
    assert "--resume" in train_folder().err
    assert train_folder("--resume", "training.epochs=1").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "folder/missing"], 1, "found no folder"),
        (["train", "folder/digits", "data.heigth=3"], 2, "Did you mean 'data.height'"),
        (["apply", "none.ckpt", "digits", "-o", "out"], 2, "does not exist"),
        (["export", "none.ckpt", "out.h5"], 2, "out: expected one of .onnx, .pt2, .safetensors"),
        (["warp", "digits/1/000.png", "-o", "x.png"], 2, "expected one of --rotate"),
        (["warp", "digits/1/000.png", "--rotate", "3", "-o", "x.png", "--max-pixels", "0.0001"], 1, "huge"),
        (["warp", "missing.png", "--rotate", "3", "-o", "x.png"], 1, "no such file"),
    ],
)
def test_mistakes_are_one_message(unwarp, arguments, code, message):
    write_digit_folder(Path("digits"), each=3)
    result = unwarp(*arguments)
    assert result.code == code
    assert message in result.err
    assert result.err.count("error: ") == 1


def test_apply_leaves_with_1_if_a_file_failed(unwarp, checkpoint):
    write_oddities(Path("odd"))
    result = unwarp("apply", checkpoint, "odd", "-o", "out", "--quiet")
    assert result.code == 1
    assert "skipped: 2 in all" in result.out
    assert "rectified: 4 of 6, table: out/theta.csv" in result.out


def test_figures_of_test_pictures_and_of_steps(unwarp, train_folder):
    assert train_folder("model.steps=2", "model.transform=projective", "--out", "run").code == 0
    result = unwarp("figure", "run/checkpoints/best.ckpt", "--gif", "steps.gif", "--theta", "theta.png")
    assert result.code == 0
    assert "theta of 4 pictures: theta.png" in result.out
    assert "steps: steps.gif" in result.out
    with Image.open("steps.gif") as gif:
        assert gif.n_frames == 3
    assert Path("run/figure.png").read_bytes().startswith(b"\x89PNG")


def test_figure_says_when_the_folder_is_gone(unwarp, checkpoint):
    Path("digits").rename("elsewhere")
    result = unwarp("figure", checkpoint)
    assert (result.code, "the folder of the training is gone" in result.err) == (1, True)
    assert unwarp("figure", checkpoint, "elsewhere/1", "--count", 2).code == 0


def test_figure_names_the_files_that_it_cannot_show(unwarp, checkpoint):
    write_oddities(Path("odd"))
    result = unwarp("figure", checkpoint, "odd", "--out", "odd.png")
    assert result.code == 0
    assert "skipped: odd/cut.png: truncated" in result.out
    assert "skipped: 2 in all" in result.out
    assert "converted: 2 in all" in result.out
    assert "skipped: 3 in all" in unwarp("figure", checkpoint, "odd", "--max-pixels", "0.03").out


def test_a_figure_has_the_format_of_its_suffix_or_is_refused(unwarp, checkpoint):
    assert unwarp("figure", checkpoint, "--out", "x.jpg", "--theta", "theta.svg").code == 0
    assert Path("x.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert Path("theta.svg").read_bytes().startswith(b"<?xml")
    for option, name in (("--out", "x.bmp"), ("--theta", "x.mp4"), ("--gif", "anim.mp4")):
        result = unwarp("figure", checkpoint, option, name)
        assert (result.code, Path(name).exists()) == (2, False)
        assert f"{option}: expected a file with the suffix" in result.err


def test_files_of_a_checkpoint_that_was_moved_stay_in_its_folder(unwarp, checkpoint):
    assert unwarp("export", checkpoint, "alone/digits.safetensors").code == 0
    recorded = json.loads(Path("alone/digits.json").read_text())["error"]["test_error_percent"]
    assert recorded == json.loads(Path("run/record.json").read_text())["test_error"]
    above = json.loads(Path("run/record.json").read_text()) | {"test_error": 77.0}  # of nobody's: the folder above
    Path("record.json").write_text(json.dumps(above))
    assert unwarp("export", "alone/digits.safetensors", "again/digits.safetensors").code == 0
    assert json.loads(Path("again/digits.json").read_text())["error"]["test_error_percent"] == recorded
    refused = unwarp("figure", "alone/digits.safetensors", "digits/1", "--gif", "course.gif", "--theta", "theta.png")
    assert (refused.code, "does not carry the course of its training" in refused.err) == (2, True)
    assert not any(Path(name).exists() for name in ("alone/figure.png", "course.gif", "theta.png"))
    assert unwarp("figure", "alone/digits.safetensors", "digits/1").code == 0
    assert Path("alone/figure.png").is_file()
    assert not Path("figure.png").exists()


@pytest.mark.parametrize("megapixels", ["inf", "nan", "-1", "0"])
def test_a_limit_of_pixels_is_a_positive_number(unwarp, megapixels):
    picture = write_digit_folder(Path("digits"), each=3) / "1" / "000.png"
    for command in (["warp", picture, "--rotate", "3", "-o", "x.png"], ["apply", "x", "x", "-o", "y"], ["figure", "x"]):
        result = unwarp(*command, f"--max-pixels={megapixels}")
        assert result.code == 2
        assert result.err.startswith("error: --max-pixels: expected millions of pixels above 0")
    result = unwarp("train", "folder/digits", f"data.megapixels={float(megapixels)}")
    assert (result.code, "data.megapixels: expected" in result.err) == (2, True)
    result = unwarp("train", "folder/digits", "data.megabytes=-5")
    assert (result.code, "data.megabytes: expected 0 to" in result.err) == (2, True)


ODD = "a [b] [/b] :smile: " + 60 * "c"
"""A path that would be markup, an emoji, and more than a line."""


def test_paths_are_printed_as_they_are(unwarp, train_folder):
    def printed(command, *arguments):
        result = command(*arguments)
        assert result.code == 0
        return result.out

    run = f"runs/{ODD}"
    assert f"seed 0: {run} " in (out := printed(train_folder, "--out", run))
    checkpoint = f"{run}/checkpoints/best.ckpt"
    assert f"weights: {checkpoint} " in out
    write_digit_folder(Path(f"in {ODD}"), each=1)
    odd = Path(f"in {ODD}/{ODD}.png")
    odd.parent.mkdir(parents=True)
    odd.write_text("no picture")
    for command in (
        ("figure", checkpoint, f"in {ODD}", "--out", f"{ODD}.png"),
        ("export", checkpoint, f"{ODD}.safetensors"),
        ("warp", "digits/1/000.png", "--rotate", "3", "-o", f"{ODD}.png", "--force"),
        ("data", "show", "r", "--out", f"{ODD}.png", "--count", "2"),
    ):
        assert f": {ODD}." in printed(unwarp, *command)
    assert f"table: {ODD}/theta.csv" in unwarp("apply", checkpoint, f"in {ODD}", "-o", ODD, "--quiet").out
    assert f"skipped: in {ODD}/{ODD}.png: unreadable" in unwarp("figure", checkpoint, f"in {ODD}").out


def test_older_onnx(unwarp, checkpoint):
    import onnx

    result = unwarp("export", checkpoint, "old.onnx", "--opset", "16")
    assert "opset 16; onnxruntime differs by" in result.out
    assert [entry.version for entry in onnx.load("old.onnx").opset_import if not entry.domain] == [16]
