import numpy as np
import pytest

from bodies import ball_body
from qsmkit.errors import ParameterError, ScenarioError
from qsmkit.simulate.bearings import Bearings
from qsmkit.simulate.implants import Implant, implant

STRAIGHT = {"model": "Medtronic 3389", "side": "left", "target": (12, -2, -4), "entry": (33, 22, 36)}


def lead(**changes):
    return Implant(**STRAIGHT | changes)


@pytest.fixture(scope="module")
def body():
    return ball_body(step=3.0)


def implanted(body, *leads):
    return implant(leads, body, np.random.default_rng(0))


def test_a_lead_lies_where_it_was_planned_on_its_side(body):
    bearings = Bearings.of(body.landmarks)
    axes = np.stack([bearings.right, bearings.anterior, bearings.superior])
    left, right = implanted(body, lead(), lead(side="right"))
    assert (left.actual.name, right.actual.name) == ("lead_L", "lead_R")
    np.testing.assert_allclose(axes @ (left.planned.target - bearings.origin), (-12, -2, -4), atol=1e-9)
    np.testing.assert_allclose(axes @ (right.planned.target - bearings.origin), (12, -2, -4), atol=1e-9)
    assert left.actual.target == left.planned.target


def test_the_operation_misses_the_plan_as_asked(body):
    (one,) = implanted(body, lead(deviation=(1.0, 0.0, -0.5), sag=1.2, rotation=40))
    miss = np.subtract(one.actual.target, one.planned.target)
    assert np.linalg.norm(miss) == pytest.approx(np.hypot(1, 0.5))
    assert miss @ Bearings.of(body.landmarks).right == pytest.approx(-1), "lateral is to the left on the left"
    assert one.actual.entry == one.planned.entry
    assert (one.planned.sag, one.actual.sag, one.actual.rotation) == (0, 1.2, 40)


@pytest.mark.parametrize(("leads", "message"), [
    ([lead(), lead(side="right", target=(70, 0, 0))], r"^leads\[1\]: lead 'lead_R': target .* outside the brain"),
    ([lead(entry=(13, 12, 22))], r"^leads\[0\]: lead 'lead_L': entry"),
    ([lead(target=(12, -2, 14), entry=(14, 0, 22))], r"^leads\[0\]: lead 'lead_L': entry and target are .* apart"),
    ([lead(), lead(name="again")], r"^leads: leads 'lead_L' and 'again' cross"),
    ([lead(target=None, entry=None, nucleus="STN")], r"^leads\[0\]: nucleus 'STN_L' is not a target of this body"),
])  # fmt: skip
def test_a_lead_that_cannot_be_is_named(body, leads, message):
    with pytest.raises(ScenarioError, match=message):
        implanted(body, *leads)


def test_contradictions_are_named():
    with pytest.raises(ParameterError, match="give nucleus, or both target and entry"):
        lead(entry=None)
