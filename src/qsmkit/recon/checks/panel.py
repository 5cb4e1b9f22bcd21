"""Automatic checks of a reconstruction: what a careful reader looks at first, as numbers with a verdict.

Each check is a function of arrays that returns a `Check`. Its limits are meant for a human head at 1.5 to
7 T; on a phantom or a thin slab it may ask for a look where nothing is wrong, and its sentence says what it
expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import AnyArray, BoolArray, FloatArray
from qsmkit.grid import Grid
from qsmkit.physics.box import Box
from qsmkit.recon.checks.echoes import check_echoes, check_islands, check_unwrapping
from qsmkit.recon.checks.field import check_direction, check_field_jumps, check_field_sd, check_fit
from qsmkit.recon.checks.masks import check_contradictions, check_coverage, check_dark, check_finite, check_volume
from qsmkit.recon.checks.susceptibility import (
    check_chi_range,
    check_deep_grey,
    check_extremes,
    check_noise,
    check_rim,
    check_sign,
    check_streaks,
)
from qsmkit.recon.checks.verdict import Check


def run_checks(
    grid: Grid,
    mask: BoolArray,
    brain_mask: BoolArray,
    *,
    chi: FloatArray | None = None,
    r2star: FloatArray | None = None,
    total_field: FloatArray | None = None,
    field_sd: FloatArray | None = None,
    fit_residual: FloatArray | None = None,
    unwrapped_phase: FloatArray | None = None,
    phase: FloatArray | None = None,
    magnitude: FloatArray | None = None,
    local_field: FloatArray | None = None,
    sigma_chi: FloatArray | None = None,
    echo_times: npt.ArrayLike | None = None,
    field_strength: float | None = None,
    valid: BoolArray | None = None,
    contradictions: Sequence[str] = (),
) -> list[Check]:
    """Run every check for which there are data.

    Parameters
    ----------
    grid : Grid
        Geometry.
    mask : (X, Y, Z) bool array
        Voxels that have a susceptibility.
    brain_mask : (X, Y, Z) bool array
        The mask before background removal made it smaller.
    chi : (X, Y, Z) array, optional
        Susceptibility in ppm.
    r2star : (X, Y, Z) array, optional
        R2* in 1/s.
    total_field, field_sd : (X, Y, Z) array, optional
        Field shift and its standard deviation in ppm.
    fit_residual : (X, Y, Z) array, optional
        Relative residual of the field fit.
    unwrapped_phase : (X, Y, Z, E) array, optional
        Unwrapped phase in rad.
    phase, magnitude : (X, Y, Z, E) array, optional
        Wrapped phase in rad, free of its offset, and magnitude in arbitrary units.
    local_field : (X, Y, Z) array, optional
        Field shift of the sources in the mask, ppm.
    sigma_chi : (X, Y, Z) array, optional
        Standard deviation of χ in ppm.
    echo_times : (E,) array, optional
        Echo times in s.
    field_strength : float, optional
        Main field in T.
    valid : (X, Y, Z) bool array, optional
        False where the scan had no finite value.
    contradictions : sequence of str
        What two sources say differently about the scan.

    Returns
    -------
    list of Check
        In the order of the processing.
    """
    box = Box.around(mask | brain_mask, grid, 0)

    def cropped(x: AnyArray | None) -> Any:
        return None if x is None else box.crop(x)

    inside, brain = box.crop(mask), box.crop(brain_mask)
    part = grid.cropped(tuple(s.start for s in box.inner), inside.shape)
    chi, r2star, total_field, field_sd, fit_residual, unwrapped_phase = map(
        cropped, (chi, r2star, total_field, field_sd, fit_residual, unwrapped_phase)
    )
    phase, magnitude, local_field, sigma_chi = map(cropped, (phase, magnitude, local_field, sigma_chi))
    times = None if echo_times is None else np.asarray(echo_times, np.float64)
    checks = [check_contradictions(contradictions)] if contradictions else []
    checks += [] if valid is None else [check_finite(valid)]
    checks += [check_volume(brain, part), check_coverage(inside, brain)]
    if magnitude is not None:
        checks.append(check_dark(magnitude, inside))
    if unwrapped_phase is not None:
        checks += [check_unwrapping(unwrapped_phase, inside), check_islands(unwrapped_phase, inside, part)]
    if total_field is not None and times is not None and field_strength is not None:
        checks.append(check_field_jumps(total_field, inside, times, field_strength))
        if phase is not None and len(times) > 1:
            checks.append(check_echoes(phase, magnitude, total_field, times, field_strength, inside, part))
    if field_sd is not None:
        checks.append(check_field_sd(field_sd, inside))
    if fit_residual is not None:
        checks.append(check_fit(fit_residual, brain))
    if local_field is not None:
        checks.append(check_direction(local_field, inside, part))
    if chi is not None:
        checks += [check_chi_range(chi, inside), check_extremes(chi, inside), check_deep_grey(chi, inside, part)]
        checks += [check_streaks(chi, inside, part), check_rim(chi, inside, part)]
    if chi is not None and r2star is not None:
        checks.append(check_sign(chi, r2star, inside, part))
    if sigma_chi is not None:
        checks.append(check_noise(sigma_chi, inside))
    return checks
