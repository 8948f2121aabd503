import pytest
import torch

from unwarp.training.precision import Precision, fastest

CPU = torch.device("cpu")


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16"])
def test_bfloat16_where_the_processor_has_it(monkeypatch, feature):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, feature: True})
    assert fastest(CPU) == Precision("bfloat16", channels_last=True)


def test_float32_elsewhere(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, "avx512_bf16": False})
    assert fastest(CPU) == Precision("float32", channels_last=False)


def test_this_machine_answers():
    assert fastest(CPU).dtype in ("float32", "bfloat16")
