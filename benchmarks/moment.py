"""Does the field say how much is in a small source, whatever the echo time and the voxel, while its shadow grows?

    .venv/bin/python -m benchmarks.moment [--draws 40] [--snr 60]

A sphere of known total susceptibility lies off the voxels' centres in tissue with a curved background field. Its field,
its relaxation and the dephasing within voxels make the complex signal of a single echo on samples three and more times
finer than the voxels; k-space is cropped; noise comes last. Phase is unwrapped (ROMEO), and the dipole fitted.

error       of χ_tot, mean over draws, percent
covered     share of draws whose 95 % interval holds the truth
shadow      volume where the magnitude is below 70 % of the tissue's, over the sphere's volume
iron        the same depot read as iron oxide by `quantify spio`, percent error of the mass in µg
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qsmkit.arrays import FloatArray
from qsmkit.clinical.quantify.moment import DipoleFit, fit_dipole
from qsmkit.clinical.quantify.spio import iron_mass
from qsmkit.grid import Grid
from qsmkit.physics.magnetism import saturated_iron_ug
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.recon.unwrap.romeo import romeo
from qsmkit.simulate.resample import crop_kspace
from qsmkit.units import radians_per_ppm

FIELD, SIZE, SEEN, SHADOW = 3.0, 40.0, 26.0, 0.7
"""T; edge of the tissue and of the part of it that is looked at, mm; share of the tissue's magnitude that is dark."""
ECHOES, VOXELS = (0.010, 0.020, 0.030, 0.040), (0.6, 1.0, 1.5)
SPHERES = ((2.0, 1.0), (4.0, 0.5), (6.0, 0.8))
"""Diameter, mm, and susceptibility, ppm."""


@dataclass(frozen=True, eq=False)
class Sphere:
    """One echo's signal around a sphere: (X, Y, Z) complex, its grid, centre in RAS mm, and the sphere's χ_tot."""

    signal: np.ndarray
    grid: Grid
    centre: np.ndarray
    total: float
    volume: float


def sphere(diameter: float, chi: float, voxel: float, echo_time: float, *, tilt: float = 15.0) -> Sphere:
    """Return the noise-free signal of a sphere in tissue of amplitude one and R2* of 20/s."""
    n = 2 * round(SIZE / voxel / 2)
    grid = Grid.tilted((n, n, n), (voxel,) * 3, tilt=tilt)
    parts = int(np.ceil(voxel / 0.3)) + 1
    step = np.arange(n * parts) / parts
    points = grid.world(np.stack(np.meshgrid(step, step, step, indexing="ij"), -1)).astype(np.float32)
    centre = np.array([0.23, -0.31, 0.17]) * voxel
    away = points - centre.astype(np.float32)
    square, radius = (away**2).sum(-1), diameter / 2
    inside = square < radius**2
    square = np.maximum(square, radius**2)
    field = ~inside * chi * radius**3 / 3 * (3 * away[..., 2] ** 2 / square - 1) / square**1.5
    field += 0.02 + 0.003 * points[..., 0] - 0.002 * points[..., 2] + 1e-4 * points[..., 0] * points[..., 1]
    rate = np.where(inside, 20 + RELAXIVITY * chi, 20).astype(np.float32)
    signal = np.exp(-echo_time * rate + 1j * radians_per_ppm(FIELD, echo_time) * field).astype(np.complex64)
    # Tissue ends softly: an edge of the image that cuts through phase would ring into the part that is looked at.
    signal *= np.clip(SIZE / 2 - np.linalg.norm(points, axis=-1, ord=np.inf), 0, 3) / 3
    signal, volume = crop_kspace(signal, grid.shape), float(np.pi / 6 * diameter**3)
    rim = round((SIZE - SEEN) / 2 / voxel)
    part = grid.cropped((rim,) * 3, (n - 2 * rim,) * 3)
    return Sphere(signal[rim:-rim, rim:-rim, rim:-rim], part, centre, chi * volume, volume)


def measure(
    made: Sphere, echo_time: float, sd: float, rng: np.random.Generator, *, diameter: float
) -> tuple[DipoleFit, FloatArray]:
    """Return the fit to a sphere's signal with complex noise of so much SD, from phase to moment."""
    noise = rng.standard_normal((*made.signal.shape, 2)).astype(np.float32).view(np.complex64)[..., 0]
    signal = made.signal + np.float32(sd) * noise
    magnitude, inside = np.abs(signal), np.ones(signal.shape, np.bool_)
    turn = radians_per_ppm(FIELD, echo_time)
    phase = np.angle(signal)[..., None]
    unwrapped = romeo(phase, np.array([echo_time]), inside, made.grid, magnitude[..., None])
    field, sigma = unwrapped[..., 0] / turn, sd / np.maximum(magnitude, sd) / turn
    return fit_dipole(
        field, made.grid, made.grid.world(np.rint(made.grid.voxel(made.centre))), radius=diameter / 2, sigma=sigma,
        field_strength=FIELD, echo_time=echo_time,
    ), magnitude  # fmt: skip


def rows(draws: int, snr: float) -> Iterator[str]:
    for diameter, chi in SPHERES:
        for voxel in VOXELS:
            for echo_time in ECHOES:
                made = sphere(diameter, chi, voxel, echo_time)
                # noise per voxel falls with its volume; snr is that of 1 mm at echo time zero
                sd, rng = 1 / (snr * voxel**3), np.random.default_rng(7)
                found = [measure(made, echo_time, sd, rng, diameter=diameter) for _ in range(draws)]
                totals = np.array([f.total.value for f, _ in found])
                covered = np.mean([f.total.low <= made.total <= f.total.high for f, _ in found])
                magnitude = found[0][1]
                dark = (magnitude < SHADOW * np.median(magnitude)).sum() * made.grid.voxel_volume / made.volume
                iron = [iron_mass(f.total, FIELD).value for f, _ in found]
                off = np.mean(iron) / saturated_iron_ug(made.total, FIELD) - 1
                yield (
                    f"{diameter:4.0f} {chi:5.1f} {voxel:5.1f} {1000 * echo_time:4.0f} {made.total:8.2f} "
                    f"{100 * (totals.mean() / made.total - 1):+7.1f} {100 * totals.std() / made.total:6.1f} "
                    f"{100 * covered:6.1f} {dark:7.2f} {100 * off:+6.1f}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--snr", type=float, default=60.0, help="of tissue, voxel 1 mm, echo time zero")
    wanted = parser.parse_args()
    print("  mm   ppm voxel   TE ppm·mm³  error%    SD% covered% shadow  iron%")
    for row in rows(wanted.draws, wanted.snr):
        print(row, flush=True)


if __name__ == "__main__":
    main()
