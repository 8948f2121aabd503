"""Which tile a kernel runs with where tiles are measured: pure logic, with a clock that the tests set."""

import math
from itertools import product
from types import SimpleNamespace

import pytest
import torch

from unwarp.backends.triton import autotune, tiles
from unwarp.backends.triton.tiles import Tile
from unwarp.errors import OptionError

STATIC, SLOWER, FASTEST = Tile(4, 32, 1, 3), Tile(2, 32, 1, 3), Tile(2, 64, 1, 3)
SIZES = [(1, 1, 1), (28, 28, 3), (224, 224, 64), (5, 1, 300)]


class Clock:
    """Runs what it times, and answers with the tile's time."""

    def __init__(self, times):
        self.times = times
        self.run = []

    def __call__(self, call):
        call()
        return self.times[self.run[-1]]


@pytest.fixture
def clock():
    return Clock({STATIC: 2.0, SLOWER: 3.0, FASTEST: 1.0})


def candidates():
    return STATIC, SLOWER, FASTEST


def test_the_fastest_is_kept(clock):
    choose = autotune.Chooser(clock)
    assert choose("case", candidates, clock.run.append) == FASTEST
    clock.times[FASTEST] = 9.0
    assert choose("case", candidates, clock.run.append) == FASTEST


def test_each_case_is_measured_once(clock):
    choose = autotune.Chooser(clock)
    for _ in range(3):
        choose("case", candidates, clock.run.append)
    assert clock.run == [STATIC, SLOWER, FASTEST]
    clock.times[SLOWER] = 0.5
    assert choose("another", candidates, clock.run.append) == SLOWER
    assert len(clock.run) == 6


@pytest.mark.parametrize("time", [1.0, math.inf], ids=["equal", "none can run"])
def test_the_tables_tile_wins_where_nothing_is_faster(time, clock):
    clock.times = dict.fromkeys(clock.times, time)
    assert autotune.Chooser(clock)("case", candidates, clock.run.append) == STATIC


def test_a_measurement_that_fails_decides_nothing(clock):
    choose = autotune.Chooser(clock)
    with pytest.raises(ZeroDivisionError):
        choose("case", candidates, lambda tile: 1 / 0)
    assert choose("case", candidates, clock.run.append) == FASTEST


@pytest.mark.parametrize(("given", "expected"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_off_by_default(given, expected, monkeypatch):
    monkeypatch.delenv(autotune.VARIABLE, raising=False)
    if given is not None:
        monkeypatch.setenv(autotune.VARIABLE, given)
    assert autotune.wanted() is expected


@pytest.mark.parametrize("given", ["yes", "true", "2", " 1"])
def test_other_values_are_refused(given, monkeypatch):
    monkeypatch.setenv(autotune.VARIABLE, given)
    with pytest.raises(OptionError, match="UNWARP_TRITON_AUTOTUNE: expected 0 or 1, got .*Unset it"):
        autotune.wanted()


class OnGpu(torch.Tensor):
    """What tracing passes: a subclass, here one that says that it is on a GPU."""

    is_cuda = True


def plain(monkeypatch, *, capturing=False):
    """A tensor that `applies` takes for a plain one on a GPU."""
    monkeypatch.setattr(autotune, "Tensor", SimpleNamespace)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    return SimpleNamespace(is_cuda=True)


def test_applies_on_a_gpu_when_asked(monkeypatch):
    image = plain(monkeypatch)
    monkeypatch.delenv(autotune.VARIABLE, raising=False)
    assert not autotune.applies(image)
    monkeypatch.setenv(autotune.VARIABLE, "1")
    assert autotune.applies(image)


def test_does_not_apply_where_measuring_is_impossible_or_would_change_sums(monkeypatch):
    monkeypatch.setenv(autotune.VARIABLE, "1")
    assert not autotune.applies(torch.zeros(1))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    assert not autotune.applies(torch.zeros(1).as_subclass(OnGpu))
    assert not autotune.applies(plain(monkeypatch, capturing=True))
    image = plain(monkeypatch)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not autotune.applies(image)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: False)
    assert autotune.applies(image)
    torch.use_deterministic_algorithms(True)
    try:
        assert not autotune.applies(image)
    finally:
        torch.use_deterministic_algorithms(False)


def test_plain_tensors_and_parameters_run_now():
    assert autotune.runs_now(torch.zeros(1))
    assert autotune.runs_now(torch.nn.Parameter(torch.zeros(1)))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("width", "rows", "channels"), SIZES)
@pytest.mark.parametrize("taps", [1, 4, 64])
def test_candidates_are_tiles_that_kernels_can_run(taps, width, rows, channels, last):
    static = tiles.tile(width, rows, channels, taps=taps, sums=1, last=last)
    near = tiles.near(static, width, rows, channels, last=last, unrolled=True)
    assert near[0] == static
    assert len(set(near)) == len(near) <= 7
    for tile in near[1:]:
        assert all(n >= 1 and n & (n - 1) == 0 for n in (tile.rows, tile.width, tile.channels))
        assert tile.channels == 1 or last
        assert tile.unroll >= 1
        pixels = tile.rows * tile.width
        assert pixels * tile.channels >= 32
        assert pixels * tile.step <= 4096
        assert tile.width < 2 * width
        assert tile.rows < 2 * rows
        assert tile.step < 2 * channels


def test_there_are_candidates_for_the_shapes_that_matter():
    counts = {}
    for last, unrolled in product([False, True], repeat=2):
        static = tiles.tile(224, 224, 64, taps=4, sums=1, last=last)
        near = tiles.near(static, 224, 224, 64, last=last, unrolled=unrolled)
        counts[last, unrolled] = len(near)
        assert unrolled or {tile.unroll for tile in near} == {static.unroll}
    assert counts == {(False, False): 5, (False, True): 7, (True, False): 7, (True, True): 7}
