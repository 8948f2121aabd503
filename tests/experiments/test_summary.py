import math
import statistics

import pytest
from scipy import stats

from unwarp.errors import OptionError
from unwarp.experiments.summary import summarise


def test_mean_spread_and_count():
    summary = summarise([0.5, 0.7, 0.9], examples=10_000)
    assert (summary.mean, summary.seeds) == (pytest.approx(0.7), 3)
    assert summary.spread == pytest.approx(statistics.stdev([0.5, 0.7, 0.9]))


@pytest.mark.parametrize(("percent", "examples"), [(0.7, 10_000), (0.0, 10_000), (47.7, 2000), (100.0, 40)])
def test_one_run_has_wilsons_interval(percent, examples):
    expected = stats.binomtest(round(percent * examples / 100), examples).proportion_ci(0.95, "wilson")
    summary = summarise([percent], examples=examples)
    assert summary.spread is None
    assert (summary.low, summary.high) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-6)


@pytest.mark.parametrize("runs", [2, 3, 10, 21])
def test_without_the_test_images_the_interval_is_students(runs):
    errors = [1 + 0.1 * (index % 3) for index in range(runs)]
    reach = stats.t.ppf(0.975, runs - 1) * statistics.stdev(errors) / math.sqrt(runs)
    summary = summarise(errors, examples=None)
    assert summary.high - summary.mean == pytest.approx(reach, rel=1e-6)
    assert summary.mean - summary.low == pytest.approx(reach, rel=1e-6)


def test_many_runs_are_on_the_safe_side():
    errors = [1.0, 1.1] * 30
    exact = stats.t.ppf(0.975, 59) * statistics.stdev(errors) / math.sqrt(60)
    assert exact < summarise(errors, examples=None).high - statistics.fmean(errors) < 1.1 * exact


def test_interval_covers_both_chances():
    """Draw test sets and seeds: about 95 % of the intervals hold the true error."""
    random = stats.norm(0, 0.1).rvs((400, 3), random_state=0)
    test_set = stats.binom(10_000, 0.02).rvs(400, random_state=1) / 100
    held = 0
    for seeds, error in zip(random, test_set, strict=True):
        summary = summarise([error + seed for seed in seeds], examples=10_000)
        held += summary.low <= 2.0 <= summary.high
    assert 0.93 < held / 400 <= 1


def test_several_equal_runs_keep_the_interval_of_the_test_images():
    one, three = summarise([0.7], examples=10_000), summarise([0.7] * 3, examples=10_000)
    assert (three.low, three.high) == pytest.approx((one.low, one.high))


def test_interval_stays_a_share():
    summary = summarise([0.0, 1.0], examples=None)
    assert (summary.low, summary.high > 1) == (0, True)


def test_no_run():
    with pytest.raises(OptionError, match="at least one run"):
        summarise([], examples=10)
