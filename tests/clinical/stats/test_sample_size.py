"""Trial sizes against published worked examples, and against the trials' simulated power."""

import numpy as np
import pytest

from qsmkit.clinical.stats.sample_size import Design, binary, continuous, icc_width, limits_width, rate
from qsmkit.clinical.stats.trial_power import binary_power
from qsmkit.errors import ParameterError


@pytest.mark.parametrize(("m", "n"), [(4, 31), (10, 28), (1, 48)])
def test_continuous_repeats_the_worked_example(m, n):
    # σ² = 76, ρ = 0.53, δ = 5, α = 0.05, power 0.8: the example's 31, 28 and 48 patients an arm
    assert continuous(5, 76**0.5, Design(0.05, 0.8, m, 0.53)).n1 == n


@pytest.mark.parametrize(("rho", "clinical", "biomarker"), [(0, 63, 22), (0.3, 82, 28), (0.5, 94, 32), (1, 126, 43)])
def test_correlation_matters_as_tabulated(rho, clinical, biomarker):
    design = Design(0.1, 0.9, 2, rho)
    assert binary(0.31, 0.155, design).n1 == clinical
    assert binary(0.62, 0.31, design).n1 == biomarker


@pytest.mark.parametrize(("m", "clinical", "biomarker"), [(1, 126, 43), (3, 109, 37), (4, 107, 37)])
def test_further_assessments_hardly_help(m, clinical, biomarker):
    design = Design(0.1, 0.9, m, 0.8)
    assert (binary(0.31, 0.155, design).n1, binary(0.62, 0.31, design).n1) == (clinical, biomarker)


def test_one_sided_needs_fewer():
    assert binary(0.31, 0.248, Design(0.1, 0.9, 2, 0.8, two_sided=False)).n1 == 618


def test_the_t_correction_gives_small_arms_their_power():
    plain = continuous(30, 36.27, Design(0.05, 0.8, 2, 0.8))
    corrected = continuous(30, 36.27, Design(0.05, 0.8, 2, 0.8), t_correction=True)
    assert plain.n1 == 21
    assert corrected.n1 in (22, 23)
    assert corrected.raw == plain.raw


def test_dropout_enlarges_and_unequal_arms_cost():
    equal = binary(0.31, 0.155, Design(0.1, 0.9, 2, 0.8, dropout=0.2))
    assert (equal.n1, equal.enrol1, equal.enrolled) == (113, 142, 284)
    uneven = binary(0.31, 0.155, Design(0.1, 0.9, 2, 0.8, ratio=2))
    assert uneven.n2 == pytest.approx(2 * uneven.n1, abs=1)
    assert uneven.total > equal.total


def test_overdispersion_costs_patients():
    design = Design(0.1, 0.9, 2, 0.8)
    assert rate(0.5, 0.25, design, dispersion=1).n1 > rate(0.5, 0.25, design).n1
    assert rate(0.5, 0.25, design, years=2).n1 < rate(0.5, 0.25, design).n1


@pytest.mark.parametrize("test", ["gee_logit", "wald"])
@pytest.mark.parametrize(("p1", "p2"), [(0.31, 0.155), (0.62, 0.31), (5 / 22, 5 / 44), (0.62, 0.496)])
def test_simulated_power_is_what_the_formula_promised(p1, p2, test):
    design = Design(0.1, 0.9, 2, 0.8)
    n = binary(p1, p2, design).n1
    found = binary_power(p1, p2, n, n, design, test=test, repeats=20_000, rng=20260731)
    assert 0.885 < found.value < 0.92
    assert 0.09 < binary_power(p1, p1, n, n, design, test=test, repeats=20_000, rng=7).value < 0.12


def test_simulated_assessments_have_the_asked_mean_and_correlation():
    from qsmkit.clinical.stats.trial_power import _arm

    mean, variance = _arm(0.3, 4000, Design(m=3, rho=0.6), 50, np.random.default_rng(1))
    assert mean.mean() == pytest.approx(0.3, abs=0.005)
    assert (variance * 4000).mean() == pytest.approx(0.3 * 0.7 * (1 + 2 * 0.6) / 3, rel=0.02)


def test_the_closed_form_is_the_gee_of_a_statistics_library():
    import statsmodels.api as sm

    rng = np.random.default_rng(3)
    n, m, rho = 60, 2, 0.8
    rows, counts = [], []
    for arm, p in enumerate((0.5, 0.3)):
        own = rng.random(n) < p
        positive = np.where(rng.random((n, m)) < rho**0.5, own[:, None], rng.random((n, m)) < p)
        counts.append(positive.mean(1))
        rows += [(arm * n + i, arm, float(y)) for i in range(n) for y in positive[i]]
    group, arm, y = (np.array(c) for c in zip(*rows, strict=True))
    model = sm.GEE(y, sm.add_constant(arm), group, family=sm.families.Binomial(),
                   cov_struct=sm.cov_struct.Exchangeable())  # fmt: skip
    fit = model.fit()
    p, v = [c.mean() for c in counts], [((c - c.mean()) ** 2).mean() / n for c in counts]
    beta = np.log(p[1] / (1 - p[1])) - np.log(p[0] / (1 - p[0]))
    error = np.sqrt(sum(v[i] / (p[i] * (1 - p[i])) ** 2 for i in (0, 1)))
    assert fit.params[1] == pytest.approx(beta, abs=1e-6)
    assert fit.bse[1] == pytest.approx(error, rel=1e-6)


def test_agreement_studies_shrink_with_the_width_asked_for():
    assert icc_width(0.6, 0.3) > icc_width(0.6, 0.4)
    assert icc_width(0.9, 0.2) == int(np.ceil(8 * 1.959964**2 * 0.01 * 1.9**2 / (2 * 0.04) + 1 + 4.5))
    n = limits_width(1.9, 1.5)
    approximate = 4 * 1.96**2 * 1.9**2 * (1 + 1.96**2 / 2) / 1.5**2
    assert n == pytest.approx(approximate, rel=0.08)


@pytest.mark.parametrize(
    "call",
    [
        lambda: Design(alpha=0), lambda: Design(power=1), lambda: Design(m=0), lambda: Design(rho=1.2),
        lambda: Design(m=3, rho=-0.6), lambda: Design(m=2, rho=-1), lambda: icc_width(-0.9, 0.2, methods=4),
        lambda: limits_width(1, 0.5, confidence=95), lambda: Design(ratio=0), lambda: Design(dropout=1),
        lambda: continuous(0, 1, Design()), lambda: continuous(1, 0, Design()), lambda: binary(0.3, 0.3, Design()),
        lambda: binary(0, 0.3, Design()),
        lambda: binary(0.31, 0.3099999, Design()), lambda: rate(1, 1, Design()), lambda: rate(1, 2, Design(), years=0),
        lambda: icc_width(1, 0.1), lambda: limits_width(0, 1), lambda: binary_power(0.3, 0.2, 1, 5, Design()),
        lambda: binary_power(0.3, 0.2, 5, 5, Design(rho=-0.2)),
    ],
)  # fmt: skip
def test_impossible_designs_are_refused(call):
    with pytest.raises(ParameterError):
        call()
