"""Folders of pictures as a user has them."""

from pathlib import Path

import numpy as np
from PIL import Image

from unwarp.data.mnist_subset import subset


def write_digit_folder(root: Path, *, classes: tuple[int, ...] = (1, 4), each: int = 12) -> Path:
    """Digits of the packaged set as PNG, a folder a class."""
    digits = subset("train")
    for digit in classes:
        chosen = digits.images[digits.labels == digit][:each]
        (root / str(digit)).mkdir(parents=True, exist_ok=True)
        for index, image in enumerate(chosen):
            Image.fromarray(image.numpy()).save(root / str(digit) / f"{index:03}.png")
    return root


def write_oddities(folder: Path) -> dict[str, Path]:
    """One file of each kind that has a rule of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    colours = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    paths = {
        name: folder / name
        for name in ("cut.png", "text.jpg", "moving.gif", "cmyk.jpg", "wide.png", "huge.png", "note.txt", ".hidden.png")
    }
    image = Image.fromarray(colours)
    image.save(paths["cut.png"])
    paths["cut.png"].write_bytes(paths["cut.png"].read_bytes()[:-1500])
    paths["text.jpg"].write_text("no picture")
    image.save(paths["moving.gif"], save_all=True, append_images=[image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)])
    image.convert("CMYK").save(paths["cmyk.jpg"])
    Image.fromarray(colours[..., 0].astype(np.uint16) * 257).save(paths["wide.png"])
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(paths["huge.png"])
    paths["note.txt"].write_text("not looked at")
    image.save(paths[".hidden.png"])
    return paths
