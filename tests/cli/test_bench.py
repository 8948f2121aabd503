"""`unwarp bench gpu` where there is no GPU: it refuses; and its cases, run on the CPU in a GPU's place."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import unwarp as package

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(unwarp, tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.run", capturing(said := []))
    assert unwarp("bench", "gpu", "--out", tmp_path / "out").code == 1
    assert said == ["no CUDA device: nothing measured\n"]
    assert not (tmp_path / "out").exists()


def capturing(said):
    from subprocess import run as real

    def run(command, **options):
        finished = real(command, capture_output=True, text=True, **options)
        said.append(finished.stdout + finished.stderr)
        return finished

    return run


def test_what_can_be_measured(unwarp):
    result = unwarp("bench", "quantum")
    assert (result.code, "expected one of cpu, gpu, quality, step" in result.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cpu", "--seconds", "nan"], "--seconds: expected a number of seconds, 0 or more, got nan"),
        (["cpu", "--seconds", "inf"], "--seconds: expected a number of seconds"),
        (["step", "--seconds=-1"], "--seconds: expected a number of seconds"),
        (["step", "--only", "affine"], "--only: expected bench cpu or gpu or quality with it, got bench step"),
        (["quality", "--clock", "wall"], "--clock: expected bench cpu or step with it, got bench quality"),
        (["cpu", "--clock", "sun"], "--clock: expected one of wall, cpu, got 'sun'"),
    ],
)
def test_options_without_a_meaning_are_refused_before_anything_runs(arguments, message, unwarp, monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    result = unwarp("bench", *arguments)
    assert result.code == 2
    assert result.err.startswith(f"error: {message}")


class Event:
    """A clock that says a millisecond."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        pass

    def elapsed_time(self, end):
        return 1.0


@pytest.fixture
def bench(monkeypatch):
    """The benchmark of a GPU with the CPU in its place, on small shapes."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)
    device = SimpleNamespace(L2_cache_size=1, name="none", total_memory=0, multi_processor_count=0, major=0, minor=0)
    stand_ins = {
        "is_available": lambda: True,
        "get_device_properties": lambda device: device_properties,
        "Event": Event,
        "synchronize": lambda: None,
        "reset_peak_memory_stats": lambda: None,
        "memory_allocated": lambda: 0,
        "max_memory_allocated": lambda: 0,
    }
    device_properties = device
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda self: self)
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda self: self)
    monkeypatch.setattr(torch, "compile", lambda call, **options: call)
    monkeypatch.setattr(package, "available_backends", lambda: {"triton": None})
    import gpu
    import gpu_cases

    small = {"SHAPES": ((2, 3, 40, 40),), "DEEP": ((1, 8, 40, 30),), "VOLUME": (1, 1, 24, 24, 24)}
    for name, value in {**small, "LARGE": (2, 3, 40, 40), "SPLINE": (2, 3, 40, 40), "DIGITS": (2, 1, 28, 28)}.items():
        monkeypatch.setattr(gpu_cases, name, value)
    yield gpu
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("installed", [True, False], ids=["with kornia", "without"])
def test_every_case_agrees_with_those_it_is_compared_with(installed, bench, monkeypatch, tmp_path, capsys):
    import rivals

    if installed and not rivals.present("kornia"):
        pytest.skip("kornia is not installed")
    present = rivals.present
    monkeypatch.setattr(rivals, "present", lambda name: present(name) and (installed or name != "kornia"))
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--seconds", "0", "--out", str(tmp_path)])
    bench.main()
    lines = json.loads((tmp_path / "gpu.json").read_text())["lines"]
    compared = {"tps"} if installed else set()
    plain = {"affine", "channels_last", "grid", "border", "reflection", "projective", "bicubic", "bfloat16", "3d"}
    plain |= {"cpab"}
    assert {line["job"] for line in lines} == plain | compared
    assert {line["direction"] for line in lines} == {"forward", "both"}
    assert all(timing["median"] == 1 for line in lines for timing in line["timings"].values())
    contestants = {name for line in lines for name in line["timings"]}
    assert contestants == {"unwarp", "torch", "compiled", "copy", "series"} | ({"kornia"} if installed else set())
    assert "forward takes 1.00 copies (to reach: 1.5)" in capsys.readouterr().out


def test_what_disagrees_is_not_timed(bench, monkeypatch, tmp_path):
    import rivals

    monkeypatch.setattr(rivals, "torch_warp", lambda image, theta, mode="bilinear": image)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--only", "affine", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="torch disagrees with unwarp"):
        bench.main()
    assert not (tmp_path / "gpu.json").exists()
