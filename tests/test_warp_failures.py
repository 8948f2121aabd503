"""Ways in which samplers and splines are known to go wrong, each as it happens elsewhere and as it does not here."""

import math

import pytest
import torch
import torch.nn.functional as F

import unwarp
from support.generators import image, smooth_image
from support.short_training import steps
from unwarp.nn import DenseLocaliser, SpatialTransformer, bending_energy, folding_penalty
from unwarp.transforms import Rigid, ThinPlateSpline


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def copied_sampler(source, grid, reach):
    """The bilinear sampler of the first public copies: -1..1 becomes 0..reach, corners are clamped, then weighed.

    Args:
        source: ``(h, w)``.
        grid: ``(h, w, 2)``.
        reach: where 1 lies, for the height and the width.
    """
    (y, x), limits = ((grid[..., axis] + 1) / 2 * reach[1 - axis] for axis in (1, 0)), source.shape
    low = [n.floor().long().clamp(0, limit - 1) for n, limit in zip((y, x), limits, strict=True)]
    high = [(n.floor().long() + 1).clamp(0, limit - 1) for n, limit in zip((y, x), limits, strict=True)]
    total = torch.zeros_like(y)
    for row, other_row in ((low[0], high[0]), (high[0], low[0])):
        for column, other_column in ((low[1], high[1]), (high[1], low[1])):
            weight = (y - other_row).abs() * (x - other_column).abs()
            total += torch.where((row != other_row) & (column != other_column), weight, 0) * source[row, column]
    return total


def test_the_identity_loses_no_row_and_shifts_nothing():
    """With 1 at the width the last row and column are black: tensorflow/models 193 and 2016, skaae 2. With 1 at the
    width less 2 all of it is drawn together by a pixel: kevinzakka.
    """
    source, height, width = image((9, 12), channels=1), 9, 12
    corners = unwarp.make_grid((height, width), align_corners=True)
    right = copied_sampler(source[0, 0], corners * (1 - 1e-6), (height - 1, width - 1))
    torch.testing.assert_close(right, source[0, 0], atol=1e-4, rtol=0)
    black = copied_sampler(source[0, 0], corners, (height, width))
    assert black[-1].abs().max() == 0
    assert black[:, -1].abs().max() == 0
    drawn = copied_sampler(source[0, 0], corners, (height - 2, width - 2))
    torch.testing.assert_close(drawn[-1, -1], source[0, 0, -2, -2])
    for align_corners in (False, True):
        theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
        assert torch.equal(unwarp.warp(source, theta, "affine", align_corners=align_corners), source)


def test_grid_and_sampler_mean_the_same_pixels():
    """A grid from corner to corner, sampled as if from edge to edge, fades the border: MMOCR, PaddleOCR."""
    source = torch.ones(1, 1, 28, 28)
    mixed = unwarp.sample(source, unwarp.make_grid((28, 28), align_corners=True)[None], align_corners=False)
    assert mixed[0, 0, 0, 0].item() == pytest.approx(0.25)
    assert mixed[0, 0, 0, 14].item() == pytest.approx(0.5)
    theta = torch.tensor([[[1.0, 0, 0], [0, 1, 0]]])
    assert unwarp.warp(source, theta, "affine", align_corners=True).min() == 1
    assert unwarp.warp(source, theta, "affine", align_corners=False).min() == 1


def test_clamped_coordinates_smear_the_border_and_a_fill_does_not():
    """Lasagne 689: whatever touches the border is drawn out to the end of the output."""
    source = torch.full((1, 1, 16, 16), 0.1)
    source[..., 6:10, 12:] = 1  # a stroke that leaves the image at the right
    theta = torch.tensor([[1.0, 0.0]])  # half of the output lies beside the image
    smeared = unwarp.warp(source, theta, "translation", padding_mode="border")
    assert smeared[0, 0, 8].min() == 0.1
    assert smeared[0, 0, 8, 8:].min() == 1
    filled = unwarp.warp(source, theta, "translation", padding_mode="fill", fill_value="background")
    assert filled[0, 0, 8, 4:8].min() == 1
    torch.testing.assert_close(filled[0, 0, :, 8:], torch.full((16, 8), 0.1))


def fitted(control, *, squashed):
    """How far a spline stays from a turn by 60 degrees, in the middle of the image, at its best."""
    transform, angle = ThinPlateSpline((control, control)), math.radians(60)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    points = unwarp.make_grid((15, 15)).flatten(0, 1)
    points = points[points.norm(dim=-1) < 0.5]
    start = transform.identity()
    free = (torch.atanh(0.999 * start) if squashed else start.clone()).requires_grad_()

    def missed():
        theta = torch.tanh(free) if squashed else free
        return transform(theta[None], points)[0] - points @ turn.T

    steps(150, torch.optim.Adam([free], 0.05), lambda: missed().square().sum(-1).mean())
    return missed().detach().norm(dim=-1).mean().item()


def test_control_points_that_cannot_leave_the_image_need_a_finer_lattice():
    """Targets behind a hyperbolic tangent, in tps_stn_pytorch: a corner cannot turn, points inside of it can."""
    assert fitted(2, squashed=True) > 0.05
    assert fitted(4, squashed=True) < 0.01
    assert fitted(2, squashed=False) < 0.01


def test_free_splines_fold_where_those_that_pay_for_bending_do_not():
    """Thin-plate splines on turned images, "generally bad" at 90 degrees in tps_stn_pytorch: here up to 86."""
    size = 20
    upright = smooth_image((size, size), waves=6, seed=1)
    upright = upright * torch.exp(-2 * unwarp.make_grid((size, size)).square().sum(-1))
    angles = torch.linspace(-1.5, 1.5, 16)[:, None]
    rigid = torch.cat([angles, torch.zeros(16, 2)], 1)
    turned = unwarp.warp(upright, rigid, "rigid", padding_mode="border")
    inside = unwarp.make_grid((9, 9)).flatten(0, 1)
    inside = inside[inside.norm(dim=-1) < 0.6]
    exact, missed, folded = Rigid()(-rigid, inside), {}, {}
    for weight in (0.0, 0.003):
        torch.manual_seed(0)
        transformer = SpatialTransformer(DenseLocaliser(size * size), ThinPlateSpline(), padding_mode="border")
        optimiser = torch.optim.Adam(transformer.parameters(), 3e-3)

        def loss(made=transformer, weight=weight):
            warped, theta = made(turned, return_theta=True)
            return F.mse_loss(warped, upright.expand_as(warped)) + weight * bending_energy(theta, made.transform)

        steps(200, optimiser, loss)
        theta = transformer.localise(turned).detach()
        missed[weight] = (transformer.transform(theta, inside) - exact).norm(dim=-1).mean().item()
        folded[weight] = folding_penalty(theta, transformer.transform).item()
    assert folded[0.0] > 0
    assert folded[0.003] == 0
    assert missed[0.003] < 0.5 * missed[0.0], missed


def test_a_folded_spline_is_unfolded_by_the_penalty():
    transform = ThinPlateSpline()
    theta = transform.identity()[None]
    theta[0, 5, 0] += 1.2
    theta.requires_grad_()
    assert folding_penalty(theta, transform) > 0.01
    steps(100, torch.optim.Adam([theta], 0.02), lambda: folding_penalty(theta, transform, margin=0.1))
    assert folding_penalty(theta, transform) == 0
