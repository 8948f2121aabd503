import pytest

from support.small_mnist import write_mnist_folder

SMALL = ["data.validation=32", "data.batch_size=32", "model.width=4", "training.epochs=2", "training.precision=float32"]


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory):
    return write_mnist_folder(tmp_path_factory.mktemp("mnist"))


@pytest.fixture(scope="session")
def small():
    """Settings that make an experiment take a second."""
    return SMALL
