"""From a visit in the registry to a DICOM structured report."""

import uuid

import pytest
from pydicom import dcmread

from dicom_phantom import GRIDS, letter
from qsmkit.io.nifti import save_volume
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Lesion, Observation, Patient, Recon, Session


def test_a_lesion_keeps_its_tracking_uid_in_the_report(qsmkit, tmp_path):
    path, lesion = tmp_path / "registry.sqlite", Lesion(patient="P012", label="L01", kind="cavernoma")
    with Registry.create(path, actor="JD") as registry, registry.change("JD") as change:
        change.add(Patient(id="P012", consent="withdrawn"))
        change.add(lesion)
        for visit, mean in (("m00", 0.31), ("m12", 0.35)):
            session = change.add(Session(patient="P012", visit=visit, date="2025-01-31"))
            recon = change.add(Recon(session=session.id, pipeline="default", version="1.0"))
            change.add(Observation(lesion=lesion.id, recon=recon.id, mean=mean, mean_low=0.3, mean_high=0.4,
                                   chi_total=75.0, volume=240.0, voxels=300))  # fmt: skip
    chi = tmp_path / "sub-P012_Chimap.nii.gz"
    save_volume(chi, letter(GRIDS["oblique"]), GRIDS["oblique"])
    assert qsmkit("export", "dicom", chi, tmp_path / "chi").status == 0
    for visit, mean in (("m00", 0.31), ("m12", 0.35)):
        table, report = tmp_path / f"{visit}.csv", tmp_path / f"{visit}.dcm"
        ran = qsmkit("monitor", "export", "findings", path, f"P012-{visit}", table)
        assert ran.status == 0, ran.err
        assert "consent is withdrawn of P012" in ran.err
        ran = qsmkit("export", "sr", table, report, "--reference", tmp_path / "chi", "--json")
        assert (ran.json["regions"], ran.json["measurements"]) == (1, 3), ran.err
        items = list(dcmread(report).iterall())
        assert f"2.25.{uuid.UUID(lesion.id).int}" in [str(e.value) for e in items if e.keyword == "UID"]
        values = [float(e.value) for e in items if e.keyword == "NumericValue"]
        assert values[0] == pytest.approx(mean)
        assert {75.0, 240.0} <= set(values)
        units = [e.value for e in items if e.keyword == "CodeValue"]
        assert "[ppm].mm3" in units
