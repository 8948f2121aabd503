"""`import unwarp` loads torch and nothing heavier, and is quick."""

import json
import statistics
import subprocess
import sys

import pytest

PROBE = """
import json, sys, time
import torch
before = set(sys.modules)
start = time.process_time()
import unwarp
seconds = time.process_time() - start
packages = {name.partition(".")[0] for name in set(sys.modules) - before - {"torch.utils._device"}}
print(json.dumps({"seconds": seconds, "packages": sorted(packages - set(sys.stdlib_module_names))}))
"""


@pytest.fixture(scope="module")
def runs() -> list[dict]:
    # Several fresh processes: the first may compile bytecode. Processor time, since the machine may be busy.
    command = [sys.executable, "-c", PROBE]
    return [json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout) for _ in range(3)]


def test_loads_nothing_but_itself_on_top_of_torch(runs):
    assert runs[-1]["packages"] == ["unwarp"]


def test_adds_less_than_150_ms_to_torch(runs):
    assert statistics.median(run["seconds"] for run in runs) < 0.150


def test_the_default_device_at_import_is_not_that_of_kernels():
    code = (
        "import torch; torch.set_default_device('meta'); import unwarp\n"
        "image = torch.rand(1, 1, 4, 4, device='cpu')\n"
        "theta = torch.eye(2, 3, device='cpu')[None]\n"
        "for mode in unwarp.kernels.MODES: assert unwarp.warp(image, theta, 'affine', mode=mode).isfinite().all(), mode"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
