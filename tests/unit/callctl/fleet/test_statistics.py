"""Percentiles and histograms, by values that are known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callctl.fleet.statistics import EDGES, Bin, Samples, histogram, percentile

TIMES = st.floats(min_value=0, max_value=1e6, allow_nan=False)


def test_percentiles_are_nearest_ranks() -> None:
    hundred = [float(value) for value in range(1, 101)]
    assert [percentile(hundred, share) for share in (50, 90, 95, 99, 100)] == [50, 90, 95, 99, 100]
    assert percentile([15.0, 20.0, 35.0, 40.0, 50.0], 30) == 20
    assert percentile([15.0, 20.0, 35.0, 40.0, 50.0], 40) == 20
    assert percentile([15.0, 20.0, 35.0, 40.0, 50.0], 50) == 35
    assert percentile([7.0], 1) == percentile([7.0], 99) == 7


def test_summary_is_of_all_samples_in_whatever_order() -> None:
    samples = Samples()
    assert samples.summary() is None
    for value in (30.0, 10.0, 20.0, 40.0):
        samples.add(value)
    summary = samples.summary()
    assert summary is not None
    assert (summary.count, summary.p50, summary.p90, summary.p99) == (4, 20, 40, 40)
    assert (summary.max, summary.mean) == (40, 25)
    recent = samples.summary(last=2)
    assert recent is not None
    assert (recent.count, recent.p50, recent.max) == (2, 20, 40)


def test_bins_grow_with_the_times_and_the_lower_edge_belongs_to_them() -> None:
    assert EDGES[0] == 0.1
    assert EDGES[-1] == 800_000
    assert histogram([1.0, 1.2, 1.25, 3.0]) == (
        Bin(1.0, 1.25, 2),
        Bin(1.25, 1.6, 1),
        Bin(1.6, 2.0, 0),
        Bin(2.0, 2.5, 0),
        Bin(2.5, 3.15, 1),
    )
    assert histogram([]) == ()


def test_what_is_out_of_range_is_in_the_outer_bins() -> None:
    bins = histogram([0.0, 1e9])
    assert (bins[0].low_ms, bins[0].count) == (0.1, 1)
    assert (bins[-1].high_ms, bins[-1].count) == (800_000, 1)


@given(st.lists(TIMES, min_size=1, max_size=200))
def test_histogram_holds_every_value_once(values: list[float]) -> None:
    bins = histogram(values)
    assert sum(each.count for each in bins) == len(values)
    assert bins[0].count
    assert bins[-1].count


@given(st.lists(TIMES, min_size=1, max_size=200), st.sampled_from((1, 50, 90, 99, 100)))
def test_so_many_percent_are_not_above_a_percentile_and_fewer_below(
    values: list[float], share: int
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert sum(value <= found for value in ordered) >= share / 100 * len(ordered) - 1e-9
    assert sum(value < found for value in ordered) < share / 100 * len(ordered) + 1e-9
