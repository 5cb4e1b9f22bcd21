"""What a plain scan of a head does not hold, made from the truth when a method asks for it.

R2 and R2′    as if every voxel held sources of one sign: R2′ = D |χ|, R2 the rest of R2*, 1 /s of noise on each
orientations  the head turned three times in the magnet, noise as in the field
coils         four of them around the head, each with a phase of its own
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.patients import load, wrap

from qsmkit.physics.box import Box
from qsmkit.physics.dipole import dipole_kernel
from qsmkit.physics.fft import convolve
from qsmkit.physics.signal import RELAXIVITY
from qsmkit.recon.separation.relaxivity import relaxivity

DIRECTIONS = np.array([[0.0, 0.0, 1.0], [0.34, 0.0, 0.94], [0.0, 0.34, 0.94]])
"""B0 in voxel axes: upright, and turned by 20° about two axes."""
COILS = 4
ROOM = 30.0
"""mm between the head and its periodic images."""


def truths(folder: Path) -> dict[str, Any]:
    """Return sources of either sign, ppm."""
    chi = load(folder, "true_chi")
    return {"chi_para": np.maximum(chi, 0), "chi_dia": np.maximum(-chi, 0)}


def _rates(folder: Path) -> dict[str, Any]:
    mask, chi = load(folder, "true_mask"), load(folder, "true_chi")
    noise = np.random.default_rng(1).standard_normal((2, *chi.shape), np.float32)
    prime = relaxivity(RELAXIVITY, load(folder, "field_strength")) * np.abs(chi)
    rest = np.maximum(load(folder, "true_r2star") - prime, 0)
    return {"r2prime": np.maximum(prime + noise[0], 0) * mask, "r2": np.maximum(rest + noise[1], 0) * mask}


def _orientations(folder: Path) -> dict[str, Any]:
    grid, mask, chi, sd = (load(folder, name) for name in ("grid", "true_mask", "true_chi", "field_sd"))
    box, rng = Box.around(mask, grid, ROOM), np.random.default_rng(2)
    directions = DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
    fields = [
        box.restore(convolve(box.pad(chi * mask), dipole_kernel(grid, box.shape, direction=b), box.shape), mask)
        + sd * rng.standard_normal(sd.shape, np.float32)
        for b in directions
    ]
    sds = np.repeat(sd[..., None], len(directions), -1)
    return {"local_fields": np.stack(fields, -1), "field_sds": sds, "b0_directions": directions}


def _coils(folder: Path) -> dict[str, Any]:
    phase, magnitude = load(folder, "phase"), load(folder, "magnitude")
    at = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in phase.shape[:3]], indexing="ij", sparse=True)
    turns = [2 * np.pi * c / COILS for c in range(COILS)]
    sees = [np.exp(-((at[0] - np.cos(a)) ** 2 + (at[1] - np.sin(a)) ** 2) / 2 - 0 * at[2]) for a in turns]
    own = [c + at[0] * np.sin(a) + at[1] * np.cos(a) + 0.5 * at[2] for c, a in enumerate(turns)]
    return {
        "coil_phase": np.stack([wrap(phase + p[..., None]) for p in own], -1),
        "coil_magnitude": np.stack([magnitude * s[..., None] for s in sees], -1),
    }


COMPANIONS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "r2": _rates, "r2prime": _rates, "local_fields": _orientations, "field_sds": _orientations,
    "b0_directions": _orientations, "coil_phase": _coils, "coil_magnitude": _coils,
}  # fmt: skip
"""Artifact → what makes it, with others."""
