from dataclasses import replace

import numpy as np
import pytest

from qsmkit.physics import magnetism
from qsmkit.simulate.lesions import material
from qsmkit.simulate.lesions.contrast import add_contrast
from qsmkit.simulate.lesions.history import Event, History
from qsmkit.simulate.lesions.placed import draw_lesions, lesion_events, place_lesions
from qsmkit.simulate.lesions.plans import (
    Calcification,
    Cavernoma,
    Circumstances,
    Depot,
    Enhancing,
    Haematoma,
    Microbleed,
    RimLesion,
)
from qsmkit.simulate.tissue import Label

MIDDLE = (20.0, 5.0, 10.0)


def seen(plan, body, properties, day=0.0, b0=3.0, gadolinium=0.0, seed=3):
    lesions = place_lesions({"L01": plan}, body, 800, np.random.default_rng(seed))
    rows, indices = draw_lesions(lesions, Circumstances(day, b0, gadolinium), body, properties)
    assert indices.max() == len(rows)
    return rows[0] if rows else None


def fresh(properties):
    return type(properties)(**{k: v.copy() for k, v in vars(properties).items()})


@pytest.mark.parametrize("plan", [
    Cavernoma(kind="cavernoma", diameter=14, position=MIDDLE),
    Microbleed(kind="microbleed", diameter=4, position=MIDDLE),
    Haematoma(kind="haematoma", diameter=20, position=MIDDLE, day=0),
    Enhancing(kind="enhancing", diameter=18, position=MIDDLE),
    RimLesion(kind="rim_lesion", diameter=10, position=MIDDLE),
    Calcification(kind="calcification", diameter=5, position=MIDDLE),
    Depot(kind="depot", diameter=5, mass=10, position=MIDDLE, day=-2),
], ids=lambda p: p.kind)  # fmt: skip
def test_every_kind_is_drawn_where_and_as_large_as_asked(plan, body, properties):
    row = seen(plan, body, properties)
    assert (row.name, row.kind) == ("L01", plan.kind)
    np.testing.assert_allclose((row.x, row.y, row.z), MIDDLE, atol=1e-9)
    assert row.volume == pytest.approx(np.pi / 6 * plan.diameter**3, rel=0.02)
    excess = (properties.chi.sum(dtype=float)) * body.grid.voxel_volume
    assert excess == pytest.approx(row.chi_total, rel=1e-3, abs=0.01)
    assert np.sign(row.chi) == (-1 if plan.kind == "calcification" else 1)
    assert all(np.isfinite(v).all() and v.dtype == np.float32 for v in vars(properties).values())


def test_mean_susceptibility_of_a_cavernoma_accrues_as_its_history_says(body, properties):
    plan = Cavernoma(kind="cavernoma", diameter=14, position=MIDDLE, history=History(accrual=0.0793))
    first, second = (seen(plan, body, fresh(properties), day) for day in (0, 365.25))
    assert second.chi / first.chi == pytest.approx(1.0793, rel=1e-6)
    assert second.volume == first.volume
    assert 0.2 < first.chi < 0.6


def test_a_haemorrhage_makes_a_cavernoma_larger_and_more_paramagnetic(body, properties):
    bleed = Event(kind="haemorrhage", day=200, chi=0.5, volume=0.8)
    plan = Cavernoma(kind="cavernoma", diameter=14, position=MIDDLE, history=History(events=(bleed,)))
    before, after, later = (seen(plan, body, fresh(properties), day) for day in (0, 210, 700))
    assert after.volume / before.volume == pytest.approx(1 + 0.8 * bleed.left(210), rel=0.02)
    assert before.chi < later.chi < after.chi
    lesions = place_lesions({"L01": plan}, body, 800, np.random.default_rng(0))
    assert [(e.day, e.kind, e.lesion) for e in lesion_events(lesions)] == [(200, "haemorrhage", "L01")]


def test_the_blood_of_a_haematoma_ages(body, properties):
    plan = Haematoma(kind="haematoma", diameter=24, position=MIDDLE, day=0)
    chi = {day: seen(plan, body, fresh(properties), day).chi for day in (0, 2, 7)}
    assert chi[0] < 0.2 < chi[7] < chi[2]
    t1 = [material.haematoma(day)[0].t1 for day in (0.2, 5, 12, 90)]
    assert t1[0] > t1[1] > t1[2] < t1[3]
    assert seen(Haematoma(kind="haematoma", diameter=24, position=MIDDLE, day=3), body, properties, 1) is None


def test_iron_oxide_is_saturated_and_gadolinium_is_not(body, properties):
    # 1 µg of iron at 110 A·m²/kg is 1.1e-7 A·m², 46.1 ppm·mm³ at 3 T.
    moment = material.iron_oxide_moment(1.0, 110.0)
    assert moment == pytest.approx(1.1e-7)
    assert magnetism.total_susceptibility(moment, 3.0) == pytest.approx(46.1, rel=1e-3)
    assert magnetism.moment(46.1, 3.0) == pytest.approx(moment, rel=1e-3)
    plan = Depot(kind="depot", diameter=6, mass=20, position=MIDDLE, day=-1)
    at = {b0: seen(plan, body, fresh(properties), b0=b0) for b0 in (1.5, 3.0)}
    assert at[1.5].chi_total == pytest.approx(2 * at[3.0].chi_total, rel=1e-4)
    assert at[1.5].moment == pytest.approx(at[3.0].moment, rel=1e-4)
    assert at[3.0].moment == pytest.approx(material.iron_oxide_moment(at[3.0].iron, 110), rel=0.01)
    assert at[3.0].iron == pytest.approx(20 * (1 - 0.5**2) * 0.5 ** (1 / 14))
    leaky = Enhancing(kind="enhancing", diameter=12, position=MIDDLE)
    given = {b0: seen(leaky, body, fresh(properties), b0=b0, gadolinium=2).chi for b0 in (1.5, 3.0)}
    assert given[1.5] == given[3.0]


def test_gadolinium_follows_curies_law():
    assert material.gadolinium_susceptibility(1.0) == pytest.approx(0.3192, rel=1e-4)
    assert material.gadolinium_susceptibility(1.0, 293.15) == pytest.approx(0.3377, rel=1e-3)
    plain = material.of_chi(0.0, r2=10, t1=1.0, density=1)
    filled = material.enhanced(plain, 2.0)
    assert (filled.chi_positive, filled.t1) == (pytest.approx(0.6384, rel=1e-4), pytest.approx(0.1))


def test_contrast_fills_veins_in_proportion_to_their_share(body, properties):
    body.labels[...] = Label.WHITE_MATTER
    body.labels[20, 20, 20] = Label.VEIN
    veins = np.zeros(body.grid.shape, np.float32)
    veins[30, 30, 30] = 0.25
    add_contrast(replace(body, veins=veins), properties, 4.0)
    assert properties.chi_positive[20, 20, 20] == pytest.approx(4 * 0.3192, rel=1e-4)
    assert properties.chi_positive[30, 30, 30] == pytest.approx(0.3192, rel=1e-4)
    assert properties.t1[20, 20, 20] < 0.06
    assert np.count_nonzero(properties.chi_positive) == 2
