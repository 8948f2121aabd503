"""The Triton backend from outside: what it says without a GPU, its bodies under the interpreter, its code for a GPU."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import unwarp
from support.case_counts import NOTE
from unwarp import kernels
from unwarp.backends import Case, Sampling
from unwarp.backends.select import BACKENDS
from unwarp.backends.triton import Triton

BODIES = Path(__file__).parent / "triton"
LEAST = {
    ("test_values.py", "test_derivatives.py", "test_addresses.py"): 80,
    ("test_numerics.py", "test_gather.py"): 154,
    ("test_field.py",): 19,
}
"""Files of bodies that share a process, and how many bodies must have run: fewer, and some went missing."""

without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@without_gpu
def test_says_why_it_is_missing():
    assert unwarp.available_backends()["triton"] == "no CUDA device"
    with pytest.raises(unwarp.BackendError, match="no CUDA device"):
        unwarp.warp(torch.zeros(1, 1, 2, 2), torch.eye(2, 3)[None], "affine", backend="triton")


@pytest.mark.parametrize(
    ("device", "dtype", "sampling", "reason"),
    [
        ("cpu", torch.float32, Sampling(kernels.resolve("bilinear")), "runs on cuda tensors"),
        ("cuda", torch.int32, Sampling(kernels.resolve("nearest")), "no torch.int32 images"),
        ("cuda", torch.float32, Sampling(kernels.resolve("lanczos3")), "no lanczos3 kernel"),
        ("cuda", torch.float32, Sampling(kernels.resolve("bilinear"), antialias=True), "no anti-aliasing"),
        ("cuda", torch.float32, Sampling(kernels.resolve("bicubic")), None),
    ],
)
def test_says_what_it_does_not_cover(device, dtype, sampling, reason):
    given = Triton().refuses(Case("matrix", 2, device, dtype, torch.float32, sampling))
    assert given is None if reason is None else reason in given


def test_auto_takes_it_first_on_a_gpu(monkeypatch):
    from unwarp.backends import choose

    case = Case("matrix", 2, "cuda", torch.float32, torch.float32, Sampling(kernels.resolve("bilinear")))
    monkeypatch.setattr(BACKENDS["triton"], "missing", lambda: None)
    assert choose(case, "auto").name == "triton"
    monkeypatch.setattr(BACKENDS["triton"], "missing", lambda: "no CUDA device")
    assert choose(case, "auto").name == "reference"


@pytest.mark.timeout(600)  # half a minute on an idle machine: a process of its own that interprets every kernel
@pytest.mark.parametrize("files", LEAST, ids=" ".join)
def test_bodies_under_the_interpreter(files, record_property):
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "UNWARP_REQUIRE_BACKENDS": "triton"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(str(BODIES / name) for name in files)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    summary = run.stdout.strip().splitlines()[-1]
    record_property(NOTE, f"triton under the interpreter, {', '.join(files)}: {summary}")
    assert int(re.search(r"(\d+) passed", summary)[1]) >= LEAST[files]
    assert "skipped" not in summary


def test_every_file_of_bodies_runs():
    assert {path.name for path in BODIES.glob("test_*.py")} == {name for files in LEAST for name in files}
