"""Are microbleeds found, told from calcifications, and measured, in digital patients with veins?

    .venv/bin/python -m benchmarks.microbleeds BIDS RECON [--limit 1.0] [--rows]

BIDS is a dataset of `qsmkit simulate` (a scenario with microbleeds, its truth under derivatives/truth), RECON what
`qsmkit recon` made of it; the first visit of every participant that both have is read. A candidate hits a lesion if its
middle is no farther from it than the lesion's radius and 2 mm.

sensitivity      of candidates called microbleed for true microbleeds: all of them, and those with χ_tot ≥ --limit
                 ppm·mm³. Nothing is left out of the first number.
false positives  candidates called microbleed that hit no microbleed, per patient
sign             of the candidates that hit a lesion or a calcification of the head (pineal gland, choroid plexus), the
                 share whose kind is the lesion's; indeterminate ones count as wrong
χ_tot            of those that hit: median error, its middle 90 %, and how often the 95 % interval holds the truth
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from qsmkit.clinical.microbleeds.detect import detect
from qsmkit.clinical.microbleeds.findings import Finding, findings
from qsmkit.io.nifti import load_volume
from qsmkit.io.tables import read_table
from qsmkit.simulate.tissue import Label

NEAR = 2.0
"""mm."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """A true lesion: kind, RAS mm, radius in mm, χ_tot in ppm·mm³, and the candidate that hit it."""

    kind: str
    centre: np.ndarray
    radius: float
    total: float
    hit: Finding | None


@dataclass(frozen=True, eq=False)
class Patient:
    name: str
    lesions: list[Lesion]
    false: list[Finding]
    natural: list[Finding]
    sentence: str


def patients(bids: Path, recon: Path) -> Iterator[Patient]:
    for chi in sorted(recon.glob("sub-*/ses-*/anat/*_Chimap.nii.gz")):
        stem = chi.name.removesuffix("_Chimap.nii.gz")
        truth = bids / "derivatives" / "truth" / chi.relative_to(recon).parent / stem
        table = truth.parent.parent / f"{stem}_lesions.tsv"
        if "desc-" not in stem and table.is_file():
            yield patient(chi, truth, table)


def patient(chi: Path, truth: Path, table: Path) -> Patient:
    def beside(name: str) -> np.ndarray:
        return load_volume(chi.with_name(chi.name.replace("_Chimap", name))).data

    volume, inside, grid = load_volume(chi), beside("_desc-qsm_mask") > 0, load_volume(chi).grid
    found = detect(volume.data, inside, grid)
    measured = findings(
        found, volume.data, inside, grid, brain=beside("_desc-brain_mask") > 0, field=beside("_desc-local_fieldmap"),
        field_sd=beside("_desc-sd_fieldmap"), r2star=beside("_R2starmap"), field_strength=3.0, echo_time=0.028,
    )  # fmt: skip
    rows = read_table(table)
    centres = np.stack([rows.numbers(axis) for axis in "xyz"], 1)
    radii = np.cbrt(3 * np.array(rows.numbers("volume")) / (4 * np.pi))
    places = np.array([f.position for f in measured]).reshape(-1, 3)
    apart = np.linalg.norm(places[:, None] - centres, axis=-1) - radii
    taken = {int(j): i for i, j in zip(*np.nonzero(apart <= NEAR), strict=True)}  # the last hit is the weakest
    for i, j in sorted(zip(*np.nonzero(apart <= NEAR), strict=True), reverse=True):
        taken[int(j)] = int(i)
    lesions = [
        Lesion(kind, c, float(r), total, measured[taken[j]] if j in taken else None)
        for j, (kind, c, r, total) in enumerate(
            zip(rows.text("kind"), centres, radii, rows.numbers("chi_total"), strict=True)
        )
    ]
    labels = load_volume(truth.with_name(f"{truth.name}_dseg.nii.gz")).data
    alone = [f for i, f in enumerate(measured) if not (apart[i] <= NEAR).any()]
    natural = [f for f in alone if _calcified(labels, grid.voxel(f.position))]
    return Patient(chi.name.split("_")[0], lesions, [f for f in alone if f not in natural], natural, found.sentence())


def _calcified(labels: np.ndarray, voxel: np.ndarray) -> bool:
    low = np.maximum(np.rint(voxel).astype(int) - 1, 0)
    return bool((labels[tuple(slice(a, a + 3) for a in low)] == Label.CALCIFICATION).any())


def share(hits: int, of: int) -> str:
    low, high = stats.binomtest(hits, of).proportion_ci(method="wilson") if of else (np.nan, np.nan)
    return f"{hits}/{of} = {hits / max(of, 1):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bids", type=Path)
    parser.add_argument("recon", type=Path)
    parser.add_argument("--limit", type=float, default=1.0, help="χ_tot, ppm·mm³")
    parser.add_argument("--rows", action="store_true", help="print every miss and false positive")
    wanted = parser.parse_args()
    everyone = []
    for one in patients(wanted.bids, wanted.recon):
        everyone.append(one)
        bleeds = [x for x in one.lesions if x.kind == "microbleed"]
        false = [f for f in one.false if f.kind == "microbleed"]
        hits = sum(x.hit is not None and x.hit.kind == "microbleed" for x in bleeds)
        print(f"{one.name}: {hits} of {len(bleeds)} microbleeds, {len(false)} false; {one.sentence}", flush=True)
        if wanted.rows:
            for x in one.lesions:
                if x.hit is None or x.hit.kind != x.kind:
                    told = "missed" if x.hit is None else f"called {x.hit.kind}"
                    print(f"    {x.kind} ⌀ {2 * x.radius:.1f} mm, χ_tot {x.total:.2f}, at {np.round(x.centre)}: {told}")
            for f in one.false:
                place = np.round(f.position)
                print(f"    false {f.kind}, {f.confidence}, ⌀ {f.diameter:.1f} mm, {f.total}, at {place}")
    report(everyone, wanted.limit)


def report(everyone: list[Patient], limit: float) -> None:
    bleeds = [x for one in everyone for x in one.lesions if x.kind == "microbleed"]
    hit = [x for x in bleeds if x.hit is not None and x.hit.kind == "microbleed"]
    false = [f for one in everyone for f in one.false]
    n = max(len(everyone), 1)
    print(f"\n{len(everyone)} patients, {len(bleeds)} microbleeds")
    print(f"sensitivity, all: {share(len(hit), len(bleeds))}")
    visible = [x for x in bleeds if x.total >= limit]
    print(f"sensitivity, χ_tot ≥ {limit:g} ppm·mm³: {share(sum(x in hit for x in visible), len(visible))}")
    called = sum(f.kind == "microbleed" for f in false)
    other = len(false) - called
    print(f"false positives per patient: {called / n:.2f} microbleeds, {other / n:.2f} other candidates")
    signs = [(x.kind, x.hit.kind) for one in everyone for x in one.lesions if x.hit is not None]
    signs += [("calcification", f.kind) for one in everyone for f in one.natural]
    calcified = sum(a == "calcification" for a, _ in signs)
    print(f"sign: {share(sum(a == b for a, b in signs), len(signs))}, {calcified} of them calcified")
    both = [(x.hit, x.total) for one in everyone for x in one.lesions if x.hit is not None and x.hit.kind == x.kind]
    for name, pairs in (
        ("map", [(h.total, t) for h, t in both]), ("field", [(h.by_field, t) for h, t in both if h.by_field])
    ):  # fmt: skip
        if pairs:
            off = np.array([100 * (m.value / t - 1) for m, t in pairs])
            held = sum(m.low <= t <= m.high for m, t in pairs)
            low, middle, high = np.percentile(off, (5, 50, 95))
            print(f"χ_tot by the {name}: median error {middle:+.1f} % (90 % within {low:+.0f} … {high:+.0f} %), "
                  f"interval holds the truth in {share(held, len(pairs))}")  # fmt: skip


if __name__ == "__main__":
    main()
