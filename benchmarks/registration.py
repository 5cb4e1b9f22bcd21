"""Are registrations right, and do wrong ones say so? Digital patients in random poses, and pairs that do not belong.

    qsmkit simulate cohort COHORT --scenario dbs-gpi --n 3 --seed 2026
    .venv/bin/python -m benchmarks.registration COHORT [--poses 20] [--only mr ct fuse wrong]

Three pairs: T1w with the gradient echo's magnitude, T1w with the CT before, and the fusion with the CT after the
operation (leads, streaks, air, a brain that has sunk). Each moving image is turned by up to 30° about each axis, moved
by up to 30 mm and interpolated onto a new grid. Errors are at the deep nuclei, the commissures and, for the first two,
the dentates; truth is the digital patient's.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmkit.clinical.register import register, resample
from qsmkit.clinical.target.fuse import fuse
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.io.nifti import load_volume
from qsmkit.io.tables import read_table
from qsmkit.simulate.brain_shift import BrainShift
from qsmkit.transform import Transform
from qsmkit.volume import Volume

TURN, MOVE = 30.0, 30.0
"""Largest angle about each axis, degrees, and largest translation along each, mm."""

VOXEL = 1.0
"""Of the grids that posed images are interpolated onto, mm."""

FILES = {
    "t1w": ("pre", "anat", "T1w", "_space-T1w"), "gre": ("pre", "anat", "echo-1_part-mag_MEGRE", ""),
    "ct": ("pre", "ct", "ct", "_space-ct"), "post": ("post", "ct", "ct", "_space-ct"),
}  # fmt: skip
"""Session, folder and ending of an image, and its space among the truths."""

PATIENTS = 3
"""Whose images are posed, in turn."""

WIDE = ("Dentate_L", "Dentate_R", "midline")
"""Landmarks that are not of the deep brain."""


@dataclass(frozen=True)
class Patient:
    """A digital patient on disk."""

    cohort: Path
    name: str

    def image(self, which: str) -> Volume:
        session, folder, end, _ = FILES[which]
        stem = f"{self.name}_ses-{session}"
        return load_volume(self.cohort / self.name / f"ses-{session}" / folder / f"{stem}_{end}.nii.gz")

    def truth(self, which: str) -> tuple[Transform, BrainShift | None]:
        """Return the transform from the head to an image, and how the brain had sunk in it."""
        session, _, _, space = FILES[which]
        folder = self.cohort / "derivatives" / "truth" / self.name / f"ses-{session}"
        content = json.loads((folder / f"{self.name}_ses-{session}{space}_transforms.json").read_text())
        sunk = content.get("brain_shift")
        if sunk:
            arrays = {key: np.array(sunk[key]) for key in ("up", "right")}
            sunk = BrainShift(**{**sunk, **arrays, "amount": tuple(sunk["amount"])})
        return Transform(content["matrix"]), sunk or None

    def landmarks(self, *, deep: bool) -> np.ndarray:
        table = read_table(self.cohort / "derivatives" / "truth" / self.name / f"{self.name}_landmarks.tsv")
        points = np.stack([table.numbers(axis) for axis in "xyz"], 1)
        return points[[not (deep and name in WIDE) for name in table.text("name")]]


def poses(count: int, seed: int = 7) -> list[Transform]:
    rng = np.random.default_rng(seed)
    return [Transform.rigid(rng.uniform(-TURN, TURN, 3), rng.uniform(-MOVE, MOVE, 3)) for _ in range(count)]


def posed(volume: Volume, pose: Transform) -> Volume:
    """Return an image of the head after a motion, interpolated onto a new grid about it."""
    step = tuple(slice(None, None, 4) for _ in range(3))
    low, high = np.percentile(volume.data[step], (1, 99))
    head = np.argwhere(volume.data[step] > low + 0.15 * (high - low)) * 4
    places = pose.apply(volume.grid.world(head))
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = places.min(0) - 10
    x, y, z = (int(n) for n in np.ceil((np.ptp(places, axis=0) + 20) / VOXEL))
    return resample(volume, Grid((x, y, z), affine), pose.inverse())


def error(patient: Patient, found: Transform, moving: str, pose: Transform) -> np.ndarray:
    """Return how far each landmark of the T1w image is carried astray, mm."""
    head = patient.landmarks(deep=moving == "post")
    there, sunk = patient.truth(moving)
    true = pose.apply(there.apply(sunk.after(head) if sunk else head))
    return np.linalg.norm(found.apply(patient.truth("t1w")[0].apply(head)) - true, axis=1)


def right(patients: list[Patient], moving: str, first: int, count: int) -> None:
    """Register right pairs and print the errors."""
    errors, verdicts = [], []
    for number, (patient, pose) in enumerate(zip(itertools.cycle(patients), poses(count), strict=False)):
        if number < first:
            continue
        image = posed(patient.image(moving), pose)
        began = time.process_time()
        found = fuse(image, patient.image("t1w")) if moving == "post" else register(patient.image("t1w"), image)
        took = time.process_time() - began
        off = error(patient, found.transform, moving, pose)
        extra = ""
        if moving == "post":
            extra = f"  head alone {error(patient, found.skull, moving, pose).mean():.3f}"
            extra += f"  shift {found.shift.length if found.shift else None}"
        bad = ", ".join(f"{g.name} {g.value:.3g}" for g in found.gates if g.verdict != "PASS")
        words = f"mean {off.mean():.3f}  max {off.max():.3f} mm  {found.verdict}  {took:.0f} s of one core"
        print(f"{moving} {number:2d} {patient.name} {pose.angle:5.1f}°  {words}{extra}  {bad}", flush=True)
        errors.append(off)
        verdicts.append(found.verdict)
    together = np.concatenate(errors)
    told = {verdict: verdicts.count(verdict) for verdict in ("PASS", "REVIEW", "FAIL")}
    summary = f"mean {together.mean():.3f} mm, max {together.max():.3f} mm, {told}"
    print(f"{moving}: {len(errors)} poses, {summary}\n", flush=True)


Pair = tuple[Volume, Volume]


def wrongs(patients: list[Patient], moving: str) -> Iterator[tuple[str, Callable[[], Pair]]]:
    """Yield pairs that must not pass: name, and what makes the fixed and the moving image."""
    first = patients[0]
    rng = np.random.default_rng(3)
    pose = Transform.rigid((8, -6, 10), (10, -5, 8))

    def image(patient: Patient = first) -> Volume:
        return posed(patient.image(moving), pose)

    def other(affine: np.ndarray) -> Volume:
        volume = image()
        return Volume(volume.data, Grid(volume.grid.shape, affine @ volume.grid.affine), volume.unit)

    def cropped() -> Volume:
        volume = image()
        x, y, z = volume.grid.shape
        start, shape = (0, 0, round(0.62 * z)), (x, y, z - round(0.62 * z))
        return Volume(volume.data[:, :, start[2] :], volume.grid.cropped(start, shape), volume.unit)

    def noise(volume: Volume) -> Volume:
        data = rng.permutation(np.asarray(volume.data).ravel()).reshape(volume.data.shape)
        return Volume(data, volume.grid, volume.unit)

    def limb() -> Volume:
        """A thigh: soft tissue with one bone."""
        grid = Grid.tilted((140, 140, 160), (1.2, 1.2, 1.2))
        x, y, _ = np.moveaxis(grid.world(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
        air, soft, bone = (-1000.0, 50.0, 1200.0) if moving != "gre" else (0.0, 900.0, 60.0)
        data = np.where(x**2 + y**2 < 70**2, soft, air)
        data[(x - 8) ** 2 + y**2 < 15**2] = bone
        return Volume((data + rng.normal(0, 10, data.shape)).astype(np.float32), grid)

    t1w = first.image("t1w")
    stretched = np.diag([1.0, 1.12, 1.0, 1.0])
    yield "another patient", lambda: (t1w, image(patients[1]))
    yield "yet another patient", lambda: (t1w, image(patients[2 % len(patients)]))
    yield "left and right exchanged", lambda: (t1w, other(np.diag([-1.0, 1, 1, 1])))
    yield "upside down (z mirrored)", lambda: (t1w, other(np.diag([1.0, 1, -1, 1])))
    yield "wrong voxel size (12 %)", lambda: (t1w, other(stretched))
    yield "cropped to the vertex", lambda: (t1w, cropped())
    yield "noise for the moving image", lambda: (t1w, noise(image()))
    yield "noise for the fixed image", lambda: (noise(t1w), image())
    yield "a thigh", lambda: (t1w, limb())
    yield "empty", lambda: (t1w, Volume(np.zeros((60, 60, 60), np.float32), Grid.tilted((60, 60, 60), (3, 3, 3))))


def wrong(patients: list[Patient], moving: str) -> None:
    """Register wrong pairs and print what was said."""
    told = []
    for name, make in wrongs(patients, moving):
        fixed, image = make()
        try:
            found = fuse(image, fixed) if moving == "post" else register(fixed, image)
            verdict = found.verdict
            why = "; ".join(f"{g.name} {g.value:.3g}: {g.text}" for g in found.gates if g.verdict == "FAIL")
        except InputError as refusal:
            verdict, why = "REFUSED", str(refusal)
        told.append(verdict)
        print(f"{moving} {name:<28}{verdict:<8}{why}", flush=True)
    caught = sum(v in ("FAIL", "REFUSED") for v in told)
    print(f"{moving}: {caught} of {len(told)} wrong pairs fail or are refused\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.registration", description=__doc__.split("\n\n")[0])
    parser.add_argument("cohort", type=Path, help="BIDS data set of the scenario dbs-gpi or dbs-stn")
    parser.add_argument("--poses", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="pose to begin with, to go on where a run was stopped")
    parser.add_argument("--moving", nargs="+", choices=["gre", "ct", "post"], default=["gre", "ct", "post"])
    parser.add_argument("--only", nargs="+", choices=["right", "wrong"], default=["right", "wrong"])
    arguments = parser.parse_args()
    truth = arguments.cohort / "derivatives" / "truth"
    names = sorted(p.name for p in truth.glob("sub-*") if (p / "ses-post").is_dir())
    patients = [Patient(arguments.cohort, name) for name in names][:PATIENTS]
    for moving in arguments.moving:
        if "right" in arguments.only:
            right(patients, moving, arguments.first, arguments.poses)
        if "wrong" in arguments.only:
            wrong(patients, moving)


if __name__ == "__main__":
    main()
