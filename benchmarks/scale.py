"""How time grows with the volume: one head on grids of 128³ to 256³, and the exponent of time in voxels.

    .venv/bin/python -m benchmarks.scale [--sizes 128 160 192 256] [--only NAME ...] [--repeats 3]

The head of the smallest size is resampled to the others: the same anatomy and noise on finer voxels. Iterations are not
held fixed: a method that needs more of them on finer voxels shows it.

s          shortest wall time of the repeats, all threads.
cpu        processor time of that run over all threads, which other work on the machine disturbs less.
exponent   slope of log time over log voxels, least squares; 1 is proportional to the volume.
"""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.methods import register, supply
from benchmarks.patients import simulated
from scipy.ndimage import zoom

from qsmkit.artifacts import ARTIFACTS
from qsmkit.compiled import thread_count
from qsmkit.grid import Grid
from qsmkit.method import METHODS, Method

MAIN = ("tkd", "tikhonov", "vsharp", "tv", "rts", "tfi")


def resampled(values: dict[str, Any], size: int) -> dict[str, Any]:
    """Return inputs on a grid of size³ over the same field of view."""
    grid: Grid = values["grid"]
    factors = np.array([size / n for n in grid.shape])
    finer: dict[str, Any] = {}
    for name, value in values.items():
        kind = ARTIFACTS[name].kind
        if kind in ("map", "mask"):
            finer[name] = zoom(value, factors, order=0 if kind == "mask" else 1, grid_mode=True, mode="nearest")
        elif kind == "series":
            finer[name] = np.stack([zoom(v, factors, order=1, grid_mode=True, mode="nearest")
                                    for v in np.moveaxis(value, -1, 0)], -1)  # fmt: skip
        else:
            finer[name] = value
    affine = grid.affine.copy()
    affine[:3, :3] /= factors
    affine[:3, 3] += grid.affine[:3, :3] @ (0.5 / factors - 0.5)
    return finer | {"grid": Grid((size, size, size), affine)}


def shortest(method: Method, values: dict[str, Any], repeats: int) -> tuple[float, float]:
    """Return wall and processor time, s, of the quickest of some runs after one that is not counted."""
    runs = []
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        method.function(**values)
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(runs[1:])


def exponent(voxels: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(voxels), np.log(seconds), 1)[0])


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=__doc__, formatter_class=raw)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 160, 192, 256], help="voxels along each axis")
    parser.add_argument("--only", nargs="+", default=MAIN, metavar="NAME", help="measure these methods")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the quickest counts")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    register()
    sizes = sorted(arguments.sizes)
    smallest = sizes[0]
    folder: Path = simulated((smallest, smallest, smallest))
    print(f"{thread_count()} threads; wall s / cpu s at each size")
    print(f"{'method':<12}" + "".join(f"{f'{n}³':>16}" for n in sizes) + f"{'exponent':>12}{'of cpu':>8}")
    for name in arguments.only:
        inputs, times = supply(METHODS[name], folder), []
        print(f"{name:<12}", end="", flush=True)
        for size in sizes:
            times.append(shortest(METHODS[name], resampled(inputs, size), arguments.repeats))
            print(f"{times[-1][0]:>8.2f}{times[-1][1]:>8.2f}", end="", flush=True)
        voxels = [n**3 for n in sizes]
        print(f"{exponent(voxels, [w for w, _ in times]):>12.2f}{exponent(voxels, [c for _, c in times]):>8.2f}")


if __name__ == "__main__":
    main()
