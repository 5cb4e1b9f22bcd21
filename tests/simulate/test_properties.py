import numpy as np
import pytest

from qsmkit.errors import ParameterError
from qsmkit.grid import Grid
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.simulate.body import Body
from qsmkit.simulate.iron import CURVES, iron
from qsmkit.simulate.properties import SOURCES, of_person, properties
from qsmkit.simulate.tissue import Label

GRID = Grid.tilted((10, 10, len(SOURCES)))


def body(texture=0.0, veins=None):
    """Return a slice of every tissue."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[:] = np.array(list(SOURCES), np.uint8)
    noise = np.random.default_rng(0).standard_normal(GRID.shape).astype(np.float32)
    return Body(GRID, labels, labels > 0, texture * noise, {}, veins)


IN_VIVO = {  # lowest and highest χ, ppm, as radiologists know them (dbs reference, section 6)
    Label.GPI: (0.100, 0.150), Label.GPE: (0.130, 0.190), Label.STN: (0.080, 0.130), Label.SNR: (0.100, 0.160),
    Label.SNC: (0.100, 0.160), Label.RED_NUCLEUS: (0.080, 0.130), Label.PUTAMEN: (0.030, 0.070),
    Label.CAUDATE: (0.030, 0.060), Label.DENTATE: (0.080, 0.130), Label.THALAMUS: (-0.010, 0.020),
    Label.INTERNAL_CAPSULE: (-0.050, -0.020), Label.GREY_MATTER: (0.0, 0.030),
}
R2STAR = {  # 1/s at 3 T, of the same table
    Label.GPE: (38, 50), Label.GPI: (38, 50), Label.SNR: (33, 42), Label.STN: (32, 40), Label.RED_NUCLEUS: (28, 36),
    Label.PUTAMEN: (22, 30), Label.CAUDATE: (19, 24), Label.DENTATE: (28, 36), Label.THALAMUS: (19, 22),
    Label.WHITE_MATTER: (19, 23), Label.GREY_MATTER: (14, 18), Label.CSF: (0, 5),
}


def test_susceptibility_and_decay_are_those_seen_in_vivo():
    for label, (low, high) in IN_VIVO.items():
        assert low <= SOURCES[label].chi_positive + SOURCES[label].chi_negative <= high, label.name
    p = properties(body(), age=50)
    rate = dict(zip(SOURCES, (p.r2 + p.r2prime)[0, 0], strict=True))
    for label, (low, high) in R2STAR.items():
        assert 0.85 * low <= rate[label] <= 1.15 * high, label.name


def test_reversible_decay_follows_from_the_sources_at_every_sample():
    p = properties(body(texture=1.0))
    brain = np.array([s.r2prime is None for s in SOURCES.values()])
    np.testing.assert_allclose(
        p.r2prime[..., brain], RELAXIVITY * (p.chi_positive - p.chi_negative)[..., brain], rtol=1e-4)
    assert p.chi_positive.min() >= 0
    assert p.chi_negative.max() <= 0
    assert all(v.dtype == np.float32 for v in (p.chi, p.r2, p.r2prime, p.t1, p.density))


def test_texture_is_uneven_tissue_and_even_csf():
    p, labels = properties(body(texture=1.0)), list(SOURCES)
    assert p.chi_positive[..., labels.index(Label.GPI)].std() > 0.01
    assert p.chi[..., labels.index(Label.CSF)].std() < 1e-8


def test_iron_rises_with_age_except_in_the_old_thalamus():
    for label in CURVES:
        ages = [iron(label, age) for age in (0, 5, 20, 35)]
        assert ages == sorted(ages)
        assert (iron(label, 80) > iron(label, 40)) == (label != Label.THALAMUS)
    assert iron(Label.GPE, 90) == pytest.approx(21.8, abs=0.1)
    young, old = (of_person(age, "healthy", np.random.default_rng(2)) for age in (20, 80))
    assert old[Label.PUTAMEN].chi_positive > 1.4 * young[Label.PUTAMEN].chi_positive
    assert old[Label.WHITE_MATTER] == young[Label.WHITE_MATTER]


def test_parkinson_adds_iron_to_the_nigra_alone():
    well, ill = (of_person(60, d, np.random.default_rng(5)) for d in ("healthy", "parkinson"))
    changed = {label for label in SOURCES if well[label] != ill[label]}
    assert changed == {Label.SNC, Label.SNR}
    excess = [ill[label].chi_positive - well[label].chi_positive for label in changed]
    assert 0.015 < min(excess) < max(excess) < 0.06


def test_people_of_an_age_differ():
    a, b = (of_person(60, "healthy", np.random.default_rng(seed)) for seed in (1, 2))
    assert a[Label.GPI].chi_positive != b[Label.GPI].chi_positive


def test_thin_veins_are_mixed_in_by_their_share():
    share = np.full(GRID.shape, 0.25, np.float32)
    plain, mixed = properties(body()), properties(body(veins=share))
    blood = plain.chi[0, 0, list(SOURCES).index(Label.VEIN)]
    np.testing.assert_allclose(mixed.chi, plain.chi + 0.25 * (blood - plain.chi), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("settings", "message"), [
    ({"age": -3}, "age = -3"), ({"disease": "flu"}, "'flu' is unknown"),
])
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        properties(body(), **settings)


def test_a_label_without_properties_is_named():
    strange = body()
    strange.labels[0, 0, 0] = Label.DEPOT
    with pytest.raises(ParameterError, match=r"labels \[32\]"):
        properties(strange)
