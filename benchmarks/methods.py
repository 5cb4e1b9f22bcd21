"""Every registered method on one simulated head: time, memory and error, in one table.

    .venv/bin/python -m benchmarks.methods [--size 160 192 168 | --head BIDS] [--only NAME ...] [--stage STAGE ...]
    [--json] [--fresh]

Each method runs in a process of its own, with true artifacts as inputs: fields carry the noise that the
scan's magnitude implies, phase is free of its offset except for methods that remove it, what a plain scan
does not hold (coils, orientations, R2) comes from benchmarks.companions, and what the simulation does not
know (a phase quality, a reference region) is made by the first registered method that can.

U       time in units of one scipy.fft float32 rfftn + irfftn pair of that size, all threads, median of seven,
measured in
        the same process just before; a run on a crop of the inputs compiles the loops beforehand.
volumes peak memory above the inputs, in float32 volumes of that size: the resident set's high-water mark,
because
        tracemalloc does not see the buffers of pocketfft and numba.
error   by product: see SCORES.

A new method appears by being registered.
"""

import argparse
import ctypes
import gc
import importlib
import json
import math
import pkgutil
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
from benchmarks.companions import COMPANIONS, truths
from benchmarks.patients import SIZE, dataset, load, simulated, wrap

import qsmkit.recon
from qsmkit import metrics
from qsmkit.artifacts import ARTIFACTS
from qsmkit.compiled import thread_count
from qsmkit.errors import InputError
from qsmkit.method import METHODS, STAGES, Method, load_plugins

WARM_UP = 48
REPEATS, ENOUGH = 3, 5.0

UNCUT = ("vector", "directions", "value", "grid")
"""Kinds of artifact that have no voxels, or their own way to be cropped."""
ONE_OF = {"minip": "swi"}
"""Methods that want one of several artifacts, though none of them in particular, and which they get."""


class Unsupplied(Exception):
    """Nothing provides an artifact that a method needs."""


# --- inputs -------------------------------------------------------------------------------------------------


def supply(method: Method, folder: Path, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the inputs of a method, or raise Unsupplied."""
    values = {}
    wanted = {*method.needs, *((ONE_OF[method.name],) if method.name in ONE_OF else ())}
    for name in (*method.needs, *method.uses):
        if name == "phase" and "phase" in method.produces:
            values[name] = load(folder, "raw_phase")
        elif (folder / f"{name}.npy").exists():
            values[name] = load(folder, name)
        elif name in COMPANIONS and name not in values:
            values |= {n: v for n, v in COMPANIONS[name](folder).items() if n in (*method.needs, *method.uses)}
        elif name in wanted and name not in values:
            values[name] = make(name, folder, (*seen, method.name))
    return values


def make(name: str, folder: Path, seen: tuple[str, ...]) -> Any:
    """Return an artifact made by the first method that produces it from what is at hand."""
    for method in METHODS.values():
        if name in method.produces and name not in method.needs and method.name not in seen:
            try:
                return products(method, method.function(**supply(method, folder, seen)))[name]
            except Unsupplied:
                continue
    raise Unsupplied(name)


def products(method: Method, result: Any) -> dict[str, Any]:
    return {method.produces[0]: result} if len(method.produces) == 1 and not isinstance(result, tuple) \
        else result._asdict()


# --- the scores ---------------------------------------------------------------------------------------------


def score_map(name: str, product: dict[str, Any], folder: Path) -> dict[str, float]:
    """NRMSE (demeaned) in the true mask where the map is not zero, and how much of the true mask that is."""
    parts = truths(folder)
    truth, mask = parts[name] if name in parts else load(folder, f"true_{name}"), load(folder, "true_mask")
    m = mask & (product[name] != 0) & product.get("mask", mask)
    of = "local_" if name == "local_field" and "chi" in product else f"{name[4:]}_" if name in parts else ""
    found = {f"{of}nrmse_%": metrics.nrmse(product[name][m], truth[m]), "coverage": m.sum() / mask.sum()}
    if name == "chi":
        matched = product[name] - (product[name][m].mean() - truth[m].mean())
        found["xsim"] = metrics.xsim(matched, truth, m)
    return found


def score_phase(name: str, product: dict[str, Any], folder: Path) -> dict[str, float]:
    """Spread of what is left of the phase offset, relative to echo time zero, rad."""
    mask = load(folder, "true_mask")
    rest = wrap(product[name] - load(folder, "phase"))[mask]
    rest = wrap(rest - np.angle(np.exp(1j * rest).mean(0)))
    return {"offset_left_rad": float(np.sqrt(np.mean(rest**2)))}


def score_unwrapped(name: str, product: dict[str, Any], folder: Path) -> dict[str, float]:
    """Share of voxels, over all echoes, that are off by whole turns (one number of turns an echo is free)."""
    mask = load(folder, "true_mask")
    error = (product[name] - load(folder, "unwrapped_phase"))[mask]
    error -= np.median(error, 0)
    wrong = np.rint(error / (2 * np.pi)) != 0
    return {"wrong_wraps_%": 100 * float(wrong.mean()), "rms_rad": float(np.sqrt(np.mean(error**2)))}


def score_mask(name: str, product: dict[str, Any], folder: Path) -> dict[str, float]:
    return {"dice": metrics.dice(product[name], load(folder, "true_mask"))}


def score_r2star(name: str, product: dict[str, Any], folder: Path) -> dict[str, float]:
    """Relative root mean square error in the brain, not demeaned."""
    mask, truth = load(folder, "true_mask"), load(folder, "true_r2star")
    error = np.linalg.norm((product[name] - truth)[mask])
    return {"r2star_nrmse_%": 100 * float(error / np.linalg.norm(truth[mask]))}


SCORES = {
    "chi": score_map,
    "total_field": score_map,
    "local_field": score_map,
    "chi_para": score_map,
    "chi_dia": score_map,
    "phase": score_phase,
    "unwrapped_phase": score_unwrapped,
    "mask": score_mask,
    "r2star": score_r2star,
}
"""Which product is compared with the truth, and how. A mask that comes with a field is coverage only."""


def errors(method: Method, product: dict[str, Any], folder: Path) -> dict[str, float]:
    scored = [n for n in product if n in SCORES and not (n == "mask" and len(product) > 1)]
    return {k: float(v) for n in scored for k, v in SCORES[n](n, product, folder).items()}


# --- one method, in its own process -------------------------------------------------------------------------


def measure(method: Method, folder: Path) -> dict[str, Any]:
    """Return what one method takes and what it gives."""
    warnings.simplefilter("ignore")
    values = supply(method, folder)
    shape = load(folder, "mask").shape
    try:
        method.function(**cropped(values, shape))
    except Exception:  # a crop is not a head: let the whole of it tell what is wrong, if anything
        try:
            method.function(**values)
        except InputError:
            values = one_echo(values)
            method.function(**values)
    unit = pair_time(shape)
    reset_peak()
    before = resident("VmRSS")
    times: list[float] = []
    while not times or (len(times) < REPEATS and sum(times) < ENOUGH):
        start = time.perf_counter()
        result = method.function(**values)
        times.append(time.perf_counter() - start)
    peak = resident("VmHWM") - before
    return {
        "seconds": float(np.median(times)),
        "u": float(np.median(times)) / unit,
        "volumes": peak / (4 * math.prod(shape)),
        "errors": errors(method, products(method, result), folder),
    }


def one_echo(values: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs of a method that refuses several echoes: the third alone."""
    series = {name: v for name, v in values.items() if ARTIFACTS[name].kind in ("series", "vector")}
    return values | {name: v[..., 2:3] for name, v in series.items()}


def cropped(values: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the inputs on a box in the middle of the head."""
    start = [max(0, n // 2 - WARM_UP // 2) for n in shape]
    box = tuple(slice(s, s + WARM_UP) for s in start)
    part = {}
    for name, value in values.items():
        kind = ARTIFACTS[name].kind
        part[name] = np.ascontiguousarray(value[box]) if kind not in UNCUT else value
    size = tuple(min(n, WARM_UP) for n in shape)
    return part | ({"grid": values["grid"].cropped(tuple(start), size)} if "grid" in values else {})


def pair_time(shape: tuple[int, ...]) -> float:
    """Return U in seconds."""
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    times = []
    for _ in range(8):
        start = time.perf_counter()
        scipy.fft.irfftn(scipy.fft.rfftn(x, workers=thread_count()), s=shape, workers=thread_count())
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def reset_peak() -> None:
    """Give freed memory back and start the high-water mark anew, where the system can."""
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def resident(key: str) -> int:
    """Return the resident set (VmRSS) or its high-water mark (VmHWM) in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    entries = dict(entry.split(":", 1) for entry in status.read_text().splitlines())
    return int(entries[key].split()[0]) * 1024


# --- the table ----------------------------------------------------------------------------------------------


def run(name: str, folder: Path) -> dict[str, Any]:
    """Measure one method in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.methods", "--measure", name, "--inputs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)
    row = {"stage": METHODS[name].stage, "name": name}
    if done.returncode:
        return row | {"failed": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    return row | json.loads(done.stdout.splitlines()[-1])


def line(row: dict[str, Any]) -> str:
    start = f"{row['stage']:<12}{row['name']:<20}"
    if "failed" in row:
        return f"{start}failed: {row['failed']}"
    said = "  ".join(f"{k} {v:.3g}" for k, v in row["errors"].items())
    return f"{start}{row['u']:>9.1f}{row['seconds']:>9.2f}{row['volumes']:>9.1f}  {said}"


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benchmarks.methods", description=__doc__, formatter_class=raw)
    parser.add_argument("--size", type=int, nargs=3, default=SIZE, help="voxels across the head")
    parser.add_argument("--head", type=Path, help="BIDS data set of one head with its truth under derivatives/truth")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="run these methods")
    parser.add_argument("--stage", nargs="+", default=[], choices=STAGES, help="run these stages")
    parser.add_argument("--json", action="store_true", help="print rows as JSON instead of a table")
    parser.add_argument("--fresh", action="store_true", help="simulate the head anew")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--inputs", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    register()
    if arguments.measure:
        print(json.dumps(measure(METHODS[arguments.measure], arguments.inputs)))
        return

    unknown = sorted(set(arguments.only) - set(METHODS))
    if unknown:
        parser.error(f"no method is called {', '.join(unknown)}; there are: {', '.join(sorted(METHODS))}")
    x, y, z = arguments.size
    folder = dataset(arguments.head, arguments.fresh) if arguments.head else simulated((x, y, z), arguments.fresh)
    x, y, z = load(folder, "mask").shape
    chosen = [m for m in METHODS.values() if (not arguments.only or m.name in arguments.only)
              and (not arguments.stage or m.stage in arguments.stage)]
    chosen.sort(key=lambda m: (STAGES.index(m.stage), m.name))
    if not arguments.json:
        print(f"{x} × {y} × {z}, {thread_count()} threads, 1 U = {1e3 * pair_time((x, y, z)):.1f} ms")
        print(f"{'stage':<12}{'method':<20}{'U':>9}{'s':>9}{'volumes':>9}  error")
    rows = []
    for method in chosen:
        rows.append(run(method.name, folder))
        if not arguments.json:
            print(line(rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps(rows, indent=1))


def register() -> None:
    """Import every method, ours and other packages'."""
    for module in pkgutil.walk_packages(qsmkit.recon.__path__, "qsmkit.recon."):
        importlib.import_module(module.name)
    load_plugins()


if __name__ == "__main__":
    main()
