"""What a scan may come with: a map of R2, or images of each receive coil."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

RECIPE = """
    name = "separated"
    description = "Two kinds of sources"
    step = [{method = "threshold_mask"}, {method = "romeo"}, {method = "weighted_fit"}, {method = "sharp"},
            {method = "tkd"}, {method = "arlo"}, {method = "r2prime"}, {method = "reference_brain"},
            {method = "chi_separation_closed"}]
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "separated.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def own(head, tmp_path):
    """A copy of the head that may be changed."""
    shutil.copytree(head, tmp_path / "bids", ignore=shutil.ignore_patterns("derivatives"))
    return tmp_path / "bids"


def write_like(path, like, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(values.astype(np.float32), nib.load(like).affine), path)


def phases(folder):
    return sorted((folder / "sub-01" / "anat").glob("*part-phase*.nii.gz"))


def maps(out):
    return {p.name.removeprefix("sub-01_").removesuffix(".nii.gz") for p in (out / "sub-01" / "anat").glob("*.nii.gz")}


def test_a_t2_map_of_the_dataset_is_found_and_used(qsmkit, own, recipe, tmp_path):
    shape = nib.load(phases(own)[0]).shape[:3]
    write_like(own / "sub-01" / "anat" / "sub-01_T2map.nii.gz", phases(own)[0], np.full(shape, 0.08))
    ran = qsmkit("recon", own, tmp_path / "out", "--recipe", recipe)
    assert ran.status == 0, ran.err
    assert maps(tmp_path / "out") >= {"desc-paramagnetic_Chimap", "desc-diamagnetic_Chimap", "R2primemap"}


def test_an_r2_map_can_be_named_and_must_be_of_use(qsmkit, own, recipe, tmp_path):
    ran = qsmkit("recon", own, tmp_path / "out", "--recipe", recipe, "--dry-run")
    assert ran.status != 0
    assert "needs r2" in ran.err
    shape = nib.load(phases(own)[0]).shape[:3]
    write_like(tmp_path / "rate.nii.gz", phases(own)[0], np.full(shape, 12.5))
    ran = qsmkit("recon", own, tmp_path / "out", "--recipe", recipe, "--r2", tmp_path / "rate.nii.gz", "--dry-run")
    assert ran.status == 0, ran.err
    ran = qsmkit("recon", own, tmp_path / "out", "--r2", tmp_path / "rate.nii.gz", "--dry-run")
    assert ran.status != 0
    assert "no step that uses --r2" in ran.err


def split_by_coil(folder, name):
    """Replace the images by those of two coils with a phase of their own."""
    anat = folder / "sub-01" / "anat"
    for path in sorted(anat.glob("*_part-*.nii.gz")):
        image = nib.load(path)
        values = np.asarray(image.dataobj, np.float32)
        for coil in (1, 2):
            new = path.with_name(name(path.name, coil))
            made = values * (1 + 0.3 * coil)
            if "part-phase" in path.name:
                top = np.abs(values).max()
                made = np.angle(np.exp(1j * (values / top * np.pi + 0.9 * coil))).astype(np.float32)
            write_like(new, path, made)
            shutil.copy(path.with_name(path.name.replace(".nii.gz", ".json")),
                        new.with_name(new.name.replace(".nii.gz", ".json")))  # fmt: skip
        path.unlink()
        path.with_name(path.name.replace(".nii.gz", ".json")).unlink()


def test_images_by_coil_are_combined(qsmkit, own, tmp_path):
    split_by_coil(own, lambda n, coil: n.replace("_echo", f"_rec-coil{coil}_echo"))
    ran = qsmkit("recon", own, tmp_path / "out", "--recipe", "fast")
    assert ran.status == 0, ran.err
    assert "Chimap" in maps(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "sub-01_record.json").read_text())
    assert "2 coils combined by MCPC-3D-S" in json.dumps(record) + (tmp_path / "out" / "sub-01_report.html").read_text()


def test_loose_images_are_listed_coil_by_coil(qsmkit, own, tmp_path):
    split_by_coil(own, lambda n, coil: n.replace("sub-01", f"c{coil}"))
    anat = own / "sub-01" / "anat"
    files = [sorted(anat.glob(f"c*part-{part}*.nii.gz")) for part in ("phase", "mag")]
    arguments = ("recon", "--out", tmp_path / "out", "--phase", *files[0], "--magnitude", *files[1])
    ran = qsmkit(*arguments, "--coils", 2, "--dry-run")
    assert ran.status == 0, ran.err
    ran = qsmkit(*arguments, "--coils", 5)
    assert ran.status != 0
    assert "does not divide" in ran.err
