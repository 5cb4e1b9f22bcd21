"""A registry in a file with one patient who was scanned twice."""

import shutil

import pytest

from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import (
    Clinical,
    Event,
    Lesion,
    Link,
    Observation,
    Patient,
    Qc,
    Recon,
    Scanner,
    Series,
    Session,
    Site,
)  # fmt: skip


def fill(registry):
    """Enter a row of every table and return them by name."""
    with registry.change(actor="JD", reason="baseline") as change:
        site = change.add(Site(id="S1"))
        scanner = change.add(Scanner(id="3T-A", site="S1", vendor="Siemens", field_strength=3))
        patient = change.add(Patient(id="P012", site="S1", sex="F", birth_year=1980, genotype="CCM1", arm="active"))
        m00 = change.add(Session(patient="P012", visit="m00", date="2024-01-31", days_from_index=0, scanner="3T-A"))
        m12 = change.add(Session(patient="P012", visit="m12", date="2025-01-31", days_from_index=366, scanner="3T-A"))
        series = change.add(Series(id="2.25.77", session=m00.id, echo_times=(0.004, 0.0081), voxel=(0.6, 0.6, 1.1)))
        recon = change.add(Recon(session=m00.id, pipeline="default", version="1.0", parameters={"tau": 0.1, "n": [1]}))
        recon12 = change.add(Recon(session=m12.id, pipeline="default", version="1.0"))
        lesion = change.add(Lesion(patient="P012", label="L01", kind="cavernoma", first_seen=m00.id, index_lesion=True))
        seen = change.add(Observation(lesion=lesion.id, recon=recon.id, mean=0.31, volume=240.0, mean_low=0.30))
        seen12 = change.add(Observation(lesion=lesion.id, recon=recon12.id, mean=0.35, volume=260.0, mass=12.5))
        link = change.add(Link(parent=lesion.id, child=lesion.id, before=m00.id, after=m12.id, relation="same"))
        event = change.add(Event(patient="P012", lesion=lesion.id, type="growth", onset="2024-06-01",
                                 adjudicators=("R1", "R2"), adjudication="confirmed"))  # fmt: skip
        clinical = change.add(Clinical(session=m00.id, mrs=1))
        qc = change.add(Qc(recon=recon.id, check="sharpness", value=0.4, verdict="pass"))
    return {
        "site": site, "scanner": scanner, "patient": patient, "m00": m00, "m12": m12, "series": series, "recon": recon,
        "recon12": recon12, "lesion": lesion, "seen": seen, "seen12": seen12, "link": link, "event": event,
        "clinical": clinical, "qc": qc,
    }  # fmt: skip


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A file with that registry, and its rows."""
    path = tmp_path_factory.mktemp("registry") / "registry.sqlite"
    with Registry.create(path, actor="JD") as made:
        rows = fill(made)
    return path, rows


@pytest.fixture
def filled(template, tmp_path):
    """The registry, and its rows."""
    path, rows = template
    with Registry.open(shutil.copy(path, tmp_path)) as opened:
        yield opened, rows
