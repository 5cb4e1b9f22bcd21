"""How well `qsmkit nuclei` outlines the nuclei of digital patients, from χ as it is reconstructed.

    python -m benchmarks.nuclei BIDS RECON SUBJECTS [--atlas ATLAS] [--only-chi]

BIDS is a cohort of `qsmkit simulate cohort` with its truth, RECON the folder of `qsmkit recon`, SUBJECTS labels such as
011 or 011-020. Prints the median and the worst Dice coefficient and centroid error of each nucleus, and writes one row
a subject, nucleus and side to benchmarks/out/nuclei.csv.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from benchmarks.patients import OUT

from qsmkit.clinical.nuclei.findings import dice
from qsmkit.clinical.nuclei.segment import Nuclei, segment
from qsmkit.clinical.nuclei.structures import SIDES, structures
from qsmkit.io.nifti import load_volume
from qsmkit.io.tables import read_table, write_table
from qsmkit.pipeline.nuclei import BUILT_IN, load_atlas

NIGRA = ("snc", "snr")

FRONT = "caudate, head and body"
"""What of the caudate lies in front of PC: atlases differ on whether its thin tail belongs to it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bids", type=Path)
    parser.add_argument("recon", type=Path)
    parser.add_argument("subjects", nargs="+")
    parser.add_argument("--atlas", default=BUILT_IN)
    parser.add_argument("--only-chi", action="store_true", help="leave out T1w")
    parser.add_argument("--out", type=Path, default=OUT / "nuclei.csv")
    given = parser.parse_args()
    atlas, _ = load_atlas(given.atlas)
    rows: list[dict[str, object]] = []
    for label in (s for group in given.subjects for s in _labels(group)):
        start, cpu = time.perf_counter(), time.process_time()
        found, truth, centres = _segmented(given.bids, given.recon, f"sub-{label}", atlas, given.only_chi)
        took = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
        rows += [{"subject": label, **row, **took} for row in _rows(found, truth, centres)]
        write_table(given.out, rows, overwrite=True)
        print(f"sub-{label}: {took['cpu_seconds']:.0f} s of processor, {took['seconds']:.0f} s", flush=True)
    _print(rows, atlas.name)


def _labels(group: str) -> list[str]:
    first, _, last = group.partition("-")
    return [first] if not last else [f"{n:0{len(first)}d}" for n in range(int(first), int(last) + 1)]


def _segmented(bids: Path, recon: Path, subject: str, atlas, only_chi: bool):
    def image(root: Path, ending: str):
        return load_volume(root / subject / "ses-pre" / "anat" / f"{subject}_ses-pre_{ending}.nii.gz")

    truth = bids / "derivatives" / "truth"
    found = segment(
        image(recon, "Chimap"), atlas, magnitude=image(bids, "echo-1_part-mag_MEGRE"),
        t1w=None if only_chi else image(bids, "T1w"), mask=image(recon, "desc-qsm_mask").data > 0,
    )  # fmt: skip
    return found, np.rint(image(truth, "dseg").data).astype(int), _landmarks(truth, subject)


def _landmarks(truth: Path, subject: str) -> dict[tuple[str, str], np.ndarray]:
    """Return true centroids by nucleus and side; the scan of the cohort lies in the head's own space."""
    table = read_table(truth / "landmarks.tsv")
    points = np.array([table.numbers(axis) for axis in "xyz"]).T
    names = {"rn": "red_nucleus", "nacc": "accumbens"}
    found = {}
    texts = (table.text(c) for c in ("participant_id", "scan", "name"))
    for who, where, name, point in zip(*texts, points, strict=True):
        nucleus, _, side = name.lower().rpartition("_")
        if who == subject and where == "head" and side.upper() in SIDES:
            found[names.get(nucleus, nucleus), side.upper()] = point
    return found


def _rows(found: Nuclei, truth: np.ndarray, centres: dict[tuple[str, str], np.ndarray]):
    grid = found.labels.grid
    for f in found.table:
        whole, mine = truth == f.label, found.mask(f.name, f.side)
        true = whole & _nearer(grid, whole, centres, f.name, f.side)
        yield {
            "nucleus": f.name, "side": f.side, "dice": dice(mine, true),
            "centroid_mm": float(np.linalg.norm(grid.world(np.argwhere(true).mean(0)) - f.centroid)),
            "volume_mm3": f.volume.value, "true_mm3": float(true.sum() * grid.voxel_volume), "chi": f.chi.value,
            "posterior": f.posterior, "agreement": f.agreement, "confidence": f.confidence, "verdict": f.verdict,
        }  # fmt: skip
    frame = found.commissures.transform("PC")
    for side in SIDES:
        for name, parts in (("sn", NIGRA), (FRONT, ("caudate",))):
            mine = np.any([found.mask(n, side) for n in parts], axis=0)
            whole = np.isin(truth, [structures()[n].label for n in parts])
            true = whole & _nearer(grid, whole, centres, parts[-1], side)
            if name == FRONT:
                mine, true = (_in_front(m, grid, frame) for m in (mine, true))
            apart = float(np.linalg.norm(grid.world(np.argwhere(true).mean(0)) - grid.world(np.argwhere(mine).mean(0))))
            yield {"nucleus": name, "side": side, "dice": dice(mine, true), "centroid_mm": apart}


def _nearer(grid, inside: np.ndarray, centres, name: str, side: str) -> np.ndarray:
    """Return the voxels of a mask that are nearer to the middle of the nucleus on this side than on the other."""
    index = np.argwhere(inside)
    apart = {s: np.linalg.norm(grid.world(index) - centres[name, s], axis=1) for s in SIDES}
    other = next(s for s in SIDES if s != side)
    kept = np.zeros(inside.shape, bool)
    kept[tuple(index[apart[side] < apart[other]].T)] = True
    return kept


def _in_front(inside: np.ndarray, grid, frame) -> np.ndarray:
    index = np.argwhere(inside)
    kept = np.zeros(inside.shape, bool)
    kept[tuple(index[frame.apply(grid.world(index))[:, 1] > 0].T)] = True
    return kept


def _print(rows: list[dict[str, object]], atlas: str) -> None:
    print(f"\natlas: {atlas}; {len({r['subject'] for r in rows})} patients, both sides")
    print(f"{'nucleus':24s} {'Dice: median':>12s} {'worst':>6s} {'centroid, mm: median':>21s} {'worst':>6s}")
    for name in dict.fromkeys(r["nucleus"] for r in rows):
        overlap, apart = (np.array([r[c] for r in rows if r["nucleus"] == name]) for c in ("dice", "centroid_mm"))
        print(f"{name:24s} {np.median(overlap):12.3f} {overlap.min():6.3f} {np.median(apart):21.2f} {apart.max():6.2f}")


if __name__ == "__main__":
    main()
