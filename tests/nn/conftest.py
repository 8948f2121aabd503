import pytest
import torch


@pytest.fixture
def one_thread():
    """Steps of microseconds: a second thread costs more than it does, and on a busy machine a hundred times more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
