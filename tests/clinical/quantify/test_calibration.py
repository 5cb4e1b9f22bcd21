"""Lines from phantoms: recovery, robustness, and intervals that cover."""

import numpy as np
import pytest
from scipy import stats

from qsmkit.clinical.quantify.calibration import fit, from_dict, published
from qsmkit.clinical.quantify.propagate import ratio
from qsmkit.errors import InputError

SERIES = np.array([0.25, 0.5, 1, 2, 3, 4, 6, 8, 10, 12.0])


def phantom(rng, slope=0.35, intercept=-0.03, scatter=0.02):
    return fit(SERIES, intercept + slope * SERIES + rng.normal(0, scatter, 10), unit="mM", source="phantom")


def test_the_line_is_recovered_and_one_bad_tube_hardly_moves_it():
    line = phantom(np.random.default_rng(1))
    assert line.slope == pytest.approx(0.35, abs=4 * line.slope_error)
    scatter = [phantom(np.random.default_rng(seed)).scatter for seed in range(60)]
    assert np.mean(scatter) == pytest.approx(0.02, rel=0.25)
    chi = -0.03 + 0.35 * SERIES
    chi[7] += 3
    spoilt = fit(SERIES, chi + np.random.default_rng(2).normal(0, 0.02, 10), unit="mM", source="phantom")
    assert spoilt.slope == pytest.approx(0.35, abs=0.02)
    assert abs(stats.linregress(SERIES, chi).slope - 0.35) > 0.05


def test_rounded_samples_are_not_taken_for_exact():
    chi = np.round(0.3 * SERIES + 0.01, 3)
    chi[3] += 0.02
    line = fit(SERIES, chi, unit="mM", source="phantom")
    assert line.slope == pytest.approx(0.3, abs=1e-3)
    assert line.scatter > 0.005
    assert line.slope_error > 1e-4


def test_slope_and_concentration_intervals_cover():
    rng, slope, concentration, runs = np.random.default_rng(3), 0, 0, 600
    for _ in range(runs):
        line = phantom(rng)
        t = stats.t.ppf(0.975, 8)
        slope += abs(line.slope - 0.35) < t * line.slope_error
        found = line.concentration(-0.03 + 0.35 * 2.5 + rng.normal(0, 0.03), 0.03)
        concentration += found.low <= 2.5 <= found.high
    assert 0.92 < slope / runs < 0.985
    assert 0.93 < concentration / runs < 0.98


def test_prediction_is_wider_than_the_line():
    line = phantom(np.random.default_rng(4))
    assert line.predict(5).high > line.chi(5).high > line.chi(5).value
    assert line.chi(30).high - line.chi(30).low > line.chi(5).high - line.chi(5).low


def test_curie_scales_the_slope_with_temperature():
    line = fit(SERIES, 0.338 * SERIES, unit="mM", source="phantom", temperature_c=20)
    assert line.at(37).slope == pytest.approx(0.338 * 293.15 / 310.15)
    with pytest.raises(InputError, match="temperature"):
        published(0.3, 0.01, unit="mM", source="paper").at(37)


def test_a_line_survives_json():
    line = phantom(np.random.default_rng(5))
    assert from_dict(line.as_dict(), "file") == line
    whole = line.as_dict()
    for broken in ({"slope": 1}, whole | {"slope": 0.0}, whole | {"slope": "x"}, whole | {"a": 1}):
        with pytest.raises(InputError):
            from_dict(broken, "file")


def test_fieller_s_interval_covers_a_ratio_and_opens_when_the_bottom_may_be_zero():
    rng, covered = np.random.default_rng(6), 0
    for _ in range(2000):
        _, low, high = ratio(3 + rng.normal(0, 0.3), 0.3, 2 + rng.normal(0, 0.25), 0.25)
        covered += low <= 1.5 <= high
    assert covered / 2000 == pytest.approx(0.95, abs=0.015)
    assert np.isnan(ratio(1, 0.1, 0.1, 0.1)[1])


@pytest.mark.parametrize("columns", [([1, 2], [1, 2]), ([1, 1, 1], [1, 2, 3]), ([1, 2, np.nan], [1, 2, 3])])
def test_series_that_make_no_line_are_refused(columns):
    with pytest.raises(InputError):
        fit(*columns, unit="mM", source="phantom")
