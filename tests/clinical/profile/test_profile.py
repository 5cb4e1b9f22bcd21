"""Nuclei against controls, the other side and post-mortem iron."""

import math

import numpy as np
import pytest
from scipy import stats

from qsmkit.clinical.profile.norms import Norm, find, score
from qsmkit.clinical.profile.profile import Reading, Side, profile
from qsmkit.errors import InputError
from qsmkit.measure import Measure


def chi(value: float, reach: float = 0.004, unit: str = "ppm") -> Measure:
    return Measure(value, value - reach, value + reach, unit, 1, "test")


def reading(region: str, side: Side, value: float, reach: float = 0.004) -> Reading:
    return Reading(region, side, chi(value, reach))


def test_score_is_crawford_and_howell() -> None:
    """Their t for a case of 70 against 10 controls of 100 ± 15: −30/(15 √1.1) = −1.907, one-sided .0445."""
    found = score(chi(0.070), Norm("SN", 0.100, 0.015, 10), 60)
    assert found.z.value == pytest.approx(-2)
    assert found.percentile == pytest.approx(100 * stats.t.cdf(-2 / math.sqrt(1.1), 9))
    assert found.p == pytest.approx(0.0889, abs=2e-4)


def test_few_controls_do_not_make_patients_abnormal() -> None:
    """With z alone 5 controls call 12 % of healthy people abnormal at .05; the test for single cases 5 %."""
    rng = np.random.default_rng(1)
    draws = rng.normal(0.1, 0.01, (4000, 6))
    p = [score(chi(row[0]), Norm("SN", row[1:].mean(), row[1:].std(ddof=1), 5), 60).p for row in draws]
    assert 0.04 < np.mean(np.array(p) < 0.05) < 0.06


def test_norm_follows_the_age() -> None:
    norm = Norm("putamen", 0.04, 0.01, 40, age_low=20, age_high=80, per_year=0.0005, at_age=40)
    assert norm.expected(60) == pytest.approx(0.05)
    assert find([norm], "putamen", 60) is norm
    assert find([norm], "putamen", 85) is None
    assert find([norm], "caudate", 60) is None


def test_norm_of_the_sex_goes_before_the_common_one() -> None:
    common, women = Norm("SN", 0.1, 0.02, 30), Norm("SN", 0.11, 0.02, 30, sex="F")
    assert find([common, women], "SN", 60, "F") is women
    assert find([common, women], "SN", 60, "M") is common
    with pytest.raises(InputError, match="2 norms hold for SN"):
        find([common, common], "SN", 60)


@pytest.mark.parametrize(
    ("change", "told"), [({"sd": 0.0}, "above 0"), ({"n": 2}, "at least 3"), ({"age_low": 90, "age_high": 20}, "order")]
)
def test_a_norm_that_is_none_is_refused(change: dict[str, float], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Norm(**{"region": "SN", "mean": 0.1, "sd": 0.02, "n": 30} | change)  # type: ignore[arg-type]


def test_sides_are_compared() -> None:
    found = profile([reading("SN", "left", 0.16), reading("SN", "right", 0.12), reading("RN", "left", 0.1)], 60)
    (sn,) = found.asymmetries
    assert sn.difference.value == pytest.approx(0.04)
    assert sn.clear
    assert sn.difference.high - sn.difference.low == pytest.approx(2 * 0.004 * math.sqrt(2))
    assert sn.index.value == pytest.approx(100 * 0.04 / 0.14)
    assert "SN (left higher)" in found.sentences()[1]


def test_interval_of_the_asymmetry_covers() -> None:
    rng = np.random.default_rng(2)
    truth, hits, sigma = 200 * (0.15 - 0.12) / 0.27, 0, 0.005
    for left, right in rng.normal([0.15, 0.12], sigma, (1500, 2)):
        sides = [reading("SN", "left", left, 1.96 * sigma), reading("SN", "right", right, 1.96 * sigma)]
        (found,) = profile(sides, 60).asymmetries
        hits += found.index.low <= truth <= found.index.high
    assert 0.93 < hits / 1500 < 0.97


def test_ratio_of_nigra_and_stn() -> None:
    found = profile([reading("SN", "left", 0.16), reading("STN", "left", 0.08)], 60)
    ratio = found.ratios["SN/STN left"]
    assert ratio.value == pytest.approx(2)
    assert ratio.low < 2 < ratio.high


def test_ratio_to_an_stn_that_is_not_seen_has_no_ends() -> None:
    found = profile([reading("SN", "left", 0.16), reading("STN", "left", 0.003)], 60)
    assert math.isnan(found.ratios["SN/STN left"].low)


def test_iron_stands_beside_post_mortem_iron() -> None:
    line = profile([reading("GPi", "left", 0.2343)], 60).lines[0]
    assert line.iron is not None
    assert line.iron.value == pytest.approx(213, rel=1e-3)
    assert line.expected_iron == pytest.approx(216.8, abs=0.5)
    assert line.iron_band[0] < line.iron.value <= line.iron_band[1] * (1 + 1e-9)
    assert profile([reading("GPi", "left", 0.2)], 20).lines[0].iron is None
    assert profile([reading("STN", "left", 0.1)], 60).lines[0].iron is None


@pytest.mark.parametrize(
    ("readings", "age", "told"),
    [
        ([], 60, "no nucleus"),
        ([reading("SN", "left", 0.1)], 140, "140"),
        ([reading("SN", "left", 0.1)] * 2, 60, "SN left stands twice"),
        ([Reading("SN", "left", chi(100, 4, "ppb"))], 60, "ppb"),
    ],
)
def test_bad_input_is_named(readings: list[Reading], age: float, told: str) -> None:
    with pytest.raises(InputError, match=told):
        profile(readings, age)
