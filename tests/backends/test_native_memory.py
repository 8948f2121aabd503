"""What the C++ ops ask of the system for their results."""

import mmap
from pathlib import Path

import pytest
import torch

import unwarp
from support.native_cases import needs_native

pytestmark = needs_native

PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def flags(address: int) -> list[str]:
    """What the kernel says of the mapping that holds an address."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, *rest = line.split()
        if "-" in first and not first.endswith(":"):
            low, high = (int(end, 16) for end in first.split("-"))
            inside = low <= address < high
        elif inside and first == "VmFlags:":
            return rest
    raise AssertionError(f"no mapping holds {address:#x}")


@pytest.mark.skipif(not PAGES.exists(), reason="huge pages on demand are Linux's")
def test_large_results_ask_for_huge_pages():
    """The output and the image's gradient; the image itself is left as it is."""
    own = mmap.mmap(-1, 3 * 4 * 1024 * 1024 * 4)  # the heap may give memory that a result of an earlier test has had
    image = torch.frombuffer(own, dtype=torch.float32).view(3, 4, 1024, 1024).uniform_().requires_grad_()
    theta = torch.tensor([[1.0, 0.1, 0.0], [0.0, 1.0, 0.1]]).repeat(3, 1, 1)
    large = unwarp.warp(image, theta, "affine")
    large.backward(torch.ones(()).expand_as(large))
    middle = 6 * 1024 * 1024
    assert "hg" in flags(large.data_ptr() + middle)
    assert "hg" in flags(image.grad.data_ptr() + middle)
    assert "hg" not in flags(image.data_ptr() + middle)
