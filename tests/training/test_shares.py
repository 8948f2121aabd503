import pytest
import torch

from unwarp.data.distorted_mnist import EpochSampler
from unwarp.errors import OptionError
from unwarp.training.shares import ShareOfKeys, ShareOfRows


def test_keys_of_a_step_follow_one_another():
    shares = [ShareOfKeys(EpochSampler(7), rank=rank, processes=3) for rank in range(3)]
    for share in shares:
        share.set_epoch(4)
    assert list(zip(*shares, strict=True)) == [((4, 0), (4, 1), (4, 2)), ((4, 3), (4, 4), (4, 5))]
    assert [len(share) for share in shares] == [2, 2, 2]


def test_rows_of_all_processes_are_the_batch():
    batches = [(torch.arange(5), torch.arange(5) + 10), (torch.arange(3), torch.arange(3) + 10)]
    shares = [ShareOfRows(batches, rank=rank, processes=2) for rank in range(2)]
    assert [len(share) for share in shares] == [2, 2]
    images = torch.cat([share[0][0] for share in shares])
    labels = torch.cat([share[0][1] for share in shares])
    assert images.sort().values.tolist() == [0, 1, 2, 3, 4]
    assert torch.equal(labels, images + 10)


def test_a_batch_without_a_row_for_each_process_is_refused():
    with pytest.raises(OptionError, match="at most 1 processes"):
        ShareOfRows([(torch.zeros(1),)], rank=0, processes=2)[0]
