"""Where a figure comes from: the code, the machine and the versions that made it."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import unwarp

__all__ = ["commit", "machine", "versions"]

_PACKAGES = ("unwarp", "torch", "lightning", "torchmetrics", "numpy")
_SOURCES = Path(unwarp.__file__).parent


def commit() -> str | None:
    """The commit of unwarp's own sources, ``-dirty`` if they differ from it; nothing for an installed copy."""
    if _git("ls-files", "--error-unmatch", "errors.py") is None:
        return None
    changed = _git("status", "--porcelain", "--untracked-files=no", ".")
    return f"{_git('rev-parse', 'HEAD')}{'-dirty' if changed else ''}"


def machine(device: torch.device) -> dict[str, str | int]:
    """The processor, and how much of it is used."""
    facts: dict[str, str | int] = {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "device": str(device),
    }
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        facts["processes"] = torch.distributed.get_world_size()
    return facts | ({"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {})


def versions() -> dict[str, str]:
    """Python, and the packages that decide the outcome."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    """The model, which `platform.processor` does not tell on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_SOURCES, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
