"""Is the targeting report true? Its contacts, nuclei and errors against a digital patient's truth.

    .venv/bin/python -m benchmarks.target_report REPORT PATIENT [--participant sub-01] [--plan plan.csv]

REPORT is what `qsmkit target report` made of the DICOM (or the BIDS images) of PATIENT, which `qsmkit simulate patient`
wrote. True contacts lie in the scanner of the CT after the operation; they are brought back through the truth's
transforms and its brain shift to the gradient echo before the operation. With --plan nothing is read: the planned
targets and entries are written as the table that `qsmkit target report --plan` takes, in the space of the T1w.
"""

import argparse
from pathlib import Path

import numpy as np

from qsmkit.io.nifti import load_volume
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.tables import read_table, write_table
from qsmkit.simulate.brain_shift import BrainShift
from qsmkit.transform import Transform

NUCLEI = {"gpi": 18, "gpe": 17, "stn": 19, "red_nucleus": 4, "putamen": 3, "caudate": 1}
"""Labels that report and truth share."""


def transform(path: Path) -> Transform:
    return Transform(np.array(read_sidecar(path)["matrix"]))


def true_contacts(truth: Path, who: str) -> dict[tuple[str, str], np.ndarray]:
    """Return the place of every contact among the nuclei, gradient echo RAS mm, by side and contact."""
    table = read_table(truth / "ses-post" / f"{who}_ses-post_space-ct_contacts.tsv")
    content = read_sidecar(truth / "ses-post" / f"{who}_ses-post_space-ct_transforms.json")
    head = Transform(np.array(content["matrix"])).inverse().apply(np.stack([table.numbers(a) for a in "xyz"], 1))
    if content.get("brain_shift"):
        shift = {k: np.array(v) if isinstance(v, list) else v for k, v in content["brain_shift"].items()}
        moved = BrainShift(**shift).before(head)
        print(f"brain shift at the contacts: {np.linalg.norm(moved - head, axis=1).mean():.2f} mm")
        head = moved
    places = transform(truth / "ses-pre" / f"{who}_ses-pre_transforms.json").apply(head)
    keys = zip(table.text("lead"), table.text("contact"), strict=True)
    return {(lead[-1], contact): place for (lead, contact), place in zip(keys, places, strict=True)}


def write_plan(truth: Path, who: str, out: Path) -> None:
    """Write the planned leads in the space of the T1w."""
    table = read_table(truth / f"{who}_leads.tsv")
    to_t1w = transform(truth / "ses-pre" / f"{who}_ses-pre_space-T1w_transforms.json")
    rows: list[dict[str, object]] = []
    for i, name in enumerate(table.text("name")):
        row: dict[str, object] = {"lead": name, "side": table.text("side")[i]}
        for ours, theirs in (("target", "planned"), ("entry", "entry")):
            point = to_t1w.apply([table.numbers(f"{theirs}_{a}")[i] for a in "xyz"])
            row |= {f"{ours}_{a}": float(v) for a, v in zip("xyz", point, strict=True)}
        rows.append(row)
    write_table(out, rows)


def compare(report: Path, truth: Path, who: str) -> None:
    found = read_sidecar(report / "report.json")
    steps = ", ".join(f"{s['name']} {s['verdict']} {s['seconds']:.0f} s" for s in found["Steps"])
    print(f"verdict {found['Verdict']}: {steps}")
    print(f"steps together {sum(s['seconds'] for s in found['Steps']):.0f} s")
    true = true_contacts(truth, who)
    labels = load_volume(truth / "ses-pre" / "anat" / f"{who}_ses-pre_dseg.nii.gz")
    names = {v: k for k, v in NUCLEI.items()}
    apart, agreed = [], 0
    for c in found["Contacts"]:
        place = true[c["lead"][-1], c["contact"]]
        error = np.array([c["x"], c["y"], c["z"]]) - place
        at = tuple(np.rint(labels.grid.voxel(place)).astype(int))
        inside = names.get(int(round(float(labels.data[at]))), "none")
        apart.append(error)
        agreed += inside == c["inside"]
        print(
            f"{c['lead']} {c['contact']}: {np.linalg.norm(error):.2f} mm ({error.round(2).tolist()}), "
            f"said {c['inside']} ({c['chances']}), truth {inside}; ± {c['sd_mm']:.2f} mm"
        )
    if apart:
        size = np.linalg.norm(apart, axis=1)
        print(f"contacts: mean {size.mean():.2f}, largest {size.max():.2f} mm; nucleus right: {agreed} of {len(apart)}")
    made = report / "nuclei" / "dseg.nii.gz"
    if made.exists():
        ours = load_volume(made)
        at = np.rint(labels.grid.voxel(ours.grid.world(np.argwhere(np.ones(ours.grid.shape))))).astype(int)
        at = np.clip(at, 0, np.array(labels.grid.shape) - 1)
        theirs = labels.data[tuple(at.T)].reshape(ours.grid.shape)
        dice = {n: 2 * ((ours.data == v) & (theirs == v)).sum() / ((ours.data == v).sum() + (theirs == v).sum())
                for n, v in NUCLEI.items()}  # fmt: skip
        print("Dice: " + ", ".join(f"{n} {d:.2f}" for n, d in dice.items()))
    leads = read_table(truth / f"{who}_leads.tsv")
    for e in found["Errors"]:
        i = leads.text("name").index(e["lead"])
        gap = [leads.numbers(f"tip_{a}")[i] - leads.numbers(f"planned_{a}")[i] for a in "xyz"]
        print(f"{e['lead']}: error {e['euclidean']:.2f} mm, true (skull frame) {np.linalg.norm(gap):.2f} mm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("patient", type=Path)
    parser.add_argument("--participant", default="sub-01")
    parser.add_argument("--plan", type=Path)
    told = parser.parse_args()
    truth = told.patient / "derivatives" / "truth" / told.participant
    if told.plan:
        write_plan(truth, told.participant, told.plan)
    else:
        compare(told.report, truth, told.participant)


if __name__ == "__main__":
    main()
