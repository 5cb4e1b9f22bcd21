"""Spans proposed from simulated tracks of known depth."""

import numpy as np
import pytest

from qsmkit.clinical.mer.span import normalised_rms, propose_span
from qsmkit.errors import InputError


def track(entry, exit_, step=0.5, inside=2.4, noise=0.0, start=10.0, end=-3.0, rng=None):
    depth = np.arange(start, end - 1e-9, -step)
    rms = 8.0 * np.where((depth <= entry) & (depth >= exit_), inside, 1.0)
    return depth, rms * (1 if rng is None else np.exp(rng.normal(0, noise, len(depth))))


@pytest.mark.parametrize("step", [0.25, 0.5, 1.0])
def test_a_clean_track_is_found_within_half_a_step(step):
    span = propose_span(*track(4.1, -1.2, step))
    assert span is not None
    assert span.entry.value == pytest.approx(4.1, abs=step / 2 + 1e-9)
    assert span.exit.value == pytest.approx(-1.2, abs=step / 2 + 1e-9)
    assert span.entry.low <= 4.1 <= span.entry.high
    assert span.span.low <= 5.3 <= span.span.high
    assert not span.open_end


def test_intervals_of_the_span_cover_it_over_random_depths():
    rng, covered = np.random.default_rng(1), 0
    for _ in range(400):
        entry, length = rng.uniform(3, 6), rng.uniform(3, 7)
        span = propose_span(*track(entry, entry - length, end=-6))
        assert span is not None
        covered += span.span.low <= length <= span.span.high
    assert covered / 400 > 0.93


def test_noise_moves_the_borders_little():
    rng = np.random.default_rng(3)
    found = [propose_span(*track(4.0, -1.0, noise=0.12, rng=rng)) for _ in range(100)]
    assert all(found)
    assert np.mean([abs(s.entry.value - 4.0) for s in found]) < 0.5
    assert np.mean([s.span.value for s in found]) == pytest.approx(5.0, abs=0.5)


def test_one_quiet_site_does_not_end_the_nucleus_and_a_gap_makes_two_stretches():
    depth, rms = track(4.0, -1.0)
    rms[np.isclose(depth, 2.0)] = 8.0
    assert propose_span(depth, rms).span.value == pytest.approx(5.5)
    rms[(depth <= 2.0) & (depth >= 1.0)] = 8.0
    split = propose_span(depth, rms)
    assert len(split.intervals) == 2
    assert split.span.value == pytest.approx(2.0, abs=0.51)


def test_a_track_that_stops_inside_says_so():
    span = propose_span(*track(4.0, -9.0))
    assert span.open_end
    assert span.exit.value == -3.0
    assert np.isnan(span.span.high)
    assert np.isnan(span.exit.low)
    assert propose_span(*track(4.0, -2.5)).open_end, "one quiet site makes no exit"


def test_a_track_that_starts_inside_says_so():
    depth = np.arange(10.0, -3, -0.5)
    rms = np.where(depth > 8.9, 30.0, 8.0)
    span = propose_span(depth, rms, baseline=10)
    assert span.open_end
    assert np.isnan(span.entry.high)


def test_coarse_steps_above_the_nucleus_widen_the_entry_s_interval():
    depth = np.array([*np.arange(15.0, 3.9, -1), *np.arange(3.5, -4, -0.25)])
    rms = np.where((depth <= 4.45) & (depth >= -1.1), 20.0, 8.0)
    span = propose_span(depth, rms)
    assert (span.entry.low, span.entry.high) == pytest.approx((4, 5))
    assert span.exit.high - span.exit.low == pytest.approx(0.25)
    assert span.span.low <= 5.55 <= span.span.high


def test_a_silent_track_has_no_span():
    assert propose_span(*track(-20, -30)) is None


def test_order_and_unit_do_not_matter():
    depth, rms = track(4.0, -1.0)
    assert propose_span(depth[::-1], 1000 * rms[::-1]) == propose_span(depth, rms)
    assert normalised_rms(depth, rms)[:5] == pytest.approx(1)


@pytest.mark.parametrize(
    ("depth", "rms", "words"),
    [([1, 2], [1], "one for each"), ([1, 2, 3], [1, 1, 1], "too few"), ([*range(8)], [0] * 8, "silent"),
     ([0, *range(7)], [1] * 8, "twice"), ([*range(7), np.nan], [1] * 8, "missing")],
)  # fmt: skip
def test_unusable_tracks_are_refused(depth, rms, words):
    with pytest.raises(InputError, match=words):
        propose_span(depth, rms)
