import torch
import torch.nn.functional as F

from unwarp.metrics import best_path, character_error, edit_distance, line_error


def test_repeats_merge_and_blanks_part_them():
    path = torch.tensor([[2, 2, 0, 2, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    assert best_path(F.one_hot(path, 3).float()) == [[2, 2, 1], []]


def test_edit_distance():
    pairs = [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("ab", "ba", 2),
    ]
    for read, truth, expected in pairs:
        assert edit_distance([*map(ord, read)], [*map(ord, truth)]) == expected


def test_errors_count_characters_and_lines():
    answers = torch.tensor([[5, 6, 0], [7, 0, 0], [1, 2, 3]])
    read = [[5, 6], [7, 8], [2, 3]]
    assert character_error(read, answers) == (2, 6)
    assert line_error(read, answers) == 2
