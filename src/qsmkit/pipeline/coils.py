"""A scan stored by receive coil becomes one scan, before any recipe begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from qsmkit.errors import GeometryError, InputError
from qsmkit.recon.field.combine_coils import combine_coils
from qsmkit.volume import Scan


def combined(coils: Sequence[Callable[[], Scan]], *, bipolar: bool = False) -> Scan:
    """Read every coil, one after another, and combine them by `combine_coils`.

    Parameters
    ----------
    coils : sequence of callable
        Each reads the scan of one coil, with magnitude.
    bipolar : bool
        Whether echoes alternate in polarity: first and third are then combined from.

    Returns
    -------
    Scan
        The combined scan, without phase offset; voxels are valid where they are in every coil.

    Raises
    ------
    InputError
        A coil has no magnitude, echoes of its own, or lies elsewhere.
    """
    first = coils[0]()
    phase = np.empty((*first.phase.shape, len(coils)), first.phase.dtype)
    magnitude = np.empty_like(phase)
    valid = np.ones(first.grid.shape, bool)
    sources: list[str] = []
    for number, read in enumerate(coils):
        coil = read() if number else first
        if coil.magnitude is None:
            raise InputError(f"{coil.name}: coil {number + 1} has no magnitude, by which coils are weighted; give it")
        if not np.array_equal(coil.echo_times, first.echo_times):
            raise InputError(
                f"{coil.name}: coil {number + 1} has echo times {coil.echo_times.tolist()} s, but the first has "
                f"{first.echo_times.tolist()} s; give coils of one scan"
            )
        if apart := first.grid.difference(coil.grid):
            raise GeometryError(f"{coil.name}: coil {number + 1} lies elsewhere than the first: {apart}")
        phase[..., number], magnitude[..., number] = coil.phase, coil.magnitude
        if coil.valid is not None:
            valid &= coil.valid
        sources += coil.sources
    made = combine_coils(phase, magnitude, first.echo_times, first.grid, echoes=(1, 3) if bipolar else (1, 2))
    decided = {**first.metadata.get("decisions", {}), "coils": f"{len(coils)} coils combined by MCPC-3D-S"}
    return replace(
        first,
        phase=made.phase,
        magnitude=made.magnitude,
        valid=None if valid.all() else valid,
        sources=tuple(sources),
        metadata={**first.metadata, "decisions": decided},
    )
