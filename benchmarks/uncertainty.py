"""Is the uncertainty true? Standard deviations that one scan predicts, against those of many scans of the same head.

    .venv/bin/python -m benchmarks.uncertainty [--voxel 2] [--snr 100] [--scans 20] [--predicting 4] [--repeats 8]
    [--recipe default linear] [--head BIDS]

The noise-free signal of a head gets fresh complex noise for every scan, and each scan is reconstructed from its phase,
with masks of its own. From a few of the scans, the uncertainty is predicted. Numbers are ppb unless they are ratios.

region    SD of the region's mean over the scans; predicted SD (root mean square over predicting scans); their ratio.
          N scans know an SD to 1/√(2(N − 1)) of itself: 16 % for 20.
depth     voxel-wise SD, by distance from the mask's edge: medians, and the ratio of the medians.
closed    for the linear recipe: the ratio with the prediction from field_sd in closed form, without repeats.
field_sd  the field's own standard deviation against the scans' spread (noise) and against the truth (noise and model).

With --head, magnitude and R2* come from the data set's truth and first echo, so that its noise stays in the magnitude.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.methods import pair_time
from benchmarks.patients import dataset, load
from scipy.ndimage import binary_dilation
from scipy.stats import t as student

import qsmkit.recon  # noqa: F401
from qsmkit.io.load import load as load_scan
from qsmkit.method import METHODS
from qsmkit.physics.smv import clearance
from qsmkit.pipeline.config import Recipe, load_recipe
from qsmkit.pipeline.reconstruct import reconstruct
from qsmkit.pipeline.run import Result
from qsmkit.recon.inversion.tkd import tkd
from qsmkit.recon.uncertainty.linear import region_covariance
from qsmkit.recon.uncertainty.noise import noise_share
from qsmkit.recon.uncertainty.repeats import region_means
from qsmkit.simulate.head import head
from qsmkit.simulate.tissue import PARENCHYMA, Label
from qsmkit.units import radians_per_ppm
from qsmkit.volume import Scan

BRIGHT = 99.5
DEPTHS = ((0, 3), (3, 6), (6, 12), (12, 99))
PPB = 1000
LINEAR = ("revsharp", "tkd", "reference_brain")


def simulated(voxel: float, snr: float) -> tuple[Scan, dict[str, Any], float]:
    """Return a noise-free scan, its truth, and the SD of the noise that makes the ratio `snr`."""
    made = head(voxel_size=(voxel,) * 3, snr=1e9)
    assert made.scan.magnitude is not None
    sigma = float(np.percentile(made.scan.magnitude[..., 0], BRIGHT)) / snr
    return made.scan, {**made.truth, "labels": made.labels}, sigma


def rebuilt(bids: Path, snr: float) -> tuple[Scan, dict[str, Any], float]:
    """Return the signal that the truth of a data set makes inside its brain; outside, the signal as it was measured."""
    folder, scan = dataset(bids), load_scan(bids)
    assert isinstance(scan, Scan)
    assert scan.magnitude is not None
    truth = {name: load(folder, f"true_{name}") for name in ("mask", "total_field", "r2star", "labels", "chi")}
    inside, times = truth["mask"][..., None], scan.echo_times
    turns = truth["total_field"][..., None] * radians_per_ppm(scan.field_strength, 1.0) * times
    decay = scan.magnitude[..., :1] * np.exp(-truth["r2star"][..., None] * (times - times[0]))
    phase = np.where(inside, np.angle(np.exp(1j * turns)), scan.phase).astype(np.float32)
    clean = replace(scan, phase=phase, magnitude=np.where(inside, decay, scan.magnitude).astype(np.float32))
    return clean, truth, float(np.percentile(scan.magnitude[..., 0], BRIGHT)) / snr


def scans(clean: Scan, sigma: float, count: int) -> Iterator[Scan]:
    for number in range(count):
        rng = np.random.default_rng(number)
        noise = rng.standard_normal((*clean.phase.shape, 2), np.float32).view(np.complex64)[..., 0]
        signal = clean.magnitude * np.exp(1j * clean.phase) + np.float32(sigma) * noise
        yield replace(clean, phase=np.angle(signal).astype(np.float32), magnitude=np.abs(signal).astype(np.float32))


def recipe_of(name: str) -> Recipe:
    """Return a recipe by name; "linear" is the default one with a linear end: REV-SHARP and TKD."""
    whole = load_recipe("default" if name == "linear" else name)
    steps = [s.model_dump(exclude_defaults=True) for s in whole.step if s.method != "r2star_nonlinear"]
    if name == "linear":
        steps = [s for s in steps if s["method"] not in ("tfi", "reference_brain")] + [{"method": m} for m in LINEAR]
    return Recipe.model_validate({"name": name, "description": whole.description, "step": steps})


def predicted(result: Result, labels: np.ndarray) -> dict[int, float]:
    """Return the SD of each region's mean in ppm."""
    assert result.uncertainty
    mask = result.uncertainty.mask
    found = region_means(result.artifacts["chi"][mask], result.uncertainty.deviations, labels[mask])
    factor = student.ppf(0.975, result.uncertainty.repeats - 1)
    return {label: (m.high - m.value) / factor for label, m in found.items()}


def closed(result: Result, scan: Scan, labels: np.ndarray) -> dict[int, float]:
    """Return the SD of each region's mean in ppm, as the noise in field_sd gives it through TKD."""
    have = result.artifacts
    noise = have["field_sd"] * np.float32(noise_share(have["fit_residual"], scan.magnitude, have["mask"]))
    taper = METHODS["voxel_average"].parameters["taper"].default
    return region_covariance(tkd, noise, have["mask"], scan.grid, labels, reference=have["mask"], taper=taper).sd()


def judge(
    name: str, clean: Scan, truth: dict[str, Any], sigma: float, count: int, predicting: int, repeats: int
) -> None:
    """Print the tables of one recipe."""
    labels = truth["labels"].astype(int)
    chis, masks, fields, field_sds, sigmas, regions, formulas = [], [], [], [], [], [], []
    plain = extra = 0.0
    share = []
    for number, scan in enumerate(scans(clean, sigma, count)):
        start = time.perf_counter()
        result = reconstruct(scan, recipe_of(name), uncertainty=repeats if number < predicting else 0)
        plain += time.perf_counter() - start
        if result.uncertainty:
            extra += result.uncertainty.seconds
            plain -= result.uncertainty.seconds
            sigmas.append(result.artifacts["sigma_chi"])
            regions.append(predicted(result, labels))
            if name == "linear":
                formulas.append(closed(result, scan, labels))
            share.append(result.uncertainty.noise / sigma)
        have = result.artifacts
        chis.append(have["chi"])
        masks.append(have["mask"])
        fields.append(have["total_field"])
        field_sds.append(have["field_sd"])
    inside = np.all(masks, axis=0)
    print(f"\n{name}: {count} scans, {predicting} predicting with {repeats} repeats each")
    unit = pair_time(clean.grid.shape)
    print(f"time: reconstruction {plain / count / unit:.0f} U, a repeat {extra / predicting / repeats / unit:.0f} U")
    print(f"noise found / true noise of the signal: {np.mean(share):.2f}")
    print(f"{'region':<16}{'voxels':>8}{'SD':>9}{'predicted':>11}{'ratio':>8}{'closed':>9}")
    for label in PARENCHYMA:
        here = inside & (labels == label)
        if here.any():
            sd = np.std([c[here].mean(dtype=np.float64) for c in chis], ddof=1)
            guess = np.sqrt(np.mean([r[label] ** 2 for r in regions]))
            title = Label(label).name.lower()
            more = np.sqrt(np.mean([f[label] ** 2 for f in formulas])) / sd if formulas else np.nan
            print(f"{title:<16}{here.sum():>8}{PPB * sd:>9.3f}{PPB * guess:>11.3f}{guess / sd:>8.2f}{more:>9.2f}")
    depth = clearance(inside, clean.grid.voxel_size, DEPTHS[-1][1])
    spread, guess = np.std(chis, axis=0, ddof=1), np.sqrt(np.mean(np.square(sigmas), axis=0))
    by_depth(spread, guess, depth, "χ")
    spread, guess = np.std(fields, axis=0, ddof=1), np.sqrt(np.mean(np.square(field_sds), axis=0))
    by_depth(spread, guess, depth, "field_sd, noise")
    error = np.sqrt(np.mean(np.square(np.array(fields) - truth["total_field"]), axis=0))
    by_depth(error, guess, depth, "field_sd, error")
    veins = labels == Label.VEIN
    for what, here in (("veins", veins), ("next to veins", binary_dilation(veins) & ~veins)):
        here = here & inside
        ratios = [np.median(guess[here]) / np.median(x[here]) for x in (spread, error)]
        print(f"field_sd in voxels {what}: {ratios[0]:.2f} of the noise, {ratios[1]:.2f} of the error")


def by_depth(spread: np.ndarray, guess: np.ndarray, depth: np.ndarray, what: str) -> None:
    cells = []
    for low, high in DEPTHS:
        here = (depth > low) & (depth <= high)
        one, other = np.median(spread[here]), np.median(guess[here])
        cells.append(f"{low}–{high} mm: {PPB * one:.2f} {PPB * other:.2f} {other / one:.2f}")
    print(f"{what:<16} scans, predicted, ratio   " + "   ".join(cells))


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benchmarks.uncertainty", description=__doc__, formatter_class=raw)
    parser.add_argument("--voxel", type=float, default=2.0, help="mm")
    parser.add_argument("--snr", type=float, default=100.0, help="bright signal of the first echo over noise")
    parser.add_argument("--scans", type=int, default=20, help="scans of the same head")
    parser.add_argument("--predicting", type=int, default=4, help="how many of them predict their uncertainty")
    parser.add_argument("--repeats", type=int, default=8, help="repeats of each prediction")
    parser.add_argument("--recipe", nargs="+", default=["default", "linear"])
    parser.add_argument("--head", type=Path, help="BIDS data set of one head with its truth under derivatives/truth")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    make: Callable[[], tuple[Scan, dict[str, Any], float]] = (
        (lambda: rebuilt(arguments.head, arguments.snr)) if arguments.head
        else (lambda: simulated(arguments.voxel, arguments.snr))
    )  # fmt: skip
    clean, truth, sigma = make()
    for name in arguments.recipe:
        judge(name, clean, truth, sigma, arguments.scans, arguments.predicting, arguments.repeats)


if __name__ == "__main__":
    main()
