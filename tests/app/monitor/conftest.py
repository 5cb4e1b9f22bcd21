"""A patient scanned three times, as `qsmkit recon` would leave it: maps of χ, the raw magnitude, a record."""

import json

import numpy as np
import pytest

from qsmkit.grid import Grid
from qsmkit.io.nifti import save_volume
from qsmkit.transform import Transform

GRIDS = {"m00": Grid.tilted((64, 64, 50)), "m12": Grid.tilted((60, 66, 52), tilt=5),
         "m24": Grid.tilted((64, 64, 48), (1, 1, 1.1), tilt=-4)}  # fmt: skip
DAYS = {"m00": "2023-01-10", "m12": "2024-01-12", "m24": "2025-01-15"}
MOTIONS = {"m00": Transform.identity(), "m12": Transform.rigid((3, 2, -4), (2, -3, 1)),
           "m24": Transform.rigid((-2, 4, 3), (-1, 2, 3))}  # fmt: skip
"""From the head to each visit's space."""

LESIONS = (((8.0, 4.0, -2.0), 5.0, {"m00": 0.40, "m12": 0.40, "m24": 0.48}),
           ((-12.0, -6.0, 5.0), 3.5, {"m00": 0.30, "m12": 0.31, "m24": 0.31}),
           ((0.0, 14.0, 8.0), 3.0, {"m12": 0.35, "m24": 0.35}))  # fmt: skip
"""Place in the head, radius, and χ (ppm) at the visits at which each is there."""


def spot(visit, number):
    """Return where a lesion lies at a visit, RAS+ mm."""
    return MOTIONS[visit].apply(LESIONS[number][0])


def write_visit(data, raw, patient, visit, version="1.0", serial="A"):
    grid, rng = GRIDS[visit], np.random.default_rng([3, *visit.encode()])
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), -1)
    world = grid.world(index)
    chi = 0.01 * rng.standard_normal(grid.shape)
    labels = np.zeros(grid.shape, np.uint8)
    for number, (_, radius, values) in enumerate(LESIONS, 1):
        if visit in values:
            inside = np.linalg.norm(world - spot(visit, number - 1), axis=-1) <= radius
            chi[inside] += values[visit]
            labels[inside] = number
    stem = f"sub-{patient}_ses-{visit}"
    folder = data / f"sub-{patient}" / f"ses-{visit}" / "anat"
    save_volume(folder / f"{stem}_Chimap.nii.gz", chi.astype(np.float32), grid, overwrite=True)
    save_volume(folder / f"{stem}_desc-sd_Chimap.nii.gz", np.full(grid.shape, 0.01, np.float32), grid, overwrite=True)
    source = f"sub-{patient}/ses-{visit}/anat/{stem}_echo-1_part-mag_MEGRE.nii.gz"
    (folder / f"{stem}_Chimap.json").write_text(json.dumps({
        "Sources": [f"bids:raw:{source}"], "Method": "reference_brain",
        "Reference": {"value": 0, "low": -0.02, "high": 0.02, "unit": "ppm"},
    }))  # fmt: skip
    (data / f"{stem}_record.json").write_text(json.dumps({
        "Recipe": {"name": "default"}, "Software": {"qsmkit": version}, "Steps": [],
        "Scan": {"voxel_size_mm": [1, 1, 1], "echo_times_s": [0.004, 0.012]},
    }))  # fmt: skip
    image = raw / source
    save_volume(image, np.exp(-np.abs(chi)).astype(np.float32), grid, overwrite=True)
    image.with_name(image.name.replace(".nii.gz", ".json")).write_text(json.dumps(
        {"Manufacturer": "Test", "DeviceSerialNumber": serial, "MagneticFieldStrength": 3.0, "EchoTime": 0.004}
    ))  # fmt: skip
    drawn = raw / f"{visit}_labels.nii.gz"
    save_volume(drawn, labels, grid, overwrite=True)
    return drawn


def write_patient(folder, patient="P01", **more):
    """Write the patient's data sets and the transforms between visits; return derivatives, label images, transforms."""
    raw, data = folder / "raw", folder / "recon"
    masks = {visit: write_visit(data, raw, patient, visit, **more) for visit in DAYS}
    (data / "dataset_description.json").write_text(json.dumps({"DatasetLinks": {"raw": raw.resolve().as_uri()}}))
    rows = "".join(f"ses-{visit}\t{day}T09:00:00\n" for visit, day in DAYS.items())
    (raw / f"sub-{patient}" / f"sub-{patient}_sessions.tsv").write_text(f"session_id\tacq_time\n{rows}")
    transforms = {}
    for before, after in (("m00", "m12"), ("m12", "m24"), ("m00", "m24")):
        transforms[before, after] = raw / f"{before}_{after}.json"
        motion = MOTIONS[after].after(MOTIONS[before].inverse())
        transforms[before, after].write_text(json.dumps({"matrix": motion.matrix.tolist()}))
    return data, masks, transforms


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    return write_patient(tmp_path_factory.mktemp("patient"))
