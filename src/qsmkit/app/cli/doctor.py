"""`qsmkit doctor`: what is installed, and what this machine offers."""

import importlib.util
import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

import qsmkit.recon  # noqa: F401  (registers the methods)
from qsmkit.app import console
from qsmkit.compiled import thread_count
from qsmkit.method import METHODS, load_plugins
from qsmkit.physics.fft import irfftn, rfftn
from qsmkit.pipeline.provenance import software

EXTRAS = {"fftw": "pyfftw"}
"""Optional extra → the module that shows that it is installed."""


def doctor(*, json: bool = False) -> None:
    """Say what is installed, which extras, threads and speed this machine has.

    Parameters
    ----------
    json
        Print JSON instead of lines.
    """
    load_plugins()
    report: dict[str, Any] = {
        "software": software(),
        "extras": {name: importlib.util.find_spec(module) is not None for name, module in EXTRAS.items()},
        "methods": len(METHODS),
        "threads": thread_count(),
        "threads_from": "QSMKIT_THREADS" if os.environ.get("QSMKIT_THREADS") else "processors of this process",
        "fft_pair_ms_160": round(_fft_pair() * 1e3, 1),
        "free_disk_GB": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
    }
    if json:
        console.print_json(report)
        return
    for key, value in report.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        console.out.print(f"{key:17} {text}", markup=False)


def _fft_pair() -> float:
    """Return the time, in s, of a real FFT pair on 160³ float32: the unit in which qsmkit quotes speed."""
    volume = np.ones((160, 160, 160), np.float32)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        irfftn(rfftn(volume), (160, 160, 160))
        times.append(time.perf_counter() - start)
    return min(times)
