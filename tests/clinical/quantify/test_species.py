"""Iron, gadolinium, calcium, particles and oxygen: worked values, coverage, and refusals."""

import math

import numpy as np
import pytest

from qsmkit.clinical.quantify.calcium import calcium, sign
from qsmkit.clinical.quantify.calibration import fit, published
from qsmkit.clinical.quantify.gadolinium import gadolinium, theory
from qsmkit.clinical.quantify.iron import expected_iron, iron, model_band, z_score
from qsmkit.clinical.quantify.oxygen import extraction_fraction, venous_saturation
from qsmkit.clinical.quantify.propagate import normal
from qsmkit.clinical.quantify.spio import change, clearance_half_time, dose_fraction, iron_mass
from qsmkit.errors import InputError
from qsmkit.measure import Measure


def chi(value, error=0.01, unit="ppm"):
    return normal(value, error, unit, 10, "test")


def test_iron_uses_the_published_slope_and_carries_its_error():
    found = iron(chi(0.11, 0.0))
    assert found.value == pytest.approx(100)
    assert (found.high - found.low) / 2 == pytest.approx(100 * 1.96 * 0.08 / 1.10, rel=0.05)
    assert model_band(chi(0.11)) == pytest.approx((0.11 / 0.00146, 100))
    assert iron(chi(0.13, 0.0), chi_zero=chi(0.02, 0.0)).value == pytest.approx(100)


def test_expected_iron_rises_with_age_to_the_adult_means():
    assert expected_iron("pallidum", 60) == pytest.approx(213, rel=0.03)
    assert expected_iron("putamen", 70) == pytest.approx(133, rel=0.12)
    assert expected_iron("caudate", 70) == pytest.approx(93, rel=0.06)
    assert expected_iron("putamen", 20) < 0.7 * expected_iron("putamen", 60)
    with pytest.raises(InputError, match="adults"):
        expected_iron("dentate", 10)
    with pytest.raises(InputError, match="tabulated"):
        expected_iron("pons", 40)


def test_a_z_score_carries_the_value_s_interval():
    z = z_score(chi(0.14, 0.005), 0.12, 0.01)
    assert z.value == pytest.approx(2)
    assert (z.low, z.high) == pytest.approx((2 - 0.98, 2 + 0.98), abs=1e-3)


def test_gadolinium_at_body_temperature_and_its_detection_limit():
    found = gadolinium(chi(0.3192, 0.0))
    assert found.value == pytest.approx(1, rel=1e-3)
    assert theory(20).slope == pytest.approx(0.338, abs=5e-4)
    faint = gadolinium(chi(0.03), chi(0.0))
    assert "below the detection limit of 0.133 mM" in faint.method


def test_gadolinium_intervals_cover_in_95_of_100_noise_draws():
    rng, covered, runs = np.random.default_rng(5), 0, 1000
    series = np.array([0.25, 0.5, 1, 2, 3, 4, 6, 8, 10.0])
    for _ in range(runs):
        line = fit(series, 0.33 * series - 0.02 + rng.normal(0, 0.015, 9), unit="mM", source="site phantom")
        post, pre = 0.33 * 1.4 - 0.02 + 0.05 + rng.normal(0, 0.02), 0.05 + rng.normal(0, 0.02)
        found = gadolinium(chi(post, 0.02), chi(pre, 0.02), calibration=line)
        covered += found.low <= 1.4 <= found.high
    assert 0.93 < covered / runs < 0.98


def test_particle_mass_does_not_depend_on_the_field():
    masses = [iron_mass(chi(46.1 * 3 / b, 1.0, "ppm·mm³"), b) for b in (1.5, 3.0, 7.0)]
    assert [m.value for m in masses] == pytest.approx([1, 1, 1], abs=2e-3)
    assert masses[0].low < 0.8 < 1.2 < masses[0].high
    assert dose_fraction(masses[0], 50).value == pytest.approx(2, abs=0.01)
    assert change(chi(50, 3, "ppm·mm³"), chi(10, 4, "ppm·mm³")).high == pytest.approx(40 + 1.96 * 5, abs=0.01)


def test_half_time_is_recovered_and_its_interval_covers():
    rng, covered, runs = np.random.default_rng(2), 0, 400
    time = np.array([1, 2, 4, 8, 16, 24.0])
    for _ in range(runs):
        truth = 10 * 0.5 ** (time / 9)
        masses = [normal(max(m + rng.normal(0, 0.06 * m), 1e-3), 0.06 * m, "µg Fe", 1, "test") for m in truth]
        found = clearance_half_time(time, masses)
        covered += found.low <= 9 <= found.high
    assert 0.93 < covered / runs <= 1
    with pytest.raises(InputError, match="rises"):
        clearance_half_time([1, 2, 3], [chi(m, 0.1, "µg Fe") for m in (1, 2, 3)])
    slow = clearance_half_time([1, 2, 3], [chi(m, 0.3, "µg Fe") for m in (3, 2.9, 2.95)])
    assert math.isinf(slow.high)


@pytest.mark.parametrize(("haematocrit", "y", "delta"), [(0.40, 0.65, 0.44007), (0.45, 0.60, 0.57227)])
def test_oxygen_worked_examples(haematocrit, y, delta):
    found = venous_saturation(chi(delta, 0.02), haematocrit)
    assert found.value == pytest.approx(y, abs=2e-4)
    assert found.low < y < found.high
    assert extraction_fraction(found, arterial=1.0).value == pytest.approx(1 - y, abs=2e-4)


def test_an_impossible_saturation_says_what_to_check():
    assert "check haematocrit" in venous_saturation(chi(2.0), 0.4).method
    with pytest.raises(InputError, match=r"such as 0\.42"):
        venous_saturation(chi(0.4), 42)


def test_sign_of_calcium_and_blood():
    rng = np.random.default_rng(1)
    background = rng.normal(0, 0.01, 500)
    assert sign(rng.normal(-0.4, 0.1, 60), background) == "diamagnetic"
    assert sign(rng.normal(0.4, 0.1, 60), background) == "paramagnetic"
    assert sign(rng.normal(0.02, 0.01, 60), background) == "indeterminate"
    mixed = np.concatenate([np.full(35, 0.5), np.full(25, -0.5)])
    assert sign(mixed, background) == "indeterminate"
    with pytest.raises(InputError):
        sign(mixed[:0], background)


def test_calcium_needs_the_user_s_own_line():
    line = published(-0.00095, 0.00005, unit="mg/mL", source="site phantom")
    assert calcium(chi(-0.19, 0.0), line).value == pytest.approx(200)
    with pytest.raises(InputError, match="not calcium"):
        calcium(chi(0.1), line)
    with pytest.raises(InputError, match="negative slope"):
        calcium(chi(-0.1), theory())


def test_unknown_errors_stay_unknown():
    plain = Measure(46.1, math.nan, math.nan, "ppm·mm³", 1, "as given")
    assert math.isnan(iron_mass(plain, 3).low)
    bare = Measure(0.1, math.nan, math.nan, "ppm", 1, "as given")
    below = Measure(-0.1, math.nan, math.nan, "ppm", 1, "as given")
    line = published(-0.00095, 0.00005, unit="mg/mL", source="site phantom")
    for found in (iron(bare), iron(chi(0.1), chi_zero=bare), gadolinium(bare), gadolinium(chi(0.2), bare),
                  calcium(below, line)):  # fmt: skip
        assert math.isnan(found.low)
        assert math.isnan(found.high)
        assert "not known" in found.method


@pytest.mark.parametrize(
    "call",
    [
        lambda: iron(chi(1, unit="ppb")), lambda: gadolinium(chi(1, unit="ppb")), lambda: iron_mass(chi(1), 3),
        lambda: iron_mass(chi(1, unit="ppm·mm³"), 0), lambda: dose_fraction(chi(1), 0), lambda: z_score(chi(1), 0, 0),
        lambda: clearance_half_time([1, 2], [chi(1), chi(2)]), lambda: venous_saturation(chi(1, unit="ppb"), 0.4),
        lambda: extraction_fraction(chi(0.6), arterial=98), lambda: expected_iron("pallidum", 200),
    ],
)  # fmt: skip
def test_wrong_units_and_impossible_numbers_are_refused(call):
    with pytest.raises(InputError):
        call()
