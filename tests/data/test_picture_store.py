import math
import threading
import time

import pytest
import torch

from support.picture_folders import write_digit_folder, write_oddities
from unwarp.data.augmentation import Augmentation
from unwarp.data.intake import Intake
from unwarp.data.picture_batches import FixedPictures, FreshPictures
from unwarp.data.picture_folder import pictures_in, scan
from unwarp.data.picture_store import in_order, open_store
from unwarp.errors import DataError

INTAKE = Intake(28, 28, 1)


@pytest.fixture
def digits(tmp_path):
    return scan(write_digit_folder(tmp_path / "digits"))


def test_kept_and_read_again_are_the_same(digits):
    kept, survey = open_store(digits.paths, INTAKE)
    lazy, _ = open_store(digits.paths, INTAKE, memory=0)
    assert (survey.skipped, survey.converted, len(kept)) == ([], [], len(digits.paths))
    torch.testing.assert_close(kept.images([3, 1]), lazy.images([3, 1]))
    digits.paths[3].unlink()
    kept.images([3])
    with pytest.raises(DataError, match="no such file"):
        lazy.images([3])


def test_every_odd_file_is_named_and_counted(tmp_path, digits):
    odd = write_oddities(tmp_path / "odd")
    paths = [*pictures_in(tmp_path / "odd"), *digits.paths]
    store, survey = open_store(paths, INTAKE, most_pixels=30_000)
    skipped = {path.name: reason.split(":")[0] for path, reason in survey.skipped}
    assert skipped == {"cut.png": "truncated", "text.jpg": "unreadable", "huge.png": "huge"}
    converted = {path.name: note.split(":")[0] for path, note in survey.converted}
    assert converted == {"moving.gif": "animated", "cmyk.jpg": "CMYK"}
    assert len(store) == len(paths) - 3
    assert store.paths[:3] == (odd["cmyk.jpg"], odd["moving.gif"], odd["wide.png"])


@pytest.mark.parametrize("name", ["cut.png", "text.jpg", "moving.gif", "cmyk.jpg"])
def test_strict_stops_at_the_first(tmp_path, digits, name):
    path = write_oddities(tmp_path / "odd")[name]
    with pytest.raises(DataError, match=rf"--strict: .*{name}"):
        open_store([*digits.paths, path], INTAKE, strict=True)


def test_nothing_usable_is_an_error(tmp_path):
    path = write_oddities(tmp_path)["text.jpg"]
    with pytest.raises(DataError, match="got none of 1"):
        open_store([path], INTAKE)


def test_results_come_in_order_from_threads_and_errors_come_through():
    names = set()

    def work(item):
        names.add(threading.current_thread().name)
        return item * item

    assert list(in_order(work, range(200))) == [i * i for i in range(200)]
    assert threading.current_thread().name not in names
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // item, [1, 0]))


def test_what_is_made_ahead_is_bounded_by_its_weight():
    begun, used, most_begun = [], [], 0
    for result in in_order(lambda item: begun.append(item) or item, range(40), weigh=lambda _item: 10, most=25):
        used.append(result)
        time.sleep(0.002)
        most_begun = max(most_begun, len(begun) - len(used))
    assert used == list(range(40))
    assert most_begun <= 2
    heavy = in_order(lambda item: item, [1, 2, 3], weigh=lambda _item: math.inf, most=25)
    assert list(heavy) == [1, 2, 3]  # each alone


def test_batches_cover_every_picture_once_an_epoch_in_another_order(digits):
    store, _ = open_store(digits.paths, INTAKE)
    indices = list(range(21))
    fresh = FreshPictures(store, indices, digits.labels, Augmentation(), batch_size=5, seed=0)
    assert fresh.num_batches == 4  # the single picture that is left joins the last batch
    epochs = [torch.cat([fresh[epoch, batch][0] for batch in range(4)]) for epoch in (0, 1)]
    expected = store.images(indices).float() / 255
    for images in epochs:
        assert torch.equal(images.flatten(1).sum(1).sort()[0], expected.flatten(1).sum(1).sort()[0])
    assert not torch.equal(*epochs)
    assert torch.equal(fresh[1, 2][0], fresh[1, 2][0])
    fixed = FixedPictures(store, indices, digits.labels, batch_size=8)
    assert torch.equal(torch.cat([fixed[batch][0] for batch in range(len(fixed))]), expected)
    assert fixed.labels.tolist() == [digits.labels[i] for i in indices]
    with pytest.raises(IndexError):
        fixed[3]
    joined = FixedPictures(store, indices, digits.labels, batch_size=10, least=2)
    assert [len(joined[batch][0]) for batch in range(len(joined))] == [10, 11]
    assert torch.equal(torch.cat([joined[batch][0] for batch in range(2)]), expected)
