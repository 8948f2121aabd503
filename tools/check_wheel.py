"""Whether an installed wheel has its C++ ops, and they compute: what is run in the empty environment of a new wheel."""

import sys

import torch

import unwarp


def main() -> None:
    """Fail with the reason, or say what is active."""
    reason = unwarp.available_backends()["native"]
    if reason is not None:
        sys.exit(f"the native backend is missing: {reason}")
    image = torch.rand(2, 3, 33, 21, requires_grad=True)
    theta = (torch.eye(2, 3).repeat(2, 1, 1) * 0.9).requires_grad_()
    found = []
    for backend in ("native", "reference"):
        out = unwarp.warp(image, theta, "affine", backend=backend)
        found.append((out, *torch.autograd.grad(out.square().sum(), (image, theta))))
    for native, reference in zip(*found, strict=True):
        torch.testing.assert_close(native, reference, rtol=1e-4, atol=1e-4)
    if not torch.equal(unwarp.warp(image, torch.eye(2, 3).repeat(2, 1, 1), "affine", backend="native"), image):
        sys.exit("the identity is not exact")
    sys.stdout.write(f"unwarp {unwarp.__version__} in {unwarp.__path__[0]}: native is active and right\n")


if __name__ == "__main__":
    main()
