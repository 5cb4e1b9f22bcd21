"""Contacts among nuclei: inside, near, unsure."""

import numpy as np
import pytest

from qsmkit.clinical.leads.located import LocatedContact, LocatedLead
from qsmkit.clinical.target.contacts import places
from qsmkit.clinical.target.structure import structure
from qsmkit.grid import Grid
from qsmkit.leads.lead import LeadPlan, lead
from qsmkit.volume import Volume

GRID = Grid((60, 60, 60), np.array([[1.0, 0, 0, -30], [0, 1, 0, -30], [0, 0, 1, -30], [0, 0, 0, 1]]))


def ball(middle, radius):
    places = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
    return np.linalg.norm(places - middle, axis=-1) < radius


def located(positions, sd):
    body = lead(LeadPlan("lead_R", "Medtronic 3387", "right", (10, 0, -5), (12, 20, 60)))
    contacts = tuple(
        LocatedContact(i, 0, str(i + 1), np.array(p, float), sd**2 * np.eye(3)) for i, p in enumerate(positions)
    )
    model = "Medtronic 3387"
    return LocatedLead("lead_R", "right", body, contacts, model, (model,), {}, None, False, 1.0, False)


@pytest.fixture(scope="module")
def nuclei():
    balls = {"gpi": ball((10, 0, 0), 4), "gpe": ball((18, 0, 0), 4)}
    shapes = [structure(name, inside, GRID) for name, inside in balls.items()]
    maps = {name: Volume(inside.astype(np.float32), GRID, "1") for name, inside in balls.items()}
    return {"right": shapes, "left": []}, {"right": maps, "left": {}}


def test_a_contact_in_the_middle_is_inside_and_one_beyond_is_not(nuclei):
    middle, border, beyond = places([located([(10, 0, 0), (14, 0, 0), (10, 0, 12)], 0.3)], *nuclei)
    assert middle.inside == "gpi"
    assert middle.chances["gpi"] > 0.99
    assert middle.distances["gpi"].value == pytest.approx(-4, abs=0.8)
    assert 0.05 < border.chances.get("gpi", 0) < 0.95
    assert border.distances["gpi"].low < 0 < border.distances["gpi"].high
    assert beyond.inside == ""
    assert beyond.distances["gpi"].value == pytest.approx(8, abs=0.8)
    assert beyond.nearest == "gpi"
    assert middle.deviation == pytest.approx(0.3)


def test_the_less_sure_a_contact_the_wider_the_interval(nuclei):
    sure, unsure = (places([located([(12.5, 0, 0)], sd)], *nuclei)[0] for sd in (0.2, 1.5))
    assert unsure.chances["gpi"] < sure.chances["gpi"]
    wide = [m.distances["gpi"].high - m.distances["gpi"].low for m in (sure, unsure)]
    assert wide[1] > 3 * wide[0]
    again = places([located([(12.5, 0, 0)], 1.5)], *nuclei)[0]
    assert again.chances == unsure.chances


def test_a_small_chance_is_a_chance(nuclei):
    (one,) = places([located([(15.5, 0, 0)], 0.7)], *nuclei)
    assert 0 < one.chances["gpi"] < 0.05


def test_a_nucleus_that_is_nowhere_likelier_than_not_has_a_surface():
    inside = ball((10, 0, 0), 4)
    faint = structure("snc", inside, GRID, Volume(np.where(inside, 0.45, 0).astype(np.float32), GRID, "1"))
    (one,) = places([located([(10, 0, 8)], 0.3)], {"right": [faint]}, {"right": {}})
    assert one.distances["snc"].value == pytest.approx(4, abs=0.8)
