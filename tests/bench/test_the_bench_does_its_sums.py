"""Percentiles, ratios, and at how many calls something begins: the sums behind `make bench`."""

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arithmetic import begins_at, calls_without, doubled_at, percentile, ratio, spread
from bench.machine import OTHER, by_group

NUMBERS = st.lists(st.floats(0, 1e5), min_size=1, max_size=50)


@given(NUMBERS, st.floats(0, 100))
def test_a_percentile_is_numpys(values, share):
    assert percentile(values, share) == pytest.approx(float(np.percentile(values, share)))


def test_of_twenty_values_the_95th_percentile_is_almost_the_largest():
    assert percentile(range(1, 21), 95) == pytest.approx(19.05)
    assert percentile([7.0], 95) == 7.0


def test_there_is_no_percentile_of_nothing():
    assert spread([]) is None
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


@given(NUMBERS)
def test_a_spread_has_the_median_and_the_worst(values):
    found = spread(values)
    assert found.p50 == pytest.approx(statistics.median(values))
    assert (found.worst, found.count) == (max(values), len(values))
    assert found.p50 <= found.p95 <= found.worst


def test_a_ratio_is_ours_over_stock():
    assert ratio(1.0, 4.0) == 0.25
    assert ratio(60, 14) == 4.286
    assert ratio(0.0, 4.0) == 0.0


@pytest.mark.parametrize(("ours", "stock"), [(None, 1.0), (1.0, None), (1.0, 0.0)])
def test_there_is_no_ratio_without_both(ours, stock):
    assert ratio(ours, stock) is None


def test_calls_without_underruns_end_below_the_first_step_that_has_some():
    assert calls_without({8: 0, 14: 0, 20: 3, 26: 0}) == 14
    assert calls_without({40: 0, 8: 0, 60: 0}) == 60
    assert calls_without({8: 1, 14: 0}) == 0
    assert calls_without({}) is None


def test_trouble_begins_at_the_first_step_that_has_some():
    assert begins_at({8: 0, 20: 3, 14: 1}) == 14
    assert begins_at({8: 0, 14: 0}) is None


def test_a_value_has_doubled_where_it_is_twice_that_of_the_fewest_calls():
    assert doubled_at({20: 601.0, 8: 300.0, 14: 599.0}) == 20
    assert doubled_at({8: 300.0, 14: 599.9}) is None
    assert doubled_at({}) is None


def test_threads_are_told_apart_by_what_their_names_begin_with():
    names = {1: "MainThread", 2: "asyncio_0", 3: "asyncio_1", 4: "ThreadPoolExecutor-3_0", 5: "ears-2"}
    used = {1: 1.0, 2: 0.5, 3: 0.25, 4: 2.0, 5: 0.125, 6: 4.0}
    assert by_group(used, names) == {
        OTHER: 4.0,
        "executors of single calls": 2.0,
        "main thread": 1.0,
        "executor of the event loop": 0.75,
        "ears": 0.125,
    }
