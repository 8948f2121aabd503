"""Which backend evaluates a case: the only place that looks at the device."""

import torch

from unwarp._checks import nearest_names
from unwarp.backends.aten import Aten
from unwarp.backends.base import Backend, Case
from unwarp.backends.native import Native
from unwarp.backends.reference import Reference
from unwarp.backends.triton import Triton
from unwarp.errors import BackendError, OptionError

BACKENDS: dict[str, Backend] = {backend.name: backend for backend in (Native(), Triton(), Reference(), Aten())}

# aten is by request alone. Its own rounding of coordinates moves an identity transform by a fraction of a pixel, torch
# differentiates it once and backwards only, and it saves no more than half of the reference's time where no fused
# backend is there: which derivatives exist must not depend on what a machine has.
_PREFERENCE: dict[str, tuple[str, ...]] = {
    "cpu": ("native", "reference"),
    "cuda": ("triton", "reference"),
}
_FALLBACK = ("reference",)


def choose(case: Case, requested: str) -> Backend:
    """The backend for a case: the requested one, or with ``"auto"`` the first preferred one that covers it.

    Raises:
        OptionError: no backend has that name.
        BackendError: the requested backend is missing, or does not cover the case; the message says why.
    """
    if requested == "auto":
        names = _FALLBACK if _portable() else _PREFERENCE.get(case.device, _FALLBACK)
        for name in names[:-1]:
            backend = BACKENDS[name]
            if backend.missing() is None and backend.refuses(case) is None:
                return backend
        return BACKENDS[names[-1]]  # the reference, which covers all
    if requested not in BACKENDS:
        known = ", ".join(["auto", *BACKENDS])
        raise OptionError(f"backend: expected one of {known}, got {requested!r}.{nearest_names(requested, BACKENDS)}")
    reason = _reason(BACKENDS[requested], case)
    if reason is not None:
        raise BackendError(f"backend: {requested!r} cannot evaluate this: {reason}. Use backend='auto'.")
    return BACKENDS[requested]


def available_backends() -> dict[str, str | None]:
    """Each backend's name, and the reason why it is missing on this machine or ``None``."""
    return {name: backend.missing() for name, backend in BACKENDS.items()}


def _portable() -> bool:
    """Whether a graph is made that is to run elsewhere: of torch's own ops alone, where compiled ones are unknown."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def _reason(backend: Backend, case: Case) -> str | None:
    return backend.missing() or backend.refuses(case)
