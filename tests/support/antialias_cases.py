"""Maps that shrink and warps under them, for the anti-aliased ops beside the reference."""

import unwarp
from unwarp.backends import native_antialias

MAPS = {
    "shrink": [[2.9, 0.7, 0.1], [-0.8, 3.1, -0.2]],
    "thin": [[7.0, 6.0, 0.0], [5.9, 5.2, 0.3]],
    "half": [[0.5, 0.1, 0.2], [0.2, 4.0, -0.1]],
    "enlarge": [[0.3, 0.2, 0.0], [-0.1, 0.4, 0.0]],
    "beyond": [[1.5, 0.2, 9.0], [0.1, 2.0, -7.0]],
}


def count_calls(monkeypatch):
    """Calls that reach the ops: the reference would agree with itself."""
    calls = []
    for name in ("_options", "_of_jacobian"):  # of every forward pass, and of every backward pass by the ops
        original = getattr(native_antialias, name)

        def counted(*arguments, original=original):
            calls.append(arguments)
            return original(*arguments)

        monkeypatch.setattr(native_antialias, name, counted)
    return calls


def both(x, theta, transform="affine", size=None, **options):
    return [
        unwarp.warp(x, theta, transform, size, antialias=True, backend=backend, **options)
        for backend in ("native", "reference")
    ]
