"""A new user's way from a folder of pictures to onnxruntime: every command and line copied from the how-to pages."""

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

PAGES = ("train-on-your-images", "look", "apply", "export")
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"```(bash|python|py)\n(.*?)```", re.DOTALL)
MADE = {
    "figure.png",
    "theta.png",
    "training.gif",
    "look.png",
    "spread.png",
    "turning.gif",
    "turned.png",
    "sheared.png",
    "quarter.png",
    "tilted.png",
    "bent.png",
    "digits.onnx",
    "digits.pt2",
    "digits.safetensors",
    "digits.json",
    "transformer.onnx",
}


def blocks(page):
    return BLOCK.findall((HOW_TO / f"{page}.md").read_text(encoding="utf-8"))


def run_line(unwarp, line):
    if line.startswith("echo "):
        text, target = re.fullmatch(r"echo '(.*)' > (\S+)", line).groups()
        Path(target).write_text(text)
        return ""
    words = shlex.split(line)
    if words[:3] == ["python", "-m", "pip"]:
        return ""
    assert words[0] == "unwarp", line
    quiet = ["--quiet"] if words[1] in ("train", "apply") else []
    result = unwarp(*words[1:], *quiet)
    assert (result.code, result.err) == (0, ""), f"{line}: {result}"
    return result.out


@pytest.mark.timeout(300)
def test_from_a_folder_of_pictures_to_onnxruntime(unwarp, capsys):
    said, code = "", ""
    for page in PAGES:
        for kind, block in blocks(page):
            if kind != "bash":
                exec(block, {})
                code += capsys.readouterr().out
            else:
                said += "".join(run_line(unwarp, line) for line in block.replace("\\\n", " ").splitlines())
    assert len(list(Path("digits").rglob("*.png"))) == 1000
    assert "700 for training, 150 for validation, 150 for test" in said
    assert re.search(r"of 150 test pictures wrong", said)
    assert "rectified: 50 of 50" in said
    assert "onnxruntime differs by" in said
    assert re.search(r"read as \d with theta", code)
    assert {path.name for path in Path().iterdir() if path.suffix} - {"points.json"} == MADE
    with Image.open("training.gif") as gif:
        assert gif.n_frames == 3
    names = [sorted(path.name for path in Path(folder).glob("*.png")) for folder in ("new", "straight", "again")]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_commands(page):
    assert any(kind == "bash" for kind, _ in blocks(page))
