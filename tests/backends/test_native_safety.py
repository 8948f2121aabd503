"""No input makes the C++ ops read or write where they must not: each is fed to them in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from support.native_cases import needs_native
from unwarp.backends import Sampling
from unwarp.backends.native import Native
from unwarp.backends.reference import Reference
from unwarp.kernels import resolve
from unwarp.padding import MODES

pytestmark = needs_native

WILD = (float("nan"), float("inf"), float("-inf"), 1e38, -1e38, 2.0**31, -(2.0**31), 2.0**30, 1e9, -0.5, 1e-45)


def wild_grid(dtype: torch.dtype) -> torch.Tensor:
    """Every pair of wild values, and each beside a tame one."""
    values = torch.tensor([*WILD, 0.3, 2.0], dtype=dtype)
    return torch.cartesian_prod(values, values)[None, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("mode", MODES)
def test_the_numerics_table(mode, kernel, dtype):
    """NaN and infinite positions: value, gradient of the image, gradient of the position."""
    grid = wild_grid(dtype)
    chosen = Sampling(resolve(kernel), mode, torch.tensor([5.0]) if mode == "fill" else None)
    results = []
    for backend in (Native(), Reference()):
        source = torch.arange(1.0, 21.0, dtype=dtype).view(1, 1, 4, 5).requires_grad_()
        theta = grid.clone().requires_grad_()
        out = backend.sample_grid(source, theta, (1.0, 1.0), chosen)
        results.append((out.detach(), *torch.autograd.grad(out.sum(), (source, theta), materialize_grads=True)))
    (out, grad_image, grad_theta), (expected, expected_image, _) = results
    undefined = grid.isnan().any(-1)
    if mode in ("reflection", "circular"):
        undefined = undefined | (grid.abs() > 2.0**30).any(-1)
    # The rounding of a position of 1e9 pixels is the backend's own; whether it is defined is not.
    near = (grid.abs() < 1e6).all(-1) | (mode not in ("reflection", "circular"))
    assert torch.equal(out.isnan(), expected.isnan())
    assert out.isnan()[0][undefined].all()
    torch.testing.assert_close(out[0][near], expected[0][near], equal_nan=True, rtol=1e-6, atol=1e-6)
    assert grad_image.isfinite().all()
    assert abs(grad_image.sum() - expected_image.sum()) <= 1e-5 * expected_image.sum()
    assert grad_theta[undefined].isnan().all()


PROBE = """
import torch, itertools
from unwarp.backends import Sampling
from unwarp.backends.native import Native
from unwarp.kernels import resolve
from unwarp.padding import MODES
assert Native().missing() is None, Native().missing()
torch.manual_seed(0)
values = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e38, -1e38, 2.0**31, 2.0**30, -1e9, 0.0, 1e-45])
for ndim, kernel, mode, dtype in itertools.product(
    (1, 2, 3), ("nearest", "bilinear", "bicubic"), MODES, (torch.float32, torch.float64, torch.bfloat16)
):
    theta_dtype = torch.float64 if dtype == torch.float64 else torch.float32
    sampling = Sampling(resolve(kernel), mode, torch.zeros(2) if mode == "fill" else None)
    for size in ((1,) * ndim, (2, 3, 5)[:ndim], (9,) * ndim):
        image = torch.randn(1, 2, *size).to(dtype).requires_grad_()
        grid = values[torch.randint(len(values), (2, *(5,) * ndim, ndim))].to(theta_dtype).requires_grad_()
        Native().sample_grid(image, grid, (1.0,) * ndim, sampling).sum().backward()
        for rows in (ndim, ndim + 1):
            matrix = values[torch.randint(len(values), (3, rows, ndim + 1))].to(theta_dtype).requires_grad_()
            Native().warp_matrix(image, matrix, (6,) * ndim, sampling).sum().backward()
print("survived")
"""


@pytest.mark.parametrize("instructions", ["", "avx2", "baseline"])
def test_wild_input_never_crashes(instructions):
    environment = {**os.environ, "UNWARP_CPU": instructions, "MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}
    done = subprocess.run([sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, check=False)
    if "UNWARP_CPU: expected" in done.stderr:
        pytest.skip(f"this processor has no {instructions}")
    assert done.stdout.strip() == "survived", done.stderr[-2000:]


AGREE = """
import torch, unwarp
torch.manual_seed(0)
image = torch.rand(2, 3, 19, 23, requires_grad=True)
theta = (torch.eye(2, 3) + 0.1 * torch.randn(2, 2, 3)).requires_grad_()
out = unwarp.warp(image, theta, "affine", mode="bicubic", backend="native")
out.square().sum().backward()
from unwarp import _native
print(_native.instruction_set(), out.sum().item(), image.grad.square().sum().item(), theta.grad.sum().item())
"""


def test_every_instruction_set_computes_the_same():
    results = {}
    for name in ("avx512", "avx2", "baseline"):
        environment = {**os.environ, "UNWARP_CPU": name}
        done = subprocess.run(
            [sys.executable, "-c", AGREE], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            used, *figures = done.stdout.split()
            assert used == name
            results[name] = torch.tensor([float(figure) for figure in figures])
    assert "baseline" in results
    for figures in results.values():
        torch.testing.assert_close(figures, results["baseline"], rtol=1e-4, atol=1e-4)


def test_an_unknown_instruction_set_is_refused():
    code = "import unwarp; print(unwarp.available_backends()['native'])"
    environment = {**os.environ, "UNWARP_CPU": "abacus"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "UNWARP_CPU: expected" in done.stdout
    assert "abacus" in done.stdout


def _available_gibibytes() -> float:
    info = Path("/proc/meminfo")
    if not info.exists():
        return 0.0
    line = next(line for line in info.read_text().splitlines() if line.startswith("MemAvailable"))
    return int(line.split()[1]) / 2**20


@pytest.mark.skipif(
    "UNWARP_HUGE_TESTS" not in os.environ, reason="slow: UNWARP_HUGE_TESTS=1 runs it, as make huge does"
)
def test_an_image_of_more_than_2_to_the_31_elements():
    if _available_gibibytes() < 10:
        pytest.skip(f"needs 10 GiB of free memory, there are {_available_gibibytes():.1f}")
    height, width = 46_400, 46_400
    source = torch.zeros(1, 1, height, width, dtype=torch.bfloat16)
    source[0, 0, -1, -1], source[0, 0, 0, 0], source[0, 0, -2, 7] = 3.0, 2.0, 5.0
    assert source.numel() > 2**31
    pixels = torch.tensor([[width - 1, height - 1], [0, 0], [7, height - 2], [width + 5, 3]], dtype=torch.float64)
    grid = (pixels - torch.tensor([(width - 1) / 2, (height - 1) / 2])).view(1, 1, 4, 2)
    out = Native().sample_grid(source, grid, (1.0, 1.0), Sampling(resolve("bilinear")))
    assert out.flatten().tolist() == [3.0, 2.0, 5.0, 0.0]
