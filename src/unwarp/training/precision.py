"""Which arithmetic is fastest on this machine."""

from typing import Literal, NamedTuple

import torch

__all__ = ["Precision", "fastest"]

Float = Literal["float32", "bfloat16"]


class Precision(NamedTuple):
    """How a network computes.

    Attributes:
        dtype: ``"bfloat16"`` runs convolutions and products in bfloat16 by autocast; weights stay in float32, and so
            does the sampling of images.
        channels_last: lays images and filters out with the channels innermost.
    """

    dtype: Float = "float32"
    channels_last: bool = False


def fastest(device: torch.device) -> Precision:
    """The precision that trains fastest on a device without changing what is learned.

    A CPU needs bfloat16 arithmetic of its own (AVX512-BF16 or AMX): without, bfloat16 is emulated and several times
    slower than float32.
    """
    native = _cuda_has_bfloat16() if device.type == "cuda" else _cpu_has_bfloat16()
    return Precision("bfloat16", channels_last=True) if native else Precision()


def _cpu_has_bfloat16() -> bool:
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _cuda_has_bfloat16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)
