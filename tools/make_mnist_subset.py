"""Choose the digits that ship with unwarp and write ``src/unwarp/data/mnist_subset.npz``.

    python tools/make_mnist_subset.py FOLDER_WITH_THE_FOUR_IDX_FILES [TARGET.npz]

The choice is seeded: 600 training and 200 test digits of each class, then shuffled. Beside images and labels the file
holds the positions of the digits in MNIST (``train_indices``, ``test_indices``), so that their origin can be checked.
The IDX files must be MNIST itself: their unpacked bytes are compared with known digests.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unwarp.data import download, idx, mnist

SEED = 1506_02025
PER_CLASS: dict[mnist.Split, int] = {"train": 600, "test": 200}
TARGET = Path(__file__).parents[1] / "src" / "unwarp" / "data" / "mnist_subset.npz"


def choose(labels: NDArray[np.uint8], per_class: int, generator: np.random.Generator) -> NDArray[np.int32]:
    """Positions of `per_class` digits of every class, without repetition, in random order."""
    classes = range(mnist.NUM_CLASSES)
    chosen = [generator.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in classes]
    return generator.permutation(np.concatenate(chosen)).astype(np.int32)


def verified(folder: Path, name: str, rank: int) -> NDArray[np.uint8]:
    """One of MNIST's four files, refused unless it is MNIST to the byte."""
    path = next(p for p in (folder / name, folder / f"{name}.gz") if p.is_file())
    content = idx.read_unpacked(path)
    if download.digest(content) != mnist.SHA256[name]:
        raise SystemExit(f"{path}: this is not the published {name}.")
    return idx.decode_idx(content, rank=rank, source=path)


def arrays_of(folder: Path, split: mnist.Split, generator: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """Images, labels and positions of one split's chosen digits."""
    images_name, labels_name = mnist.FILES[split]
    images, labels = verified(folder, images_name, 3), verified(folder, labels_name, 1)
    indices = choose(labels, PER_CLASS[split], generator)
    return {f"{split}_images": images[indices], f"{split}_labels": labels[indices], f"{split}_indices": indices}


def main() -> None:
    """Read the arguments, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path, nargs="?", default=TARGET)
    arguments = parser.parse_args()
    generator = np.random.default_rng(SEED)
    arrays: dict[str, Any] = {}
    for split in mnist.SPLITS:
        arrays |= arrays_of(arguments.folder, split, generator)
    np.savez_compressed(arguments.target, **arrays)


if __name__ == "__main__":
    main()
