"""From the true local field, the true total field, and wrapped phase to χ: where the accuracy goes.

    .venv/bin/python -m benchmarks.ladder HEAD … [--only NAME …]

HEAD is a BIDS data set of one head with its truth under derivatives/truth. Each row is a chain; scores are taken at
0, 3, 6 and 12 mm below the true mask's edge where the chain gives χ. NRMSE is demeaned, %; XSIM is taken after the
means have been matched over the output mask, for χ has no zero of its own; coverage is of the true mask's region.
"""

import argparse
import importlib
import pkgutil
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.patients import dataset, load

import qsmkit
import qsmkit.recon
from qsmkit import metrics
from qsmkit.method import METHODS

LOCAL = ("tkd", "tikhonov", "rts", "tv", "fansi", "hdqsm", "l1qsm", "ndi", "medi", "ilsqr", "star", "weak_harmonic")
BACKGROUND = ("vsharp", "revsharp", "resharp", "ismv", "lbv", "pdf", "extended_resharp")
TOTAL = ("tfi", "tgv")
RECIPES = ("fast", "default", "best", "consensus")


def chains(head: Path, folder: Path) -> Iterator[tuple[str, str, Callable[[], tuple[Any, Any]]]]:
    """Yield rung, name, and what makes χ and its mask."""

    def call(name: str, **given: Any) -> Any:
        method = METHODS[name]
        names = [n for n in (*method.needs, *method.uses) if n in given or (folder / f"{n}.npy").exists()]
        found = {n: given[n] if n in given else load(folder, n) for n in names}
        made = method.function(**{n: v for n, v in found.items() if v is not None})
        return made._asdict() if isinstance(made, tuple) else {method.produces[0]: made}

    def from_local(name: str) -> tuple[Any, Any]:
        return call(name)["chi"], load(folder, "mask")

    def from_total(name: str) -> tuple[Any, Any]:
        fields = call(name)
        return call("tv", **fields)["chi"], fields["mask"]

    def from_phase(recipe: str) -> tuple[Any, Any]:
        result = qsmkit.reconstruct(qsmkit.load(head), recipe=recipe)
        return result.artifacts["chi"], result.artifacts["mask"]

    def single(name: str) -> tuple[Any, Any]:
        return call(name, phase=None)["chi"], load(folder, "mask")

    yield from (("local", name, lambda n=name: from_local(n)) for name in LOCAL)
    yield from (("total", f"{name} + tv", lambda n=name: from_total(n)) for name in BACKGROUND)
    yield from (("total", name, lambda n=name: single(n)) for name in TOTAL)
    yield from (("phase", name, lambda n=name: from_phase(n)) for name in RECIPES)


def row(chi: Any, mask: Any, folder: Path) -> str:
    """Return the scores by depth."""
    truth, whole = load(folder, "true_chi"), load(folder, "true_mask")
    inside = whole & mask & (chi != 0)
    matched = np.where(inside, chi - (chi[inside].mean() - truth[inside].mean()), 0).astype(truth.dtype)
    scores = metrics.score(matched, truth, inside, reference_mask=whole, grid=load(folder, "grid"),
                           labels=load(folder, "labels"))  # fmt: skip
    return "  ".join(
        f"{s.coverage:5.3f} {s.nrmse:5.1f} {s.xsim:5.3f} {s.nrmse_dgm:5.1f} {s.dgm_slope:5.3f} |" for s in scores
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="benchmarks.ladder", description=__doc__, formatter_class=raw)
    parser.add_argument("heads", nargs="+", type=Path, metavar="HEAD")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="methods, recipes or rungs")
    arguments = parser.parse_args()
    for module in pkgutil.walk_packages(qsmkit.recon.__path__, "qsmkit.recon."):
        importlib.import_module(module.name)
    warnings.simplefilter("ignore")
    for head in arguments.heads:
        folder = dataset(head)
        print(f"{head.name}, depth > 0 | 3 | 6 | 12 mm: coverage, NRMSE %, XSIM, deep grey: NRMSE %, slope")
        for rung, name, make in chains(head, folder):
            if arguments.only and not {rung, *name.split(" + ")} & set(arguments.only):
                continue
            start = time.perf_counter()
            chi, mask = make()
            seconds = time.perf_counter() - start
            print(f"{rung:<6} {name:<22} {seconds:6.1f} s  {row(chi, mask, folder)}", flush=True)


if __name__ == "__main__":
    main()
