import pytest

from support.picture_folders import write_digit_folder, write_oddities
from unwarp.data.picture_folder import divide, pictures_in, scan
from unwarp.errors import DataError, OptionError

LABELS = [0] * 20 + [1] * 40 + [2] * 3
CLASSES = ["few", "many", "three"]


def test_classes_are_the_subfolders(tmp_path):
    write_digit_folder(tmp_path, classes=(7, 3), each=4)
    (tmp_path / "3" / "deeper").mkdir()
    (tmp_path / "3" / "000.png").rename(tmp_path / "3" / "deeper" / "moved.PNG")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cache").mkdir()
    folder = scan(tmp_path)
    assert folder.classes == ("3", "7")
    assert folder.labels == (0,) * 4 + (1,) * 4
    assert tmp_path / "3" / "deeper" / "moved.PNG" in folder.paths


def test_only_pictures_that_are_not_hidden_are_listed(tmp_path):
    paths = write_oddities(tmp_path)
    assert set(pictures_in(tmp_path)) == set(paths.values()) - {paths["note.txt"], paths[".hidden.png"]}


def test_what_is_no_folder_of_classes_is_refused(tmp_path):
    with pytest.raises(DataError, match="found no folder"):
        scan(tmp_path / "missing")
    write_digit_folder(tmp_path, classes=(7,))
    with pytest.raises(DataError, match=r"two classes or more, found 1 \(7\)"):
        scan(tmp_path)


def test_every_position_is_in_one_part_with_equal_shares_of_each_class():
    parts = divide(LABELS, CLASSES, validation=0.2, test=0.1, seed=0)
    assert sorted(index for part in parts for index in part) == list(range(len(LABELS)))
    counts = [[sum(LABELS[i] == label for i in part) for label in range(3)] for part in parts]
    assert counts == [[14, 28, 1], [4, 8, 1], [2, 4, 1]]


@pytest.mark.parametrize("count", range(3, 12))
@pytest.mark.parametrize("shares", [(0.9, 0.05), (0.6, 0.15), (0.7, 0.2), (0.8, 0.15), (0.05, 0.9), (0.01, 0.01)])
def test_a_small_class_is_in_every_part_and_no_picture_in_two(count, shares):
    parts = divide([0] * count + [1] * 3, ["any", "three"], validation=shares[0], test=shares[1], seed=0)
    assert sorted(index for part in parts for index in part) == list(range(count + 3))
    assert all({index < count for index in part} == {True, False} for part in parts)


def test_the_first_pictures_of_a_part_are_of_several_classes():
    """They stand for it in figures, and the folder lists one class after the other."""
    parts = divide(LABELS, CLASSES, validation=0.2, test=0.2, seed=0)
    assert all(len({LABELS[i] for i in part[:6]}) > 1 for part in parts)


def test_the_seed_decides_the_division():
    first, again, other = (divide(LABELS, CLASSES, validation=0.2, test=0.1, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_a_class_too_small_for_three_parts_is_named():
    with pytest.raises(DataError, match="two: expected at least 3 readable pictures, got 2"):
        divide([0, 0, 0, 1, 1], ["three", "two"], validation=0.2, test=0.2, seed=0)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.0, 0.1), (0.1, -0.1)])
def test_shares_leave_some_for_training(shares):
    with pytest.raises(OptionError, match="leave some for training"):
        divide(LABELS, CLASSES, validation=shares[0], test=shares[1], seed=0)
