"""Leads found again in simulated CTs: every model, three distances of slices, upright and oblique, against the truth.

    python -m benchmarks.leads [--out contacts.csv] [--seed 7]

A model that shares its contacts with others stands for all of them. The phantom is a lead in a ball of water.
"""

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.clinical.leads.identify import groups
from qsmkit.clinical.leads.locate import locate
from qsmkit.clinical.leads.located import LocatedLead
from qsmkit.errors import QsmkitError
from qsmkit.leads.curve import Curve, Points
from qsmkit.simulate.lead_scene import Scene, scene
from qsmkit.transform import Transform

SLICES = (0.5, 0.7, 1.25)
"""Distances of slices, mm."""

LIMIT = 2.7955
"""Radius of the ellipsoid that holds 95 % of a three-dimensional normal distribution, in standard deviations."""


def pose_of(name: str, rng: np.random.Generator) -> Transform | None:
    """Return how a head lies: upright, or turned by up to 25° about each axis."""
    if name == "axial":
        return None
    return Transform.rigid(rng.uniform((15, -15, -25), (25, 15, 25)), rng.uniform(-20, 20, 3))


def measured(case: Scene, found: LocatedLead) -> Iterator[dict[str, Any]]:
    """Yield the error of every contact: in all, along and across the lead, mm, and over the stated uncertainty."""
    turn = float("nan")
    if found.rotation is not None and found.lead.electrode.model == case.truth.plan.model:
        turn = (found.lead.plan.rotation - _rotation(case) + 180) % 360 - 180
    for one, true in zip(found.contacts, case.truth.contacts, strict=False):
        off = one.position - true.centre
        along = float(off @ true.axis)
        yield {
            "contact": one.name, "error": float(np.linalg.norm(off)), "along": along,
            "off_axis": float(np.linalg.norm(off - along * true.axis)), "distance": one.distance(true.centre),
            "sd_along": float(np.sqrt(true.axis @ one.covariance @ true.axis)),
            "sd_all": float(np.sqrt(np.trace(one.covariance))), "ring": one.name.isdecimal(),
            "rotation_error": turn,
            "rotation_sd": float("nan") if found.rotation is None else (found.rotation.high - turn_of(found)) / 1.96,
        }


def turn_of(found: LocatedLead) -> float:
    """Return the rotation found, degrees."""
    return float("nan") if found.rotation is None else found.rotation.value


def _rotation(case: Scene) -> float:
    """Return the true direction of the marker from the scanner's front, degrees."""
    look, d = case.truth.direction(0.0, case.truth.plan.rotation), case.truth.curve.tangent(0.0)
    front = np.array([0.0, 1.0, 0.0])
    front = front - (front @ d) * d
    return float(np.rad2deg(np.arctan2(np.cross(d, front) @ look, front @ look)))


def run(seed: int, models: list[str], *, phantom: bool = False) -> Iterator[dict[str, Any]]:
    """Yield a row for every contact of every CT."""
    for number, group in enumerate(groups()):
        if models and not set(models) & set(group):
            continue
        for slices in SLICES:
            for pose in ("axial", "oblique"):
                rng = np.random.default_rng([seed, number, round(100 * slices), len(pose)])
                case = scene(
                    group[0], slices, pose=pose_of(pose, rng), seed=int(rng.integers(2**31)), phantom=phantom
                )
                row = {"model": group[0], "slices": slices, "pose": pose}
                try:
                    (found,) = locate(case.ct)
                except (QsmkitError, ValueError) as error:
                    yield row | {"found": f"{error}", "right": False}
                    continue
                right = found.model == group[0]
                about = {"found": found.model, "right": right, "sure": found.sure, "ambiguous": found.ambiguous}
                if not right:
                    yield row | about
                    continue
                about["fit"] = float(np.mean(distances(found.lead.curve.points[:300], case.truth.curve)))
                for each in measured(case, found):
                    yield row | about | each


def distances(points: Points, curve: Curve) -> Points:
    """Return the distance of points (N, 3) from a curve, mm, along which its corners lie closely."""
    nearest = np.linalg.norm(points[:, None] - curve.points[None], axis=-1).argmin(1)
    off = points - curve.points[nearest]
    d = curve.tangent(curve.arc[nearest])
    apart: Points = np.linalg.norm(off - (off * d).sum(1, keepdims=True) * d, axis=1)
    return apart


def summary(rows: list[dict[str, Any]]) -> str:
    """Return the figures that matter, by distance of slices and pose."""
    lines = ["slices pose    CTs  model right  mean   95 %   max mm  covered  rotation: median  95 %  reversed"]
    for slices in SLICES:
        for pose in ("axial", "oblique"):
            some = [r for r in rows if r["slices"] == slices and r["pose"] == pose]
            by_ct = {r["model"]: r for r in some}
            if not any("error" in r for r in some):
                continue
            error = np.array([r["error"] for r in some if "error" in r])
            inside = np.mean([r["distance"] < LIMIT for r in some if "distance" in r])
            turns = np.abs([r.get("rotation_error", np.nan) for r in by_ct.values()])
            turns = turns[np.isfinite(turns)]
            lines.append(
                f"{slices:4.2f}   {pose:7} {len(by_ct):3d}  {np.mean([r['right'] for r in by_ct.values()]):8.1%}   "
                f"{error.mean():6.3f} {np.percentile(error, 95):6.3f} {error.max():6.3f}  {inside:7.1%}  "
                f"{np.median(turns):10.1f}° {np.percentile(turns, 95):8.1f}°  {int((turns > 90).sum()):3d}"
            )
    fits = [r["fit"] for r in rows if "fit" in r]
    lines.append(f"distance of the lead's axis from the true one: {np.mean(fits):.3f} ± {np.std(fits):.3f} mm")
    wrong = sorted({f"{r['model']} ({r['slices']}, {r['pose']}): {r['found']}" for r in rows if not r["right"]})
    lines += [f"not right: {text}" for text in wrong]
    lines += ["a CT cannot tell apart: " + ", ".join(group) for group in groups() if len(group) > 1]
    return "\n".join(lines)


def main() -> None:
    """Run the comparison and print its summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="table of every contact, CSV")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--phantom", action="store_true", help="a ball of water instead of heads")
    parser.add_argument("--models", nargs="*", default=[], help="only these models")
    chosen = parser.parse_args()
    rows = []
    for row in run(chosen.seed, chosen.models, phantom=chosen.phantom):
        rows.append(row)
        sys.stderr.write(f"{row['model']} {row['slices']} {row['pose']} {row.get('error', 'not right')}\n")
    if chosen.out:
        names = list(dict.fromkeys(name for row in rows for name in row))
        with chosen.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    sys.stdout.write(summary(rows) + "\n")


if __name__ == "__main__":
    main()
