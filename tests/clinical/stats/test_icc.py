"""Intraclass correlations against published tables and their defining models."""

import numpy as np
import pytest

from qsmkit.clinical.stats.icc import icc, icc_of_pairs, mean_squares
from qsmkit.clinical.stats.paired import pair
from qsmkit.errors import InputError

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
"""Shrout & Fleiss 1979, Psychol Bull 86:420, table 2: six targets, four judges."""


def test_shrout_and_fleiss_print_these_coefficients_and_intervals():
    found = icc(SHROUT_FLEISS)
    for form, value, low, high in (
        ("ICC(1,1)", 0.17, -0.13, 0.72), ("ICC(A,1)", 0.29, 0.02, 0.76), ("ICC(C,1)", 0.71, 0.34, 0.95),
    ):  # fmt: skip
        assert found[form].value == pytest.approx(value, abs=0.006)
        assert (found[form].low, found[form].high) == pytest.approx((low, high), abs=0.006)


def test_mean_squares_are_those_of_the_published_analysis_of_variance():
    a = mean_squares(SHROUT_FLEISS)
    assert (a.cases, a.within, a.methods, a.error) == pytest.approx((11.24, 6.26, 32.49, 1.02), abs=0.006)


def test_a_constant_offset_lowers_absolute_agreement_only():
    rng = np.random.default_rng(3)
    truth = rng.normal(6, 1, 40)
    table = np.stack([truth + rng.normal(0, 0.2, 40), truth + 1.5 + rng.normal(0, 0.2, 40)], 1)
    found = icc(table)
    assert found["ICC(C,1)"].value > 0.9
    assert found["ICC(A,1)"].value < 0.6
    assert icc(table - np.array([0, 1.5]))["ICC(C,1)"].value == pytest.approx(found["ICC(C,1)"].value)


def test_perfect_agreement_is_one_and_nothing_that_varies_is_undefined():
    found = icc(np.stack([np.arange(5.0)] * 2, 1))
    assert all(m.value == m.low == m.high == 1 for m in found.values())
    flat = icc(np.ones((4, 2)))
    assert all(np.isnan(m.value) for m in flat.values())


def test_two_cases_give_an_interval_as_wide_as_ignorance():
    found = icc([[1.0, 1.2], [2.0, 2.3]])["ICC(C,1)"]
    assert found.low < 0 < found.value < found.high


def test_a_negative_correlation_has_an_interval():
    rng = np.random.default_rng(0)
    for n in (2, 3, 4, 6) * 100:
        table = rng.normal(size=(n, 2))
        table[:, 1] -= 1.9 * table[:, 0]
        found = icc(table + np.array([0, 3]))["ICC(A,1)"]
        assert found.low <= found.value <= found.high


@pytest.mark.parametrize("table", [[[1, 2]], [[1], [2]], [[1, np.nan], [2, 3]]])
def test_incomplete_tables_are_refused(table):
    with pytest.raises(InputError, match="complete rows"):
        icc(table)


def test_twice_the_same_patient_is_no_more_evidence_than_once():
    rng, naive, honest, once = np.random.default_rng(8), [], [], []
    for _ in range(30):
        truth = rng.normal(6, 1, 20)
        x, y = truth + rng.normal(0, 0.7, 20), truth + rng.normal(0, 0.7, 20)
        doubled = pair(np.tile(x, 2), np.tile(y, 2), cluster=[f"P{i}" for i in range(20)] * 2)
        once.append(icc_of_pairs(pair(x, y))["ICC(A,1)"])
        naive.append(icc(np.stack([doubled.x, doubled.y], 1))["ICC(A,1)"])
        honest.append(icc_of_pairs(doubled)["ICC(A,1)"])
    single, twice, clustered = (np.mean([m.high - m.low for m in found]) for found in (once, naive, honest))
    assert twice < 0.8 * single
    assert clustered == pytest.approx(single, rel=0.15)
