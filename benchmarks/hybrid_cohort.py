"""The hybrid image over a cohort of digital patients: weights from other heads, contrast, statistics.

    .venv/bin/python -m benchmarks.hybrid_cohort COHORT RECON OUT [--null 1000]

COHORT is what `qsmkit simulate cohort --scenario dbs-gpi` wrote, RECON what `qsmkit recon` made of it; participants
without a susceptibility map are passed over. Regions are the truth's, as an expert would draw them; T1w, T2w and
FGATIR are the simulated scans, brought to the susceptibility map's grid by `qsmkit register`'s rigid registration.

For every participant: `target hybrid` with the participant's own weights, then with weights from all the others;
`target cnr` on both sides by every formula; then `target cohort`. Printed: Fisher's weight against its closed form,
contrast of the hybrid image in and out of sample against each single image, and the false alarms of the tests over
null cohorts (29 subjects × 5 images that go together and spread unevenly).
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy import ndimage, stats

from qsmkit.app.cli import main as cli
from qsmkit.clinical.register import register, resample
from qsmkit.clinical.stats.repeated import corrected_p, friedman, repeated
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.sidecar import read_sidecar
from qsmkit.io.tables import read_table

LAMINA = 101
"""White matter between the pallidum's two parts; the truth has no label of its own for it."""

NAMES = {8: "white_matter", 17: "gpe", 18: "gpi", 19: "stn", 20: "snc", 21: "snr", 22: "zona_incerta",
         23: "internal_capsule", 40: "nigra", LAMINA: "lamina"}  # fmt: skip

PAIRS = ("gpi:internal_capsule", "gpi:gpe", "gpi:lamina", "stn:nigra", "stn:zona_incerta")
IMAGES = ("T1w", "T2w", "FGATIR", "QSM", "hybrid")
TARGETS = ("gpi:internal_capsule", "gpi:gpe")
"""Pairs whose smaller contrast the hybrid image's weights maximise."""

NEAR = 2.0
"""Distance from both parts of the pallidum within which white matter counts as lamina, mm."""


def prepare(who: str, cohort: Path, recon: Path, out: Path) -> None:
    """Write images and labels of a participant on the grid of the susceptibility map."""
    if (out / f"{who}_dseg.nii.gz").exists():
        return
    out.mkdir(parents=True, exist_ok=True)
    stem, raw = f"{who}_ses-pre", cohort / who / "ses-pre" / "anat"
    chi = load_volume(recon / who / "ses-pre" / "anat" / f"{stem}_Chimap.nii.gz")
    inside = load_volume(recon / who / "ses-pre" / "anat" / f"{stem}_desc-qsm_mask.nii.gz").data > 0
    first = load_volume(raw / f"{stem}_echo-1_part-mag_MEGRE.nii.gz")
    save_volume(out / f"{who}_QSM.nii.gz", np.where(inside, chi.data, np.nan).astype(np.float32), chi.grid)
    for name, end in (("T1w", "T1w"), ("T2w", "T2w"), ("FGATIR", "acq-FGATIR_T1w")):
        moving = load_volume(raw / f"{stem}_{end}.nii.gz")
        found = register(first, moving)
        bad = [g.name for g in found.gates if g.verdict == "FAIL"]
        if bad:
            raise SystemExit(f"{who} {name}: registration fails {bad}")
        save_volume(out / f"{who}_{name}.nii.gz", resample(moving, chi.grid, found.transform).data, chi.grid)
    truth = load_volume(cohort / "derivatives" / "truth" / who / "ses-pre" / "anat" / f"{stem}_dseg.nii.gz")
    labels = np.rint(truth.data).astype(np.int16)
    near = [ndimage.distance_transform_edt(labels != v, sampling=chi.grid.voxel_size) <= NEAR for v in (17, 18)]
    labels[(labels == 8) & near[0] & near[1]] = LAMINA
    labels[np.isin(labels, (20, 21))] = 40
    labels[~np.isin(labels, list(NAMES))] = 0
    save_volume(out / f"{who}_dseg.nii.gz", labels, chi.grid)


def run(*arguments: object) -> None:
    status = cli.run([str(a) for a in arguments])
    if status:
        raise SystemExit(f"qsmkit {' '.join(map(str, arguments[:2]))} ended with {status}")


def hybrid(who: str, out: Path, name: str, *more: object) -> Path:
    """Make a hybrid image and return its sidecar."""
    made = out / f"{who}_{name}.nii.gz"
    sources = (out / f"{who}_T1w.nii.gz", out / f"{who}_QSM.nii.gz")
    marks = ("--labels", out / f"{who}_dseg.nii.gz", "--names", out / "names.tsv", "--pair", *TARGETS, "--by-side")
    run("target", "hybrid", *sources, *marks, "--out", made, "--overwrite", "--json", *more)
    return made.with_name(f"{who}_{name}.json")


def closed_form(sidecars: list[Path]) -> float:
    """Return the largest deviation of one pair's Fisher weights from Σ⁻¹Δ/|Σ⁻¹Δ|₁."""
    from qsmkit.clinical.target.hybrid import Pair, fisher_weights

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
    who, what = tuple(f"s{i}" for i in range(29)), IMAGES
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
    told = parser.parse_args()
    false_alarms(told.null)
    images = told.out / "images"
    who = sorted(p.name for p in told.recon.glob("sub-*") if list(p.glob("ses-pre/anat/*_Chimap.nii.gz")))
    images.mkdir(parents=True, exist_ok=True)
    (images / "names.tsv").write_text("index\tname\n" + "".join(f"{i}\t{n}\n" for i, n in NAMES.items()))
    start = time.perf_counter()
    for w in who:
        prepare(w, told.cohort, told.recon, images)
    print(f"{len(who)} participants on the grid of χ after {time.perf_counter() - start:.0f} s", flush=True)
    own = {w: hybrid(w, images, "own") for w in who}
    print(f"Fisher's weights are the closed form within {closed_form(list(own.values())):.1g}")
    for w in who:
        hybrid(w, images, "hybrid", "--fit-on", *(p for v, p in own.items() if v != w))
        made = [images / f"{w}_{i}.nii.gz" for i in IMAGES]
        run(
            "target", "cnr", *made, images / f"{w}_own.nii.gz", "--labels", images / f"{w}_dseg.nii.gz", "--names",
            images / "names.tsv", "--pair", *PAIRS, "--by-side", "--image-names", *IMAGES, "hybrid, own weights",
            "--out", told.out / "tables" / f"{w}_cnr.tsv", "--overwrite", "--json",
        )  # fmt: skip
    run("target", "cohort", told.out / "tables", "--images", *IMAGES, "--out", told.out / "report", "--overwrite")
    summary(told.out)


def summary(out: Path) -> None:
    """Print each image's mean contrast, and in how many sides the out-of-sample hybrid image has the most."""
    table = [read_table(f) for f in sorted((out / "tables").glob("*_cnr.tsv"))]
    value = {
        (t.text("subject")[i], t.text("side")[i], t.text("pair")[i], t.text("image")[i]): t.numbers("value")[i]
        for t in table for i, s in enumerate(t.text("statistic")) if s == "cnr_mean_variance"
    }  # fmt: skip
    for pair in PAIRS:
        heads = sorted({(s, side) for s, side, p, _ in value if p == pair})
        got = {i: np.array([value[s, side, pair, i] for s, side in heads]) for i in (*IMAGES, "hybrid, own weights")}
        best = sum(got["hybrid"][n] >= max(got[i][n] for i in IMAGES[:-1]) for n in range(len(heads)))
        means = ", ".join(f"{i} {v.mean():.2f}" for i, v in got.items())
        print(f"{pair}: {means}; the out-of-sample hybrid is the best of {best} of {len(heads)} sides")


if __name__ == "__main__":
    main()
