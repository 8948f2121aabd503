"""Refinement in steps: the composed map, always of the original."""

import pytest
import torch
from torch import nn

import unwarp
from support.generators import image, smooth_image
from unwarp.errors import OptionError, UnsupportedError
from unwarp.nn import DenseLocaliser, InverseCompositionalTransformer, SpatialTransformer, parameter_groups
from unwarp.transforms import Affine, Similarity

MATRICES = ["translation", "attention", "rigid", "similarity", "affine", "projective"]


def transformer(family="affine", *, shift=0.0, **options) -> InverseCompositionalTransformer:
    made = InverseCompositionalTransformer(DenseLocaliser(3 * 256, widths=(8,)), family, **options)
    with torch.no_grad():
        for parameter in made.regression.parameters():
            parameter += shift * torch.randn_like(parameter)
    return made


@pytest.mark.parametrize("family", MATRICES)
def test_it_starts_as_the_identity(family):
    source = image((16, 16))
    warped, theta = transformer(family)(source, return_theta=True)
    assert torch.equal(warped, source)
    assert torch.equal(theta[0], unwarp.transforms.create(family, 2).identity())


@pytest.mark.parametrize("family", MATRICES)
def test_each_step_sees_the_original_warped_by_all_before(family):
    source = image((16, 16))
    made = transformer(family, shift=0.05, steps=3, padding_mode="border")
    plain = SpatialTransformer(made.localiser, made.transform, features=8)
    plain.regression = made.regression
    theta = plain.localise(source)
    for _ in range(2):
        seen = unwarp.warp(source, theta, made.transform, padding_mode="border")
        theta = made.transform.compose(theta, plain.localise(seen))
    warped, found = made(source, return_theta=True)
    assert torch.equal(found, theta)
    assert torch.equal(warped, unwarp.warp(source, theta, made.transform, padding_mode="border"))


def test_one_step_is_a_plain_transformer():
    made = transformer(shift=0.05, steps=1)
    plain = SpatialTransformer(made.localiser, made.transform, features=8)
    plain.regression = made.regression
    assert torch.equal(made(image((16, 16))), plain(image((16, 16))))


def test_the_trajectory_ends_in_theta():
    made = transformer(shift=0.05, steps=4)
    path = made.trajectory(image((16, 16)))
    assert path.shape == (2, 4, 2, 3)
    assert torch.equal(path[:, -1], made.localise(image((16, 16))))
    assert ((path[:, 1:] - path[:, :-1]).abs().amax((0, 2, 3)) > 1e-3).all()


def test_the_original_is_kept_where_transformers_in_a_row_cut_it_off():
    """Two shifts, out of the image and back: a second resampling only finds the padding that the first one left."""
    source = image((16, 16)) + 1
    there, back = torch.tensor([1.5, 0.0]), torch.tensor([-1.5, 0.0])
    network = _Alternating(there, back)
    made = InverseCompositionalTransformer(network, "translation", steps=2, features=2)
    with torch.no_grad():
        made.regression.weight.copy_(torch.eye(2))
    assert torch.equal(made(source), source)
    once = unwarp.warp(source, there.expand(2, 2), "translation")
    assert not unwarp.warp(once, back.expand(2, 2), "translation")[..., :-4].any()


class _Alternating(nn.Module):
    def __init__(self, *answers):
        super().__init__()
        self.answers, self.calls = answers, 0

    def forward(self, x):
        self.calls += 1
        return self.answers[self.calls - 1].expand(len(x), 2)


def test_several_steps_go_further_than_one():
    """A localiser that halves the error: four steps leave a sixteenth of it."""
    hidden = torch.tensor([[0.3, 0.2]])

    class Half(nn.Module):
        def forward(self, x):
            return 0.5 * (hidden - centre(x))

    def centre(x):
        grid = unwarp.make_grid(x.shape[2:])
        return (x.sum(1)[..., None] * grid).sum((1, 2)) / x.sum((1, 2, 3))[:, None]

    target = torch.exp(-20 * unwarp.make_grid((64, 64)).square().sum(-1))[None, None]
    for steps in (1, 4):
        made = InverseCompositionalTransformer(Half(), "translation", steps=steps, features=2)
        with torch.no_grad():
            made.regression.weight.copy_(-torch.eye(2))
        left = (hidden - centre(made(target))).abs().max().item()
        assert left == pytest.approx(0.3 * 0.5**steps, rel=0.05)


@pytest.mark.usefixtures("one_thread")
def test_it_learns_a_rotation_in_two_steps():
    upright = smooth_image((16, 16), waves=2, seed=4)
    angles = torch.linspace(-0.9, 0.9, 16)[:, None]
    turned = unwarp.warp(upright, torch.cat([angles, torch.zeros(16, 2)], 1), "rigid", padding_mode="border")
    localiser = DenseLocaliser(256, widths=(8,))
    made = InverseCompositionalTransformer(localiser, "rigid", steps=2, padding_mode="border")
    optimiser = torch.optim.Adam(made.parameters(), lr=3e-3)
    for _ in range(120):
        optimiser.zero_grad()
        (made(turned) - upright)[..., 3:-3, 3:-3].square().mean().backward()
        optimiser.step()
    assert (made.localise(turned)[:, :1] + angles).abs().max() < 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_composes_in_float32(dtype):
    made = InverseCompositionalTransformer(_Alternating(*torch.rand(6, 2)), "affine", steps=3, features=2)
    nn.init.normal_(made.regression.weight, std=0.1)
    expected = made.localise(image((16, 16)))
    made.localiser.calls = 0
    with torch.autocast("cpu", dtype):
        theta = made.localise(image((16, 16)))
    assert theta.dtype is torch.float32
    assert torch.equal(theta, expected)


@pytest.mark.parametrize("family", ["thin_plate_spline", "diffeomorphic", "compose", "polar"])
def test_families_that_do_not_compose_are_refused(family):
    with pytest.raises(UnsupportedError, match=r"\.(compose|identity):"):
        transformer(family)


def test_steps_are_counted():
    with pytest.raises(OptionError, match="steps: expected a positive integer, got 0"):
        transformer(steps=0)
    assert "steps=4" in repr(transformer())


def test_the_output_may_have_another_size_and_the_groups_know_it():
    made = transformer(Similarity(), size=(8, 6), shift=0.05)
    assert made(image((16, 16))).shape == (2, 3, 8, 6)
    groups = {group["name"]: group["params"] for group in parameter_groups(made, 1.0, 0.01)}
    assert len(groups["localiser"]) == len(groups["regression"]) == 2


def test_it_compiles_to_one_graph():
    torch.compiler.reset()
    made = transformer(Affine(), shift=0.05, steps=2)
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(image((16, 16))), made(image((16, 16))))
