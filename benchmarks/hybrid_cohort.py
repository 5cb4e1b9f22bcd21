"""The hybrid image over a cohort of digital patients: weights from other heads, contrast, statistics.

    .venv/bin/python -m benchmarks.hybrid_cohort COHORT RECON OUT [--null 1000] [--register]

COHORT is what `qsmkit simulate cohort --scenario dbs-gpi` wrote, RECON what `qsmkit recon` made of it; participants
without a susceptibility map are passed over. Regions are the truth's, as an expert would draw them; T1w, T2w and
FGATIR are the simulated scans, brought to the susceptibility map's grid by the true rigid transforms, or with
--register by those that `qsmkit register` finds (a minute each).

For every pair of structures and participant: `target hybrid` with the participant's own weights, then with weights from
all the others; `target cnr` on both sides by every formula; then `target cohort`. Once more with the weights that
maximise the smaller contrast of GPi against capsule and GPe. Printed: Fisher's weights against their closed form,
contrast of the hybrid image in and out of sample against each single image, and the false alarms of the tests over
null cohorts (29 subjects × 5 images that go together and spread unevenly).
"""

import argparse
import contextlib
import io
import time
from pathlib import Path

import numpy as np
from scipy import ndimage, stats

from qsmkit.app.cli import main as cli
from qsmkit.clinical.register import register, resample
from qsmkit.clinical.stats.repeated import corrected_p, friedman, repeated
from qsmkit.clinical.target.hybrid import Pair, fisher_weights
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.tables import read_table
from qsmkit.transform import Transform
from qsmkit.volume import Volume

LAMINA = 101
"""White matter between the pallidum's two parts; the truth has no label of its own for it."""

NAMES = {17: "gpe", 18: "gpi", 19: "stn", 20: "snc", 21: "snr", 22: "zona_incerta",
         23: "internal_capsule", 40: "nigra", LAMINA: "lamina"}  # fmt: skip

PAIRS = ("gpi:internal_capsule", "gpi:gpe", "gpi:lamina", "stn:nigra", "stn:zona_incerta")
SINGLE = ("T1w", "T2w", "FGATIR", "QSM")
BOTH = PAIRS[:2]
"""Pairs whose smaller contrast is maximised too."""

OWN = "hybrid, own weights"
MARGIN = 10
"""Voxels about the structures that are kept."""

NEAR = 2.0
"""Distance from both parts of the pallidum within which white matter counts as lamina, mm."""


def prepare(who: str, cohort: Path, recon: Path, out: Path, *, registered: bool) -> None:
    """Write images and labels of a participant on the grid of the susceptibility map."""
    if (out / f"{who}_dseg.nii.gz").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    stem, raw = f"{who}_ses-pre", cohort / who / "ses-pre" / "anat"
    chi = load_volume(recon / who / "ses-pre" / "anat" / f"{stem}_Chimap.nii.gz")
    inside = load_volume(recon / who / "ses-pre" / "anat" / f"{stem}_desc-qsm_mask.nii.gz").data > 0
    first = load_volume(raw / f"{stem}_echo-1_part-mag_MEGRE.nii.gz")
    truth = cohort / "derivatives" / "truth" / who / "ses-pre"
    made = {"QSM": np.where(inside, chi.data, np.nan).astype(np.float32)}
    for name, end in (("T1w", "T1w"), ("T2w", "T2w"), ("FGATIR", "acq-FGATIR_T1w")):
        moving = load_volume(raw / f"{stem}_{end}.nii.gz")
        found = searched(first, moving) if registered else true_transform(truth, stem, name)
        made[name] = resample(moving, chi.grid, found).data
    drawn = load_volume(truth / "anat" / f"{stem}_dseg.nii.gz")
    labels = np.rint(drawn.data).astype(np.int16)
    near = [ndimage.distance_transform_edt(labels != v, sampling=chi.grid.voxel_size) <= NEAR for v in (17, 18)]
    labels[(labels == 8) & near[0] & near[1]] = LAMINA
    labels[np.isin(labels, (20, 21))] = 40
    labels[~np.isin(labels, list(NAMES))] = 0
    near = np.argwhere(labels)
    low, high = np.maximum(near.min(0) - MARGIN, 0), np.minimum(near.max(0) + MARGIN + 1, labels.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    grid = chi.grid.cropped(tuple(low), tuple(high - low))
    for name, data in (made | {"dseg": labels}).items():
        save_volume(out / f"{who}_{name}.nii.gz", np.ascontiguousarray(data[box]), grid)


def searched(fixed: Volume, moving: Volume) -> Transform:
    """Return the transform that registration finds."""
    found = register(fixed, moving)
    bad = [g.text for g in found.gates if g.verdict == "FAIL"]
    if bad:
        raise SystemExit(f"registration fails: {'; '.join(bad)}")
    return found.transform


def true_transform(truth: Path, stem: str, name: str) -> Transform:
    """Return the transform from the gradient echo to another scan, over the head's own coordinates."""
    scan = f"acq-{name}_space-{name}" if name == "FGATIR" else f"space-{name}"
    here, there = (
        Transform(np.array(read_sidecar(truth / f"{s}_transforms.json")["matrix"])) for s in (stem, f"{stem}_{scan}")
    )
    return there.after(here.inverse())


def run(*arguments: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        status = cli.run([str(a) for a in arguments])
    if status:
        raise SystemExit(f"qsmkit {' '.join(map(str, arguments[:2]))} ended with {status}")


def compare(who: list[str], pairs: tuple[str, ...], images: Path, out: Path) -> list[Path]:
    """Make hybrid images for pairs, write tables of contrast and the cohort's report, return the sidecars."""

    def marks(w: str) -> tuple[object, ...]:
        return ("--labels", images / f"{w}_dseg.nii.gz", "--names", images / "names.tsv", "--pair", *pairs, "--by-side",
                "--overwrite")  # fmt: skip

    out.mkdir(parents=True, exist_ok=True)
    sources = {w: [images / f"{w}_T1w.nii.gz", images / f"{w}_QSM.nii.gz"] for w in who}
    for w in who:
        run("target", "hybrid", *sources[w], *marks(w), "--out", out / f"{w}_own.nii.gz")
    for w in who:
        others = [out / f"{v}_own.json" for v in who if v != w]
        run("target", "hybrid", *sources[w], *marks(w), "--fit-on", *others, "--out", out / f"{w}_hybrid.nii.gz")
        shown = [images / f"{w}_{i}.nii.gz" for i in SINGLE] + [out / f"{w}_{i}.nii.gz" for i in ("hybrid", "own")]
        run("target", "cnr", *shown, *marks(w), "--image-names", *SINGLE, "hybrid", OWN, "--out", out / f"{w}_cnr.tsv")
    run("target", "cohort", out, "--images", *SINGLE, "hybrid", "--out", out / "report", "--overwrite")
    return [out / f"{w}_own.json" for w in who]


def closed_form(sidecars: list[Path]) -> float:
    """Return the largest deviation of one pair's Fisher weights from Σ⁻¹Δ/|Σ⁻¹Δ|₁."""
    worst = 0.0
    for path in sidecars:
        for p in read_sidecar(path)["Pairs"]:
            d, a, b = (np.array(p[k]) for k in ("Difference", "RoiCovariance", "BackgroundCovariance"))
            solved = np.linalg.inv((a + b) / 2) @ d
            worst = max(worst, float(np.abs(fisher_weights(Pair(d, a, b)) - solved / np.abs(solved).sum()).max()))
    return worst


def false_alarms(cohorts: int) -> None:
    """Print how often each test rejects where nothing differs."""
    rng = np.random.default_rng(2026)
    spread = np.array([0.5, 0.6, 0.8, 1.4, 1.6])
    values = 4 + spread * (0.8 * rng.normal(size=(cohorts, 29, 1)) + 0.6 * rng.normal(size=(cohorts, 29, 5)))
    who, what = tuple(f"s{i}" for i in range(29)), (*SINGLE, "hybrid")
    one_way = stats.f.sf(stats.f_oneway(*np.moveaxis(values, -1, 0), axis=1).statistic, 4, 140)
    ranks = [friedman(repeated(v, who, what)).p for v in values[: min(cohorts, 300)]]
    print(f"false alarms over {cohorts} null cohorts of 29 × 5 at 5 %:")
    print(f"  repeated-measures ANOVA, Greenhouse–Geisser   {100 * (corrected_p(values) < 0.05).mean():.1f} %")
    print(f"  one-way ANOVA, as published                   {100 * (one_way < 0.05).mean():.1f} %")
    print(f"  Friedman ({len(ranks)} of them)                      {100 * (np.array(ranks) < 0.05).mean():.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("recon", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--null", type=int, default=1000)
    parser.add_argument("--register", action="store_true")
    told = parser.parse_args()
    false_alarms(told.null)
    images = told.out / "images"
    who = sorted(p.name for p in told.recon.glob("sub-*") if list(p.glob("ses-pre/anat/*_Chimap.nii.gz")))
    images.mkdir(parents=True, exist_ok=True)
    (images / "names.tsv").write_text("index\tname\n" + "".join(f"{i}\t{n}\n" for i, n in NAMES.items()))
    start = time.perf_counter()
    for w in who:
        prepare(w, told.cohort, told.recon, images, registered=told.register)
    print(f"{len(who)} participants on the grid of χ after {time.perf_counter() - start:.0f} s", flush=True)
    worst = 0.0
    for pair in PAIRS:
        out = told.out / pair.replace(":", "_")
        worst = max(worst, closed_form(compare(who, (pair,), images, out)))
        summary(out, (pair,))
    compare(who, BOTH, images, told.out / "both")
    summary(told.out / "both", BOTH)
    print(f"Fisher's weights are the closed form within {worst:.1g}")


def summary(out: Path, pairs: tuple[str, ...]) -> None:
    """Print each image's mean contrast (the smaller of two pairs), and how often the hybrid image has the most."""
    value: dict[tuple[str, str, str], float] = {}
    for t in map(read_table, sorted(out.glob("*_cnr.tsv"))):
        named = [t.text(c) for c in ("subject", "side", "image", "statistic")]
        for subject, side, image, statistic, v in zip(*named, t.numbers("value"), strict=True):
            if statistic == "cnr_mean_variance":
                value[subject, side, image] = min(v, value.get((subject, side, image), np.inf))
    heads = sorted({key[:2] for key in value})
    got = {i: np.array([value[*h, i] for h in heads]) for i in (*SINGLE, "hybrid", OWN)}
    rest = np.max([got[i] for i in SINGLE], 0)
    subject = {i: v.reshape(-1, 2).mean(1) for i, v in got.items()}
    rest_subject = np.max([subject[i] for i in SINGLE], 0)
    print(
        f"{' and '.join(pairs)}: " + ", ".join(f"{i} {v.mean():.2f}" for i, v in got.items())
        + f"; out of sample the hybrid has the most in {(got['hybrid'] >= rest).sum()} of {len(heads)} sides, "
        f"{(subject['hybrid'] >= rest_subject).sum()} of {len(rest_subject)} heads", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
