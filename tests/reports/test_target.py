"""The targeting page: leads, contacts and failures, all of them shown."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qsmkit.clinical.leads.located import LocatedContact, LocatedLead
from qsmkit.clinical.registration.gates import Gate
from qsmkit.clinical.target.acpc import Commissures
from qsmkit.clinical.target.contacts import places
from qsmkit.clinical.target.errors import placement
from qsmkit.clinical.target.structure import structure
from qsmkit.grid import Grid
from qsmkit.leads.lead import LeadPlan, lead
from qsmkit.pipeline.branches import Branch
from qsmkit.pipeline.target_found import LeadErrors, PlannedLead, TargetReport
from qsmkit.reports import target as page
from qsmkit.volume import Volume

GRID = Grid((50, 50, 50), np.array([[1.0, 0, 0, -25], [0, 1, 0, -25], [0, 0, 1, -25], [0, 0, 0, 1]]))
MODEL = "Medtronic 3387"


@pytest.fixture
def found(monkeypatch):
    """A right lead in a pallidum of one ball; the fusion's gate failed for the left."""
    at = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
    ball = np.linalg.norm(at - (12, 0, -2), axis=-1) < 5
    nuclei = SimpleNamespace(
        labels=Volume((18 * ball).astype(np.int16), GRID), table=(), commissures=Commissures(
            np.array([0.0, 12, 0]), np.array([0.0, -12, 0]), np.array([0.0, 0, 50])),
        mask=lambda name, side: ball if (name, side) == ("gpi", "R") else np.zeros_like(ball),
    )  # fmt: skip
    body = lead(LeadPlan("lead_R", MODEL, "right", (12, -1, -5), (30, 30, 55)))
    contacts = tuple(LocatedContact(c.level, 0, c.name, c.centre, 0.04 * np.eye(3)) for c in body.contacts)
    one = LocatedLead("lead_R", "right", body, contacts, MODEL, (MODEL,), {MODEL: 1.0}, None, False, 1.0, False)
    case = SimpleNamespace(participant="sub-01", root=Path(), images=dict)
    made = TargetReport(case, "GPi", nuclei=nuclei, leads=(one,), verdict="FAIL")
    made.images = {"χ": Volume(np.where(ball, 0.12, 0.0).astype(np.float32), GRID, "ppm")}
    chance = Volume(ball.astype(np.float32), GRID, "1")
    made.contacts = places([one], {"right": [structure("gpi", ball, GRID)]}, {"right": {"gpi": chance}})
    plan = PlannedLead("GPi_R", "right", np.array([12.0, 0, -5]), np.array([30.0, 30, 55]))
    tip = body.curve.at(0.0)
    made.errors = [LeadErrors(plan, one, placement(plan.target, plan.entry, tip), plan.target, tip)]
    made.branches = [
        Branch("leads", "PASS", "1 lead"),
        Branch("fusion", "FAIL", "tried", (Gate("consistency", 2.5, "mm", "FAIL", "runs end apart"),)),
        Branch("errors", "NOT DONE", "not done: it needs fusion"),
    ]  # fmt: skip
    monkeypatch.setattr(page, "write_nuclei", lambda *_args, **_settings: None)
    return made


def test_the_page_shows_contacts_views_scene_and_what_failed(found, tmp_path):
    path = page.write_target_report(found, tmp_path)
    text = path.read_text()
    assert "fusion failed" in text
    assert "runs end apart" in text
    assert "2.5 mm" in text
    assert "it needs fusion" in text
    assert 'class="scene-data"' in text
    assert text.count("data:image/png") == 2
    assert "http://" not in text.replace("http://www.w3.org", "")
    rows = (tmp_path / "contacts.csv").read_text().splitlines()
    assert len(rows) == 5
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["Contacts"][0]["inside"] == "gpi"
    assert content["Contacts"][0]["target_distance_low"] < 0
    assert content["Errors"][0]["euclidean"] == pytest.approx(1.0)
    assert "Contacts in the GPi, more likely than not" in text
    assert (tmp_path / "lead_lead_R_susceptibility.png").is_file()


def test_no_contact_in_the_target_is_said(found, tmp_path):
    found.contacts = places(found.leads, {"right": []}, {"right": {}})
    found.leads = ()  # pictures are the other test's
    text = page.write_target_report(found, tmp_path).read_text()
    assert "No contact lies in the GPi" in text
