"""Other libraries' ways to do the same, each optional."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unwarp import coordinates


def torch_warp(image: Tensor, theta: Tensor, mode: str = "bilinear") -> Tensor:
    """Torch's two calls."""
    size = (len(image), image.shape[1], *image.shape[2:])
    grid = functional.affine_grid(theta, list(size), align_corners=False)
    return functional.grid_sample(image, grid, mode=mode, padding_mode="zeros", align_corners=False)


def torch_bicubic(image: Tensor, theta: Tensor) -> Tensor:
    """The same, with sixteen taps."""
    return torch_warp(image, theta, "bicubic")


def torch_grid(image: Tensor, grid: Tensor) -> Tensor:
    """The second call alone, for a ready grid."""
    return functional.grid_sample(image, grid, align_corners=False)


def _pixels(theta: Tensor, size: tuple[int, ...]) -> Tensor:
    """Homogeneous matrices from output to input pixels, where the first pixel's centre is 0."""
    rows = coordinates.pixel_matrix(_homogeneous(theta), size, size, align_corners=False)
    centre = torch.eye(3)
    centre[:2, 2] = torch.tensor([(n - 1) / 2 for n in reversed(size)])
    return centre @ rows @ torch.linalg.inv(centre)


def _homogeneous(theta: Tensor) -> Tensor:
    last = torch.tensor([0.0, 0.0, 1.0]).expand(len(theta), 1, 3)
    return torch.cat([theta, last], dim=1)


def kornia_warp(image: Tensor, theta: Tensor) -> Callable[[], Tensor]:
    """Kornia's `warp_affine`, with the matrices ready."""
    from kornia.geometry.transform import warp_affine

    size = tuple(image.shape[2:])
    forward = torch.linalg.inv(_pixels(theta, size))[:, :2].contiguous()
    return lambda: warp_affine(image, forward, size, align_corners=True)


def opencv_warp(image: Tensor, theta: Tensor) -> Callable[[], Tensor]:
    """A loop of OpenCV's `warpAffine`, image by image as there is no batch; layout as OpenCV wants it."""
    import cv2

    height, width = image.shape[2:]
    sources = [np.ascontiguousarray(one.permute(1, 2, 0).numpy()) for one in image]
    matrices = [one[:2].numpy().astype(np.float64) for one in _pixels(theta, (height, width))]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

    def run() -> Tensor:
        cv2.setNumThreads(torch.get_num_threads())
        warped = [
            cv2.warpAffine(one, m, (width, height), flags=flags) for one, m in zip(sources, matrices, strict=True)
        ]
        return torch.from_numpy(np.stack(warped)).reshape(len(warped), height, width, -1).permute(0, 3, 1, 2)

    return run


def scipy_warp(image: Tensor, theta: Tensor) -> Callable[[], Tensor]:
    """Scipy's `affine_transform`, a plane at a time."""
    from scipy import ndimage

    planes = image.numpy()
    matrices = _pixels(theta, tuple(image.shape[2:])).numpy().astype(np.float64)
    flip = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])

    def run() -> Tensor:
        warped = np.empty_like(planes)
        for one, matrix, out in zip(planes, matrices, warped, strict=True):
            for channel, target in zip(one, out, strict=True):
                ndimage.affine_transform(channel, flip @ matrix @ flip, output=target, order=1, mode="grid-constant")
        return torch.from_numpy(warped)

    return run


def monai_warp(image: Tensor, theta: Tensor) -> Callable[[], Tensor]:
    """MONAI's `AffineTransform`, which orders axes as the tensor does."""
    from monai.networks.layers import AffineTransform

    layer = AffineTransform(normalized=True, align_corners=False, reverse_indexing=False)
    matrices = _homogeneous(theta)
    return lambda: layer(image, matrices)


WARPS: dict[str, Callable[[Tensor, Tensor], Callable[[], Tensor]]] = {
    "kornia": kornia_warp,
    "cv2": opencv_warp,
    "monai": monai_warp,
    "scipy": scipy_warp,
}


def present(name: str) -> bool:
    """Whether a library is installed."""
    return find_spec(name) is not None
