import copy

import numpy as np
import pytest

from qsmkit.errors import ScenarioError
from qsmkit.simulate.lesions.plans import Cavernoma, Microbleed
from qsmkit.simulate.scenario import drawn, names, shipped

GRE = {"kind": "gre"}
GOOD = {
    "version": 1,
    "name": "good",
    "subject": {"age": 50, "sex": "F"},
    "lesions": [
        {"kind": "cavernoma", "diameter": 12, "region": "lobar"},
        {"kind": "microbleed", "count": 3, "diameter": 4, "region": "deep"},
    ],
    "leads": [{"model": "Medtronic 3389", "side": "left", "nucleus": "STN", "day": 30}],
    "visits": [
        {"name": "a", "day": 0, "scans": [GRE, {"kind": "T1w"}]},
        {"name": "b", "day": 31, "scans": [{"kind": "ct"}]},
    ],
}


def changed(path, value):
    tree = copy.deepcopy(GOOD)
    *way, last = path
    place = tree
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return tree


def test_a_scenario_becomes_a_patient():
    made, values = drawn(GOOD, 1)
    assert [type(x) for x in made.lesions] == [Cavernoma, *[Microbleed] * 3]
    assert [x.label for x in made.leads] == ["STN_L"]
    assert made.when(31).isoformat() == "2024-02-15T09:00:00"
    assert len(values["lesions"]) == 4
    assert drawn(values, 5)[0] == made, "drawn values are a scenario without chance"


def test_follow_up_ends_when_asked():
    assert [v.name for v in drawn(shipped("ccm"), 1, years=1)[0].visits] == ["m00", "m12"]
    assert len(drawn(shipped("ccm"), 1, years=2)[0].visits) == 3


@pytest.mark.parametrize("name", names())
def test_every_shipped_scenario_holds_for_many_patients(name):
    tree = shipped(name)
    assert tree["name"] == name
    made = [drawn(tree, seed)[0] for seed in range(25)]
    assert len({m.subject.age for m in made}) > 20
    assert all(m.subject.anatomy == "template" for m in made)
    assert len({m.visits for m in made}) == 1 or name in ("ccm", "gadolinium")


def test_the_cohort_of_malformations_is_like_the_published_one():
    """Zeineddine 2018: +7.93 % a patient-year, 31 % with an event, 62 % of patients with 6 % or more in an epoch."""
    made = [drawn(shipped("ccm"), seed)[0] for seed in range(300)]
    days = np.array([[v.day for v in m.visits] for m in made])
    chi = np.array([[m.lesions[0].history.chi(d) for d in row] for m, row in zip(made, days, strict=True)])
    change = chi[:, 1:] / chi[:, :-1] - 1
    assert change.sum() / (np.diff(days).sum() / 365.25) == pytest.approx(0.0793, abs=0.015)
    assert np.mean([bool(m.lesions[0].history.events) for m in made]) == pytest.approx(0.31, abs=0.1)
    assert (change >= 0.06).any(1).mean() == pytest.approx(0.6, abs=0.1)


def test_scenarios_are_for_the_targets_in_their_names():
    assert names() == ["ccm", "dbs-gpi", "dbs-stn", "gadolinium", "microbleeds", "nanodrug"]
    for name, nucleus in (("dbs-gpi", "GPi"), ("dbs-stn", "STN")):
        leads = drawn(shipped(name), 1)[0].leads
        assert {(x.nucleus, x.side) for x in leads} == {(nucleus, "left"), (nucleus, "right")}


def test_a_lesion_more_leaves_the_others_and_the_subject():
    tree = copy.deepcopy(shipped("microbleeds"))
    before = drawn(tree, 3)[0]
    tree["lesions"].append({"kind": "microbleed", "diameter": 3, "region": "lobar"})
    after = drawn(tree, 3)[0]
    assert after.subject == before.subject
    assert after.lesions[:-1] == before.lesions


@pytest.mark.parametrize(("tree", "message"), [
    ([], "a scenario is an object of keys, not list"),
    (changed(["version"], None), r"^version is missing; it reads version 1"),
    (changed(["version"], 2), r"^version = 2 is not known to this qsmkit; it reads version 1"),
    (changed(["name"], None), r"^name is missing"),
    (changed(["vists"], []), r"^vists is unknown; did you mean 'visits'\?"),
    (changed(["start"], "11.3.2024"), r"^start = '11.3.2024' is no date"),
    (changed(["lesions", 1, "count"], 300), r"^301 lesions are more than 255"),
    (changed(["start"], "9999-01-01"), r"^start = '9999-01-01' is out of range"),
    (changed(["lesions", 0, "name"], "L03"), r"^two of lesions are named 'L03'"),
    (changed(["lesions", 0, "kind"], []), r"^lesions\[0\].kind = \[\] is unknown"),
    (changed(["subject", "age"], float("nan")), r"^subject.age = nan is out of range"),
    (changed(["subject", "age"], 12), r"^subject.age = 12 is out of range; it must be at least 18"),
    (changed(["subject", "age"], "old"), r"^subject.age = 'old' is not a number"),
    (changed(["subject", "disease"], "parkinsons"), r"^subject.disease = 'parkinsons' is not one of healthy"),
    (changed(["subject", "anatomy"], "photo"), r"^subject.anatomy = 'photo' is not one of template, parametric"),
    (changed(["lesions", 0, "diameter"], -3), r"^lesions\[0\].diameter = -3 is out of range; it must be at least 3"),
    (changed(["lesions", 1, "diameter"], -3), r"^lesions\[1\].diameter = -3 is out of range"),
    (changed(["lesions", 0, "kind"], "cavernom"), r"^lesions\[0\].kind = 'cavernom' is unknown; did you mean"),
    (changed(["lesions", 0, "region"], "left"), r"^lesions\[0\].region = 'left' is not one of lobar"),
    (changed(["lesions", 0, "region"], None), r"^lesions\[0\]: give either region or position, not neither"),
    (changed(["lesions", 0, "position"], [1, 2, 3]), r"^lesions\[0\]: give either region or position, not both"),
    (changed(["lesions", 0, "history"], {"events": [{"kind": "haemorrhage", "day": 9, "chi": 1},
                                                    {"kind": "growth", "day": 3, "volume": 1}]}),
     r"^lesions\[0\].history: events are on days \[9.0, 3.0\], out of order"),
    (changed(["leads", 0, "model"], "Medtronic 9999"), r"^leads\[0\]: .*Medtronic 9999"),
    (changed(["leads", 0, "nucleus"], "STM"), r"^leads\[0\].nucleus = 'STM' is not one of STN, GPi"),
    (changed(["leads", 0, "target"], [12, -2, -4]), r"^leads\[0\]: give either nucleus, or target and entry"),
    (changed(["leads", 0, "day"], -5), r"^visits\[0\].scans\[0\] is an MRI after an implantation on day -5"),
    (changed(["leads"], [GOOD["leads"][0]] * 2), r"^two of leads are named 'STN_L'"),
    (changed(["visits"], []), r"^visits is empty"),
    (changed(["visits", 0, "day"], 4), r"^visits\[0\].day = 4 is not 0"),
    (changed(["visits", 1, "day"], -4), r"^visits\[1\].day = -4 is out of range"),
    (changed(["visits"], [GOOD["visits"][0], {**GOOD["visits"][1], "day": 50}, {**GOOD["visits"][1], "name": "c"}]),
     r"^visits\[2\].day = 31 precedes day 50 of the visit before it"),
    (changed(["visits", 1, "name"], "a"), r"^two of visits are named 'a'"),
    (changed(["visits", 1, "name"], "a b"), r"^visits\[1\]: name = 'a b' is no session label"),
    (changed(["visits", 0, "scans"], []), r"^visits\[0\]: scans is empty"),
    (changed(["visits", 0, "scans"], [GRE, GRE]), r"^visits\[0\]: two scans are called 'MEGRE'"),
    (changed(["visits", 0, "scans", 0, "acq"], "a-b"), r"^visits\[0\].scans\[0\]: acq = 'a-b' is no label"),
    (changed(["visits", 0, "scans", 0, "echo_times"], []), r"^visits\[0\].scans\[0\]: echo times \[\] s are not"),
    (changed(["visits", 0, "scans", 0, "echo_times"], [4, 12]), r"^visits\[0\].scans\[0\]: echo times .* give s"),
    (changed(["visits", 0, "scans", 0, "voxel_size"], [1, 1, 0]), r"^visits\[0\].scans\[0\]: voxel_size = "),
    (changed(["visits", 0, "scans", 0, "coils"], 8), r"^visits\[0\].scans\[0\]: coils = 8: .* combined"),
    (changed(["visits", 0, "scans", 1, "snr"], -1.0), r"^visits\[0\].scans\[1\]: snr = -1.0 is out of range"),
    (changed(["visits", 1, "scans", 0, "gantry_tilt"], 80), r"^visits\[1\].scans\[0\]: gantry_tilt = 80.0 of a CT is"),
], ids=lambda v: v if isinstance(v, str) else "")  # fmt: skip
def test_a_hostile_scenario_gets_one_clear_line(tree, message):
    with pytest.raises(ScenarioError, match=message) as caught:
        drawn(tree, 1)
    assert "\n" not in str(caught.value)


def test_no_scenario_of_that_name():
    with pytest.raises(ScenarioError, match=r"no scenario is called 'dbs'; there are ccm, dbs-gpi"):
        shipped("dbs")
