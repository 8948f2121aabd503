"""Which backend is chosen: by device and case, by name, and how a refusal reads."""

import re

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image
from unwarp.backends import Case, Sampling, choose, select
from unwarp.errors import BackendError, OptionError
from unwarp.kernels import resolve

THETA = torch.eye(2, 3).expand(2, 2, 3)


def case(*, device="cpu", dtype=torch.float32, ndim=2, mode="bilinear", **options) -> Case:
    return Case("grid", ndim, device, dtype, torch.float32, Sampling(resolve(mode), **options))


class Refusing:
    """A backend that is there, or is not, and covers nothing."""

    name = "refusing"

    def __init__(self, missing=None):
        self.reason = missing

    def missing(self):
        return self.reason

    def refuses(self, case):
        return f"it has no {case.sampling.kernel.name} kernel"


def test_every_backend_says_whether_it_is_there():
    available = unwarp.available_backends()
    assert {"reference", "aten", "native"} <= set(available)
    assert available["reference"] is None
    assert available["aten"] is None
    assert all(reason is None or len(reason) > 10 for reason in available.values())


@pytest.mark.parametrize("name", ["reference", "aten"])
def test_a_name_chooses(name):
    assert choose(case(), name).name == name


@pytest.mark.parametrize("device", ["cpu", "cuda", "meta", "xpu", "privateuseone"])
def test_auto_finds_one_for_every_case(device):
    for dtype in (torch.float32, torch.float16, torch.complex64, torch.uint8):
        for mode in ("nearest", "lanczos3"):
            for ndim in (1, 2, 3):
                chosen = choose(case(device=device, dtype=dtype, mode=mode, ndim=ndim), "auto")
                assert chosen.refuses(case(device=device, dtype=dtype, mode=mode, ndim=ndim)) is None
                assert chosen.name != "aten"


def test_auto_passes_over_what_is_missing_or_refuses(monkeypatch):
    backends = {"absent": Refusing("it was not built"), "refusing": Refusing(), **select.BACKENDS}
    monkeypatch.setattr(select, "BACKENDS", backends)
    monkeypatch.setitem(select._PREFERENCE, "cpu", ("absent", "refusing", "reference"))
    assert choose(case(), "auto").name == "reference"


def test_a_missing_backend_says_why_it_is_missing(monkeypatch):
    monkeypatch.setitem(select.BACKENDS, "absent", Refusing("it was not built"))
    with pytest.raises(
        BackendError, match=re.escape("'absent' cannot evaluate this: it was not built. Use backend='auto'.")
    ):
        choose(case(), "absent")
    assert unwarp.available_backends()["absent"] == "it was not built"


def test_a_backend_that_does_not_cover_the_case_says_why(monkeypatch):
    monkeypatch.setitem(select.BACKENDS, "refusing", Refusing())
    with pytest.raises(BackendError, match="'refusing' cannot evaluate this: it has no bilinear kernel"):
        unwarp.warp(image((4, 4)), THETA, "affine", backend="refusing")


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(
        OptionError, match=r"backend: expected one of auto, .*, got 'referenc'. Did you mean 'reference'\?"
    ):
        choose(case(), "referenc")


class _Warp(nn.Module):
    def forward(self, source, theta):
        return unwarp.warp(source, theta, "affine")


def test_an_exported_graph_needs_nothing_but_torch():
    program = torch.export.export(_Warp(), (image((4, 5)), THETA))
    namespaces = {node.target.namespace for node in program.graph.nodes if hasattr(node.target, "namespace")}
    assert namespaces == {"aten"}
