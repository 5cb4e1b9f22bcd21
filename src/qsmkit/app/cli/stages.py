"""Every method as a command of its own, generated from its signature: `qsmkit invert tkd --local-field F …`."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import App, Parameter

import qsmkit.method
import qsmkit.recon
from qsmkit.app import console
from qsmkit.app.cli.commands import VERBS
from qsmkit.arrays import AnyArray, as_float
from qsmkit.artifacts import ARTIFACTS, Kind
from qsmkit.errors import InputError, OutputError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.echo_times import to_seconds
from qsmkit.io.image_kind import require_phase
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.phase_scale import to_radians
from qsmkit.io.sidecar import read_inherited, write_sidecar
from qsmkit.method import METHODS, STAGES, Method

SEVERAL: dict[Kind, str] = {"series": "echo", "orientations": "orientation", "coils": "coil"}
"""Kinds of artifact that may come in several files, and what is in each."""

_WRAPPED = ("phase", "coil_phase")
"""Artifacts that scanners store on a scale of their own."""

_Files = Annotated[list[Path], Parameter(consume_multiple=True)]
_Numbers = Annotated[list[float], Parameter(consume_multiple=True)]


def __getattr__(name: str) -> App:
    """Return the command of a stage by the stage's name: made when it is asked for."""
    if name not in STAGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    qsmkit.method.load_plugins()
    members = [m for m in METHODS.values() if m.stage == name]
    names = ", ".join(m.name for m in members)
    app = App(name=VERBS.get(members[0].stage, name), help=f"Run one {name} method on files: {names}.")
    for entry in members:
        app.command(_command(entry), name=entry.name.replace("_", "-"))
    if name == "uncertainty":
        app.command("qsmkit.app.cli.regions:regions", name="regions")
    return app


def _command(entry: Method) -> Callable[..., None]:
    """Return a function whose signature is the method's, with files in the place of arrays."""
    parameters, docs = [], []

    def add(name: str, annotation: Any, default: Any, text: str) -> None:
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
        docs.append(f"{name}\n    {text}")

    def ask(name: str, annotation: Any, optional: bool, text: str) -> None:
        add(name, annotation | None if optional else annotation, None if optional else inspect.Parameter.empty, text)

    for name in (*entry.needs, *entry.uses):
        optional = name in entry.uses
        row = ARTIFACTS[name]
        text = f"{row.meaning[0].upper()}{row.meaning[1:]} ({row.unit})"
        if row.kind == "grid":
            continue
        if name == "echo_times":
            ask("te", _Numbers, optional, "Echo times, in s or ms")
        elif name == "field_strength":
            ask("b0", float, optional, "Field strength (T)")
        elif row.kind == "directions":
            ask(name, _Numbers, optional, f"{text}: x y z of the first, x y z of the second, …")
        elif row.kind == "coils":
            ask(name, _Files, optional, f"{text}: a 4-D file per coil, echo last")
        elif row.kind in SEVERAL:
            ask(name, _Files, optional, f"{text}: a 4-D file, or one per {SEVERAL[row.kind]}")
        else:
            ask(name, Path, optional, text)
        if name in _WRAPPED:
            ask("phase_max", float, True, "The stored phase value that equals π, if it cannot be told")
    for setting in entry.parameters.values():
        add(setting.name, setting.type, setting.default, setting.help or setting.name)
    several = len(entry.produces) > 1
    what = "Folder for " + ", ".join(f"{p}.nii.gz" for p in entry.produces) if several else "File to write, .nii.gz"
    add("out", Path, inspect.Parameter.empty, what)
    add("overwrite", bool, False, "Replace files that are there")

    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    def command(**given: Any) -> None:
        _run(entry, defaults | given)

    command.__name__ = entry.name
    command.__doc__ = f"{entry.summary}.\n\nParameters\n----------\n" + "\n".join(docs)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _run(entry: Method, given: dict[str, Any]) -> None:
    settings = entry.check({k: v for k, v in given.items() if k in entry.parameters})
    targets = _targets(entry, given["out"], given["overwrite"])
    inputs: dict[str, Any] = {}
    grid: Grid | None = None
    for name in (*entry.needs, *entry.uses):
        kind = ARTIFACTS[name].kind
        if name == "echo_times":
            if given["te"] is not None:
                inputs[name] = to_seconds(given["te"], source="argument", name=entry.name)[0]
        elif name == "field_strength":
            inputs[name] = given["b0"]
        elif kind == "directions":
            inputs[name] = given[name]
        elif kind != "grid" and given[name] is not None:
            paths = given[name] if kind in SEVERAL else [given[name]]
            array, grid = _read(paths, grid, several=SEVERAL.get(kind))
            inputs[name] = _radians(array, paths, given["phase_max"]) if name in _WRAPPED else array
    if grid is None:
        raise InputError(f"{entry.name} was given no volume; give at least one file")
    if "grid" in entry.needs:
        inputs["grid"] = grid
    made = entry.function(**inputs, **settings)
    products = made if isinstance(made, tuple) else (made,)
    for name, product, target in zip(entry.produces, products, targets, strict=True):
        save_volume(target, product, grid, overwrite=given["overwrite"])
        sidecar = {"Units": ARTIFACTS[name].unit, "Description": ARTIFACTS[name].meaning, "Method": entry.name,
                   "Revision": entry.rev, "Settings": settings}  # fmt: skip
        write_sidecar(target, sidecar, overwrite=given["overwrite"])
        console.say(f"{name} → {target}")


def _radians(array: AnyArray, paths: list[Path], phase_max: float | None) -> AnyArray:
    sidecars = [read_inherited(path) for path in paths]
    for path, sidecar in zip(paths, sidecars, strict=True):
        require_phase(path, sidecar)
    return to_radians(as_float(array), metadata=sidecars[0], phase_max=phase_max, name=str(paths[0]))[0]


def _targets(entry: Method, out: Path, overwrite: bool) -> list[Path]:
    if len(entry.produces) > 1:
        targets = [out / f"{name}.nii.gz" for name in entry.produces]
    elif not out.name.endswith((".nii.gz", ".nii")):
        raise OutputError(f"--out {out} is not a NIfTI name; end it in .nii.gz")
    else:
        targets = [out]
    for target in targets:
        if target.exists() and not overwrite:
            raise OutputError(f"{target} is there already; choose another --out, or pass --overwrite")
    return targets


def _read(paths: list[Path], grid: Grid | None, *, several: str | None) -> tuple[AnyArray, Grid]:
    volumes = [load_volume(p) for p in paths]
    for path, volume in zip(paths, volumes, strict=True):
        (grid or volumes[0].grid).require_same(volume.grid, path, "every other input")
    arrays = [v.data for v in volumes]
    if several == SEVERAL["coils"]:
        shapes = {a.shape for a in arrays}
        if len(shapes) > 1 or arrays[0].ndim != 4:
            raise ShapeError(f"{paths[0]} and its companions have shapes {shapes}; give a 4-D file per coil, echo last")
        return np.stack(arrays, axis=-1), volumes[0].grid
    if several is None:
        return arrays[0], volumes[0].grid
    if len(arrays) > 1 and any(a.ndim != 3 for a in arrays):
        hint = f"give one 4-D file, or one 3-D per {several}"
        raise ShapeError(f"{paths[0]} and its companions mix 3-D and 4-D files; {hint}")
    stacked = arrays[0] if arrays[0].ndim == 4 else np.stack(arrays, axis=-1)
    return stacked, volumes[0].grid
