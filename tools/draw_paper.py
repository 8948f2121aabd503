"""Draw the pictures of the tutorial that follows the paper: ``python tools/draw_paper.py``.

Nothing in them is sketched: every region, position, weight, gradient and loss is computed by the library.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from draw_docs import bend, picture
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, FancyBboxPatch
from torch import Tensor, nn

import unwarp
from unwarp import coordinates
from unwarp.nn import ConvLocaliser
from unwarp.transforms import Affine, Attention, Projective, Similarity, ThinPlateSpline
from unwarp.viz import draw_region, save_png, show_image
from unwarp.viz.style import INK, OKABE_ITO, new_figure

FOLDER = Path(__file__).parent.parent / "docs" / "images" / "paper"
TURN = torch.tensor([1.25, -0.6, 0.12, -0.08])  # scale, radians, shift: what the "camera" did to the digit
ROOM = 0.2  # around a picture, as a part of its size, for a region that leaves it
Point = tuple[float, float]
ORANGE, SKY, GREEN, PINK, BLUE, RED = OKABE_ITO[:6]


def distorted() -> tuple[Tensor, Tensor]:
    """The upright picture, and the same turned, shrunk and moved."""
    upright = picture()
    return upright, unwarp.warp(upright, TURN[None], "similarity", mode="bicubic", antialias=True).clamp(0, 1)


def straightening() -> Tensor:
    """The theta that undoes it."""
    return Similarity().inverse(TURN)


def module() -> Figure:
    """Input, localisation network, grid generator, sampler, output; and the way of the gradient."""
    _, image = distorted()
    theta = straightening()
    figure = new_figure(10, 3.3)
    figure.set_layout_engine("none")
    source = figure.add_axes((0.01, 0.08, 0.25, 0.76))
    show_image(image[0], ax=source, margin=ROOM)
    draw_region(theta, Similarity(), image.shape[-2:], cells=4, ax=source)
    target = figure.add_axes((0.74, 0.08, 0.25, 0.76))
    show_image(unwarp.warp(image, theta[None], "similarity")[0], ax=target, margin=ROOM)
    source.set_title("input U", color=INK)
    target.set_title("output V", color=INK)
    for ax in (source, target):
        ax.spines[:].set_visible(False)
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, 10), ylim=(0, 3.3))
    canvas.set_axis_off()
    _box(canvas, (3.05, 1.95), (1.55, 0.72), "localisation\nnetwork", GREEN)
    _box(canvas, (5.4, 1.95), (1.55, 0.72), "grid\ngenerator", SKY)
    _box(canvas, (5.4, 0.55), (1.55, 0.72), "sampler", ORANGE)
    for start, end, text in [
        ((2.62, 2.31), (3.05, 2.31), ""),
        ((4.6, 2.31), (5.4, 2.31), r"$\theta$"),
        ((6.0, 1.95), (6.0, 1.27), r"$\mathcal{T}_\theta(G)$"),
        ((2.62, 0.91), (5.4, 0.91), "U"),
        ((6.95, 0.91), (7.42, 0.91), ""),
    ]:
        _arrow(canvas, start, end, text)
    for start, end in [((7.42, 0.68), (6.95, 0.68)), ((6.35, 1.27), (6.35, 1.95)), ((5.4, 2.1), (4.6, 2.1))]:
        _arrow(canvas, start, end, "", color=RED, dashed=True)
    _arrow(canvas, (5.4, 0.68), (2.62, 0.68), "", color=RED, dashed=True)
    canvas.text(4.0, 0.42, "gradient", color=RED, ha="center", fontsize=9)
    return figure


def localiser() -> Figure:
    """The sizes of the feature maps from the image to theta."""
    network, shapes = ConvLocaliser(1, (28, 28)), [("image", (1, 28, 28))]
    labels = ["halved", "5 x 5\nconvolution", None, "max-\npooling", "5 x 5\nconvolution", None, None]
    x: Tensor = torch.zeros(1, 1, 28, 28)
    for layer, label in zip(network.convolutions, labels, strict=True):
        x = layer(x)
        if label:
            shapes.append((label, tuple(x.shape[1:])))
    figure = new_figure(10, 2.6)
    figure.set_layout_engine("none")
    canvas = figure.add_axes((0, 0, 1, 1), xlim=(0, 10), ylim=(0, 2.6), aspect="equal")
    letters: dict[str, Any] = {"fontsize": 10, "color": INK}
    canvas.set_axis_off()
    left = 0.4
    for index, (label, (channels, height, _)) in enumerate(shapes):
        side = max(0.12, 0.048 * height)
        _stack(canvas, (left, 1.45), side, channels, OKABE_ITO[index % 2 + 1])
        text = f"{label}\n{channels} x {height} x {height}"
        canvas.text(left + side / 2, 0.62, text, ha="center", va="top", **letters)
        left += side + 0.85
    for label, count, color in [("dense", network.out_features, ORANGE), ("regression", 6, RED)]:
        _column(canvas, (left, 1.45), count, color)
        canvas.text(left + 0.06, 0.62, f"{label}\n{count}", ha="center", va="top", **letters)
        left += 1.0
    canvas.text(left - 0.75, 1.78, "zero weights,\nidentity as bias", fontsize=10, color=RED, va="center")
    canvas.text(left - 0.75, 1.22, r"$\theta = (1\;0\;0\;\;0\;1\;0)$", va="center", **letters)
    return figure


def grid() -> Figure:
    """One regular grid over the output, and where five families put it in the input."""
    spline = ThinPlateSpline()
    families = [
        ("attention", Attention(), torch.tensor([0.5, 0.25, -0.2])),
        ("affine", Affine(), torch.tensor([[0.7, -0.35, 0.05], [0.2, 0.6, -0.1]])),
        ("projective", Projective(), torch.tensor([0.75, 0.1, 0.0, -0.1, 0.7, 0.0, 0.25, -0.3])),
        ("thin-plate spline", spline, bend(spline.identity(), 0.22)),
    ]
    figure, image, points = new_figure(10, 2.4), picture()[0], unwarp.make_grid((9, 9))
    axes = figure.subplots(1, 5)
    colors = torch.stack([points[..., 0], points[..., 1], -points[..., 0]], -1).add(1).div(2).reshape(-1, 3).numpy()
    for ax, (name, positions) in zip(
        axes,
        [("regular grid G", points)] + [(name, family(theta, points)) for name, family, theta in families],
        strict=True,
    ):
        show_image(image, ax=ax, margin=0.12)
        pixels = coordinates.normalised_to_pixel(positions, image.shape[-2:], align_corners=False).reshape(-1, 2)
        ax.scatter(*pixels.T, s=14, c=colors, edgecolors="white", linewidths=0.4, zorder=3)
        ax.set_title(name, fontsize=10, color=INK)
        ax.spines[:].set_visible(False)
    return figure


def sampler() -> Figure:
    """The weights of one bilinear sample, four kernels, and what they make of a row of pixels."""
    figure = new_figure(10, 3.0)
    patch, curves, row = figure.subplots(1, 3, width_ratios=(1, 1.1, 1.3))
    pixels = torch.nn.functional.interpolate(picture(), 10, mode="area")[0, 0]
    show_image(pixels, ax=patch)
    patch.set(xlim=(1.5, 6.5), ylim=(6.5, 1.5), title="a bilinear sample: four taps")
    x, y = 4.35, 3.7
    for column, line in [(4, 3), (5, 3), (4, 4), (5, 4)]:
        weight = (1 - abs(x - column)) * (1 - abs(y - line))
        patch.plot([x, column], [y, line], color=ORANGE, linewidth=1)
        patch.scatter(column, line, s=320 + 500 * weight, color=SKY, edgecolors=INK, zorder=3)
        patch.text(column, line, f"{weight:.2f}", ha="center", va="center", fontsize=7, zorder=4)
    patch.scatter(x, y, s=40, color=ORANGE, edgecolors=INK, zorder=5)
    t = torch.linspace(-3.2, 3.2, 801)
    values, places = pixels[5], torch.linspace(0, 9, 601)
    for mode, color in [("nearest", PINK), ("bilinear", BLUE), ("bicubic", GREEN), ("lanczos3", RED)]:
        curves.plot(t, _kernel(mode, t), color=color, label=mode)
        row.plot(places, _along(values, places, mode), color=color, linewidth=1.2)
    row.plot(range(10), values, "o", color=INK, markersize=4)
    curves.set(title="kernels k(t)", xlabel="distance t in pixels")
    row.set(title="a row of pixels, sampled in between", xlabel="x in pixels")
    curves.legend(frameon=False, fontsize=8)
    for ax in (curves, row):
        ax.spines[["top", "right"]].set_visible(False)
    return figure


def gradient() -> Figure:
    """The slope of a bilinear sample, and which way the loss pulls every sample."""
    figure = new_figure(10, 3.4)
    slope, pull, total = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    pixels = torch.nn.functional.interpolate(picture(), 10, mode="area")[0, 0, 5]
    places = torch.linspace(0, 9, 901, requires_grad=True)
    values = _along(pixels, places, "bilinear")
    (derivative,) = torch.autograd.grad(values.sum(), places)
    slope.plot(places.detach(), values.detach(), color=BLUE, label="value V")
    slope.plot(places.detach(), derivative, color=RED, linewidth=1.2, label=r"$\partial V / \partial x$")
    slope.plot(range(10), pixels, "o", color=INK, markersize=4)
    slope.axhline(0, color=INK, linewidth=0.5)
    slope.set(title="a bilinear sample and its slope", xlabel="x in pixels")
    slope.legend(frameon=False, fontsize=8, loc="lower left")
    slope.spines[["top", "right"]].set_visible(False)
    upright, image = _smooth(distorted())
    theta = Similarity().identity()[None].requires_grad_()
    points = Similarity()(theta, unwarp.make_grid(image.shape[-2:]))
    points.retain_grad()
    loss = (unwarp.sample(image, points) - upright).square().mean()
    loss.backward()
    show_image(image[0], ax=pull)
    coarse = (slice(None), slice(3, None, 7), slice(3, None, 7))
    start = coordinates.normalised_to_pixel(points.detach(), image.shape[-2:], align_corners=False)[coarse].reshape(
        -1, 2
    )
    step = -points.grad[coarse].reshape(-1, 2)
    pull.quiver(*start.T.numpy(), *step.T.numpy(), color=ORANGE, angles="xy", width=0.008, zorder=3)
    pull.set_title("which way each sample is pulled", fontsize=10)
    show_image(image[0], ax=total, margin=ROOM)
    draw_region(theta[0].detach(), Similarity(), image.shape[-2:], ax=total, color=SKY)
    moved = theta[0].detach() - 0.3 * theta.grad[0] / theta.grad[0].abs().max()
    draw_region(moved, Similarity(), image.shape[-2:], ax=total, color=ORANGE)
    total.set_title("their sum: one step of theta", fontsize=10)
    for ax in (pull, total):
        ax.spines[:].set_visible(False)
    return figure


def descent() -> Figure:
    """Gradient descent on theta alone straightens a picture."""
    upright, image = _smooth(distorted())
    theta = nn.Parameter(Similarity().identity()[None])
    optimiser = torch.optim.Adam([theta], lr=0.02)
    losses, shown = [], {}
    for step in range(121):
        if step in (0, 10, 25, 120):
            shown[step] = theta.detach().clone()
        loss = (unwarp.warp(image, theta, "similarity") - upright).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    _, sharp = distorted()
    figure = new_figure(10, 3.6)
    spec = figure.add_gridspec(2, 5, width_ratios=(1, 1, 1, 1, 1.4))
    for column, (step, kept) in enumerate(shown.items()):
        above, below = figure.add_subplot(spec[0, column]), figure.add_subplot(spec[1, column])
        show_image(sharp[0], ax=above, margin=ROOM)
        draw_region(kept[0], Similarity(), sharp.shape[-2:], ax=above, color=ORANGE)
        show_image(unwarp.warp(sharp, kept, "similarity")[0], ax=below, margin=ROOM)
        above.set_title(f"step {step}", fontsize=10, color=INK)
        for ax in (above, below):
            ax.spines[:].set_visible(False)
    curve = figure.add_subplot(spec[:, 4])
    curve.plot(losses, color=BLUE)
    curve.set(title="loss", xlabel="step", ylim=(0, None))
    curve.spines[["top", "right"]].set_visible(False)
    return figure


PICTURES = {p.__name__: p for p in (module, localiser, grid, sampler, gradient, descent)}


def draw(name: str, folder: Path = FOLDER) -> Path:
    """Write one picture."""
    folder.mkdir(parents=True, exist_ok=True)
    return save_png(PICTURES[name](), folder / f"{name}.png")


def _smooth(images: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """Blurred, so that the gradient looks a few pixels further; the faint squares are left out of neither."""
    weights = torch.ones(1, 1, 9, 9) / 81
    return tuple(torch.nn.functional.conv2d(image, weights, padding=4) for image in images)


def _kernel(mode: str, t: Tensor) -> Tensor:
    """k(t), read off from a row of pixels of which one is 1."""
    impulse = torch.zeros(9)
    impulse[4] = 1
    return _along(impulse, t + 4, mode)


def _along(values: Tensor, places: Tensor, mode: str) -> Tensor:
    points = coordinates.pixel_to_normalised(places[:, None], (len(values),), align_corners=False)
    return unwarp.sample(values[None, None], points[None], mode=mode, padding_mode="border")[0, 0]


def _box(ax: Axes, corner: Point, size: Point, text: str, color: str) -> None:
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=0.1", facecolor=color, alpha=0.35))
    ax.text(corner[0] + size[0] / 2, corner[1] + size[1] / 2, text, ha="center", va="center", color=INK)


def _arrow(ax: Axes, start: Point, end: Point, text: str, *, color: str = INK, dashed: bool = False) -> None:
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 14, "color": color}
    ax.add_artist(ConnectionPatch(start, end, "data", "data", linestyle="--" if dashed else "-", **style))
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    vertical = start[0] == end[0]
    ax.text(middle[0] - 0.12 * vertical, middle[1] + 0.1 * (not vertical), text, ha="right" if vertical else "center")


def _stack(ax: Axes, middle: Point, side: float, count: int, color: str) -> None:
    for index in reversed(range(min(count, 6))):
        corner = (middle[0] + 0.05 * index, middle[1] - side / 2 + 0.05 * index)
        box = partial(FancyBboxPatch, boxstyle="square,pad=0", facecolor=color, edgecolor="white", linewidth=0.6)
        ax.add_patch(box(corner, side, side))


def _column(ax: Axes, middle: Point, count: int, color: str) -> None:
    for index in range(count):
        y = middle[1] + 0.085 * (index - count / 2)
        ax.add_patch(FancyBboxPatch((middle[0], y), 0.12, 0.06, boxstyle="square,pad=0", facecolor=color, linewidth=0))


if __name__ == "__main__":
    for chosen in sys.argv[1:] or PICTURES:
        sys.stdout.write(f"{draw(chosen)}\n")
