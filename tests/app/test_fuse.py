"""`qsmkit target fuse` from files to files, on a light digital head."""

import nibabel as nib
import numpy as np
import pytest

from qsmkit.clinical.register import resample
from qsmkit.grid import Grid
from qsmkit.pipeline.fusion import read_fusion
from qsmkit.simulate.hounsfield import HOUNSFIELD
from qsmkit.simulate.tissue import Label, spread
from qsmkit.transform import Transform
from qsmkit.volume import Volume
from simulate.phantoms import light_body

POSE = Transform.rigid((6, -4, 9), (5, -8, 6))
DARK = {Label.AIR: 0.0, Label.BONE: 0.1, Label.DIPLOE: 0.4, Label.CSF: 0.25, Label.GREY_MATTER: 0.6, Label.FAT: 1.3}
DEEP = np.array([(x, y, z) for x in (-20, 20) for y in (-10, 20) for z in (-10, 10)], float)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """MR of a head, and CT of it in another pose, with air in front and two leads."""
    body, _ = light_body()
    rng = np.random.default_rng(5)
    t1w = spread(body.labels, {label: DARK.get(label, 0.9) for label in Label}) * (body.labels > 0)
    hu = np.where(body.labels > 0, spread(body.labels, HOUNSFIELD), -1000)
    place = body.grid.world(np.moveaxis(np.indices(body.grid.shape), 0, -1))
    x, y, z = np.moveaxis(place, -1, 0)
    front = y > y[body.brain].max() - 7
    hu[body.brain & front] = -1000
    hu[(np.abs(np.abs(x) - 14) < 1.5) & (np.abs(y - 5) < 1.5) & (z > -5) & (z < 45)] = 3071
    grid = Grid.tilted((100, 118, 96), (2.0, 2.0, 2.0))
    ct = resample(Volume(hu + rng.normal(0, 6, hu.shape), body.grid), grid, POSE.inverse())
    folder = tmp_path_factory.mktemp("fuse")
    nib.save(nib.Nifti1Image((t1w + rng.normal(0, 0.02, t1w.shape)).astype(np.float32), body.grid.affine),
             folder / "mr.nii.gz")  # fmt: skip
    nib.save(nib.Nifti1Image(ct.data.astype(np.int16), grid.affine), folder / "ct.nii.gz")
    mirrored = np.diag([-1.0, 1, 1, 1]) @ grid.affine
    nib.save(nib.Nifti1Image(ct.data.astype(np.int16), mirrored), folder / "mirrored.nii.gz")
    return folder


def test_ct_and_mr_of_one_head_are_brought_together(qsmkit, scans):
    out, picture = scans / "fusion.json", scans / "fusion.png"
    ran = qsmkit("target", "fuse", scans / "ct.nii.gz", scans / "mr.nii.gz", "--out", out, "--picture", picture)
    assert ran.status == 0, ran.out + ran.err
    assert "air inside the skull, both:" in ran.out
    assert "never bent as tissue" in ran.out
    assert "Not a medical device" in ran.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    found = read_fusion(out)
    assert found.verdict != "FAIL"
    assert found.transform.distance(POSE, DEEP).mean() < 0.6
    assert found.skull.distance(POSE, DEEP).mean() < 0.6
    assert found.pneumocephalus["both"].value > 2
    (scans / "ct.nii.gz").touch()
    assert read_fusion(out).verdict == found.verdict


@pytest.mark.slow
def test_a_mirrored_ct_is_told_and_nothing_is_written(qsmkit, scans):
    out = scans / "mirrored.json"
    ran = qsmkit("target", "fuse", scans / "mirrored.nii.gz", scans / "mr.nii.gz", "--out", out)
    assert ran.status == 1
    assert "left and right are exchanged" in ran.out + ran.err
    assert not out.exists()
