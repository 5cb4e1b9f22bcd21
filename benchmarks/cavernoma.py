"""Cavernous malformations followed for two years: recovered change of each lesion against the truth.

    qsmkit simulate cohort --scenario ccm --n 16 --years 2 --out ccm
    qsmkit recon ccm recon
    python -m benchmarks.cavernoma ccm recon OUT [--register]

For every participant that is reconstructed, with masks from the truth and with masks grown from a click into each
lesion at the first visit and carried over:

    qsmkit monitor init REGISTRY
    qsmkit monitor measure REGISTRY recon --patient 001 --visit m00 --masks …        (or --seed x y z …)
    qsmkit monitor measure REGISTRY recon --patient 001 --visit m12 --masks …        (or --carry-from m00)
    qsmkit monitor link REGISTRY recon --patient 001;  … --accept all
    qsmkit monitor event REGISTRY --patient 001 --onset 2024-05-02 --type symptomatic_haemorrhage
    qsmkit monitor change REGISTRY;  qsmkit monitor rates REGISTRY;  qsmkit monitor report REGISTRY --out …

The truth is the mean of the true map over the true mask, relative to the true brain's mean. Without --register the
visits' true transforms are used.
"""

import argparse
import contextlib
import io
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from qsmkit.app.cli import main
from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.tables import read_table, write_table

EVENTS = {"haemorrhage": "symptomatic_haemorrhage", "growth": "growth", "asymptomatic_change": "asymptomatic_change"}
WCV = 2.0
"""Within-subject coefficient of variation that verdicts are given for, %."""


def run(*arguments: Any) -> str:
    """Run a command and return what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = main.run([str(a) for a in arguments])
    if status:
        raise SystemExit(f"qsmkit {' '.join(str(a) for a in arguments)} failed")
    return out.getvalue()


def stem(folder: Path, patient: str, visit: str) -> str:
    """Return the beginning of a visit's file names."""
    return str(folder / f"sub-{patient}" / f"ses-{visit}" / "anat" / f"sub-{patient}_ses-{visit}")


def true_means(raw: Path, patient: str, visit: str) -> dict[int, float]:
    """Return the true mean χ of each lesion relative to the brain's, ppm."""
    begin = stem(raw / "derivatives" / "truth", patient, visit)
    chi, labels, brain = (load_volume(f"{begin}_{end}.nii.gz").data
                          for end in ("Chimap", "desc-lesions_dseg", "desc-brain_mask"))  # fmt: skip
    base = float(chi[brain > 0].mean(dtype=np.float64))
    return {int(n): float(chi[labels == n].mean(dtype=np.float64)) - base for n in np.unique(labels) if n > 0}


def true_transform(raw: Path, patient: str, before: str, after: str, out: Path) -> Path:
    """Write the true transform from a visit's space to a later one's."""
    ways = []
    for visit in (before, after):
        folder = raw / "derivatives" / "truth" / f"sub-{patient}" / f"ses-{visit}"
        ways.append(np.array(read_sidecar(folder / f"sub-{patient}_ses-{visit}_transforms.json")["matrix"]))
    out.write_text(json.dumps({"matrix": (ways[1] @ np.linalg.inv(ways[0])).tolist()}))
    return out


def follow(
    raw: Path, recon: Path, registry: Path, patient: str, visits: list[str], *, given: bool, register: bool
) -> None:
    """Measure and link a participant's visits."""
    truth = raw / "derivatives" / "truth"
    for i, visit in enumerate(visits):
        labels = Path(f"{stem(truth, patient, visit)}_desc-lesions_dseg.nii.gz")
        way = [] if register or i == 0 else [
            "--transform", true_transform(raw, patient, visits[i - 1], visit, registry.with_name("between.json"))
        ]  # fmt: skip
        of = ("measure", registry, recon, "--patient", patient, "--visit", visit, "--index", 1)
        if given:
            run("monitor", *of, "--masks", labels, "--json")
        elif i == 0:
            image = load_volume(labels)
            numbers = [n for n in np.unique(image.data) if n > 0]
            seeds = [float(c) for n in numbers for c in image.grid.world(np.argwhere(image.data == n).mean(0))]
            run("monitor", *of, "--seed", *seeds, "--json")
        else:
            run("monitor", *of, "--carry-from", visits[i - 1], *way, "--json")
        if i:
            pair = ("--visits", visits[i - 1], visit)
            run("monitor", "link", registry, recon, "--patient", patient, *pair, *way, "--json")
    for event in _events(truth, patient):
        run("monitor", "event", registry, "--patient", patient, "--onset", event[0], "--type", event[1], "--json")


def _events(truth: Path, patient: str) -> list[tuple[str, str]]:
    path = truth / f"sub-{patient}" / f"sub-{patient}_events.tsv"
    if not path.is_file():
        return []
    table = read_table(path)
    pairs = zip(table.text("date"), table.text("kind"), strict=True)
    return [(day, EVENTS[kind]) for day, kind in pairs if kind in EVENTS]


def numbered(recon: Path, registry: Path, patient: str, visits: list[str]) -> dict[tuple[str, str], int]:
    """Return the true number of each lesion and visit, from the numbers in the label images."""
    sessions = {f"{patient}-{v}": v for v in visits}
    shown = json.loads(run("monitor", "show", registry, "recon", "--json"))
    recons = {r["id"]: sessions[r["session"]] for r in shown if r["session"] in sessions}
    rows = json.loads(run("monitor", "show", registry, "observation", "--json"))
    return {(r["lesion"], recons[r["recon"]]): int(r["mask"].rpartition("#")[2]) for r in rows if r["recon"] in recons}


def score(
    raw: Path, recon: Path, registry: Path, patients: dict[str, list[str]]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return each epoch's measured and true change, and the numbers of links and of right ones."""
    found, links = [], [0, 0]
    for patient, visits in patients.items():
        number = numbered(recon, registry, patient, visits)
        decided = run("monitor", "link", registry, recon, "--patient", patient, "--accept", "all", "--json")
        for link in json.loads(decided):
            links[0] += 1
            ends = {n for (lesion, _), n in number.items() if lesion in (link["parent"], link["child"])}
            links[1] += link["relation"] == "same" and len(ends) == 1
        number = numbered(recon, registry, patient, visits)
        means = {v: true_means(raw, patient, v) for v in visits}
        for row in json.loads(run("monitor", "change", registry, "--patient", patient, "--wcv", WCV, "--json")):
            which = number[row["lesion"], row["to"]]
            before, after = means[row["from"]].get(which), means[row["to"]].get(which)
            if before and after:
                true = 100 * (after / before - 1)
                found.append({"patient": patient, "number": which, "from": row["from"], "to": row["to"], "true": true,
                              "percent": row["percent"], "error": row["percent"] - true, "flag": bool(row["flag"]),
                              "true_flag": true >= 6, "detectable": row["detectable_percent"]})  # fmt: skip
    return found, links


def summary(name: str, found: list[dict[str, Any]], links: list[int]) -> str:
    """Return one line of results."""
    error = np.array([r["error"] for r in found])
    clear = [r for r in found if abs(r["true"] - 6) > r["detectable"]]
    agree = sum(r["flag"] == r["true_flag"] for r in clear)
    every = sum(r["flag"] == r["true_flag"] for r in found)
    return (f"{name}: {len(found)} epochs, bias {error.mean():+.2f}, SD {error.std(ddof=1):.2f}, median |error| "
            f"{np.median(np.abs(error)):.2f} percentage points; flags as the truth says {agree}/{len(clear)} outside "
            f"the noise band, {every}/{len(found)} in all; links right {links[1]}/{links[0]}")  # fmt: skip


def ready(raw: Path, recon: Path) -> Iterable[tuple[str, list[str]]]:
    """Yield participants whose visits are all reconstructed."""
    for folder in sorted(raw.glob("sub-*")):
        patient = folder.name.removeprefix("sub-")
        visits = sorted(p.name.removeprefix("ses-") for p in folder.glob("ses-*"))
        if visits and all(Path(f"{stem(recon, patient, v)}_Chimap.nii.gz").is_file() for v in visits):
            yield patient, visits


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", type=Path)
    parser.add_argument("recon", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--register", action="store_true")
    given = parser.parse_args()
    patients = dict(ready(given.raw, given.recon))
    for name, masks in (("true masks", True), ("proposed masks", False)):
        folder = given.out / name.replace(" ", "_")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        registry = folder / "registry.sqlite"
        run("monitor", "init", registry, "--json")
        for patient, visits in patients.items():
            follow(given.raw, given.recon, registry, patient, visits, given=masks, register=given.register)
        found, links = score(given.raw, given.recon, registry, patients)
        write_table(folder / "epochs.csv", found)
        print(summary(name, found, links), flush=True)
        run("monitor", "report", registry, "--out", folder / "cohort", "--wcv", WCV, "--json")
        for patient in patients:
            run("monitor", "report", registry, given.recon, "--patient", patient, "--out", folder / f"sub-{patient}",
                "--wcv", WCV, "--json")  # fmt: skip


if __name__ == "__main__":
    _main()
