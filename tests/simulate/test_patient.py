from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from bodies import ball_body, watery
from qsmkit.simulate.gre import GreProtocol, gre
from qsmkit.simulate.lesions.placed import draw_lesions, place_lesions
from qsmkit.simulate.lesions.plans import Circumstances, Microbleed
from qsmkit.simulate.patient import Patient, scans
from qsmkit.simulate.scenario import drawn
from qsmkit.simulate.tissue import Label
from qsmkit.units import radians_per_ppm

COARSE = {"voxel_size": [4, 4, 4]}
TREE = {
    "version": 1,
    "name": "ball",
    "subject": {"anatomy": "parametric", "step": 2},
    "lesions": [
        {"kind": "cavernoma", "diameter": 14, "region": "lobar", "history": {"accrual": 0.1}},
        {"kind": "depot", "diameter": 6, "position": [10, -15, 0], "mass": 9, "day": 1, "half_life": 3000},
    ],
    "visits": [
        {"name": "a", "day": 0, "scans": [{"kind": "gre", **COARSE, "echo_times": [0.004]}, {"kind": "T1w", **COARSE}]},
        {"name": "b", "day": 365.25, "gadolinium": 2, "scans": [
            {"kind": "gre", **COARSE, "echo_times": [0.004]},
            {"kind": "gre", **COARSE, "acq": "7T", "field_strength": 7, "echo_times": [0.004],
             "motion": [[1, 0, 0, 9], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}]},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def who():
    body = ball_body()
    scenario, _ = drawn(TREE, 1)
    lesions = place_lesions(dict(zip("AB", scenario.lesions, strict=True)), body, 366, np.random.default_rng(2))
    return Patient(scenario, body, watery(body), lesions, ())


@pytest.fixture(scope="module")
def steps():
    return []


@pytest.fixture(scope="module")
def made(who, steps):
    return list(scans(who, rng=1, progress=lambda *step: steps.append(step)))


def test_every_scan_is_made_in_order_and_announced(made, steps):
    endings = [(a.visit.name, a.name) for a in made]
    assert endings == [("a", "MEGRE"), ("a", "T1w"), ("b", "MEGRE"), ("b", "acq-7T_MEGRE")]
    assert steps == [(i, 4, f"{visit} {name}") for i, (visit, name) in enumerate(endings, 1)]


def test_names_of_images_are_unique_within_a_visit(made):
    for visit in ("a", "b"):
        for kind in ("images", "truth"):
            names = [(i.folder, i.ending) for a in made if a.visit.name == visit for i in getattr(a, kind)]
            assert len(set(names)) == len(names) >= 3


def test_lesions_lie_in_the_scans_labels_where_the_table_says(made):
    for acquired in made:
        if not acquired.tables:
            continue
        labels = next(i for i in acquired.truth if i.ending in ("dseg", "acq-7T_dseg"))
        row = next(r for r in acquired.tables["lesions"] if r["kind"] == "cavernoma")
        index = np.argwhere(np.isin(labels.data, (Label.CAVERNOMA, Label.HAEMOSIDERIN)))
        assert_allclose(labels.grid.world(index).mean(0), (row["x"], row["y"], row["z"]), atol=2.5)
        assert len(index) * labels.grid.voxel_volume == pytest.approx(row["volume"], rel=0.35)
        numbers = next(i for i in acquired.truth if i.ending.endswith("desc-lesions_dseg"))
        assert_array_equal(numbers.data == row["index"], np.isin(labels.data, (Label.CAVERNOMA, Label.HAEMOSIDERIN)))


def test_transforms_carry_the_head_into_each_scan(who, made):
    assert_array_equal(made[0].from_head, np.eye(4))
    for acquired in made[1:]:
        turn = acquired.from_head[:3, :3]
        assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert 0.01 < np.abs(acquired.from_head - np.eye(4)).max() < 20
    small = made[3].from_head @ np.linalg.inv(made[2].from_head)
    assert np.abs(small[:3, :3] - np.eye(3)).max() < 0.03, "little moves within a visit"
    assert small[0, 3] == pytest.approx(9, abs=3), "but for the motion that the scenario asks for"


def test_history_and_circumstances_reach_the_scan(made):
    first, later, seven = (made[i].tables["lesions"] for i in (0, 2, 3))
    assert [r["kind"] for r in first] == ["cavernoma"], "the depot is injected on day 1"
    assert later[0]["chi"] == pytest.approx(1.1 * first[0]["chi"], rel=1e-3)
    assert [r["kind"] for r in later] == ["cavernoma", "depot"]
    assert seven[1]["moment"] == pytest.approx(later[1]["moment"], rel=1e-2)
    assert seven[1]["chi_total"] == pytest.approx(later[1]["chi_total"] * 3 / 7, rel=1e-2)
    assert all(i.sidecar["ContrastBolusIngredient"] == "GADOLINIUM" for i in made[2].images)
    assert "ContrastBolusIngredient" not in made[0].images[0].sidecar


def test_the_patient_itself_is_left_as_it_was(who):
    assert not who.properties.chi.any()
    assert not np.isin(who.body.labels, (Label.CAVERNOMA, Label.DEPOT)).any()


def test_the_same_seed_gives_the_same_scans_and_another_one_others(who, made):
    again, other = (next(iter(scans(who, rng=seed))) for seed in (1, 2))
    assert_array_equal(made[0].images[0].data, again.images[0].data)
    assert (made[0].images[0].data != other.images[0].data).any()


def test_events_are_dated(who):
    events = who.events()
    assert [(e["kind"], e["date"]) for e in events] == [("injection", "2024-01-16"), ("gadolinium", "2025-01-14")]


def test_the_phase_around_a_lesion_is_the_analytic_dipoles():
    radius, chi, time = 5.0, 0.8, 0.005
    body = ball_body(step=1.0, radius=26)
    protocol = GreProtocol(voxel_size=(1.5, 1.5, 1.5), echo_times=(time,), snr=np.inf, shim=False)
    phases = {}
    for factor in (0, 1, 2):
        seen = watery(body)
        if factor:
            plan = Microbleed(kind="microbleed", diameter=2 * radius, position=(1.0, 2.0, -1.0), chi=chi * factor)
            lesions = place_lesions({"A": plan}, body, 0, np.random.default_rng(0))
            drawn_body = replace(body, labels=body.labels.copy())
            draw_lesions(lesions, Circumstances(0, 3.0), drawn_body, seen)
            centre = lesions[0].position
        scan = gre(body, seen, protocol, rng=1)
        phases[factor] = scan.phase[..., 0]
    r = scan.grid.world(np.stack(np.indices(scan.grid.shape), -1)) - centre
    away = np.linalg.norm(r, axis=-1)
    field = chi / 3 * (radius / away) ** 3 * (3 * (r[..., 2] / away) ** 2 - 1)
    once, twice = (np.angle(np.exp(1j * (phases[k] - phases[0]))) for k in (1, 2))
    for near, far in ((2, 5), (4, 7), (6, 12)):
        shell = (away > radius + near) & (away < radius + far)
        expected = radians_per_ppm(3.0, time) * field[shell]
        # The strength of the dipole pattern; the image of a jump rings, as any scanner's does.
        strength = [(phase[shell] @ expected) / (expected @ expected) for phase in (once, twice)]
        assert_allclose(strength, (1, 2), rtol=0.01)
        assert np.abs(once[shell] - expected).max() < 0.04 * radians_per_ppm(3.0, time) * 2 / 3 * chi
