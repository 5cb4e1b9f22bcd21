"""Making echoes and regions agree: whole turns from what another echo predicts.

Phase grows in proportion to echo time, so an unwrapped echo, times the ratio of the echo times, predicts
another one. Per voxel this unwraps in time; as a median over a region it finds the turns that unwrapping in
space leaves open (Dymerska 2020, `Dymerska2020`).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.compiled import parallel, prange, serial
from qsmkit.recon.unwrap.growing import TURN, Regions, Turns

CANDIDATES = np.arange(-2, 3)
"""Turns by which a region's template echo may be shifted away from the median nearest to zero."""

EVIDENCE = 0.3
"""How much better, on a scale from −1 to 1, the other echoes must then agree with the largest region's."""


def unwrap_in_time(
    phase: FloatArray,
    reference: FloatArray,
    reference_turns: Turns,
    ratio: float,
    mask: BoolArray,
    tolerance: float,
) -> tuple[Turns, BoolArray]:
    """Unwrap an echo by the prediction from another one.

    Parameters
    ----------
    phase, reference : (X, Y, Z) array
        Wrapped phase, in rad, of the echo and of the one that predicts it.
    reference_turns : (X, Y, Z) int16 array
        Whole turns of the reference.
    ratio : float
        Echo time over the reference's.
    mask : (X, Y, Z) bool array
        Voxels to unwrap.
    tolerance : float
        Departure from the prediction, as a fraction of π, beyond which a voxel is uncertain.

    Returns
    -------
    turns : (X, Y, Z) int16 array
        Whole turns of the echo.
    uncertain : (X, Y, Z) bool array
        Voxels of the mask whose phase departs from the prediction by more than the tolerance.
    """
    turns, uncertain = np.zeros(phase.shape, np.int16), np.zeros(phase.shape, np.bool_)
    _unwrap_in_time(
        ratio,
        tolerance * TURN / 2,
        *(a.reshape(-1) for a in (phase, reference, reference_turns, mask, turns, uncertain)),
    )
    return turns, uncertain


def settle_echo(
    phase: FloatArray,
    turns: Turns,
    reference: FloatArray,
    reference_turns: Turns,
    ratio: float,
    regions: Regions,
) -> None:
    """Shift every region of an echo by whole turns, so that it lies nearest to what another echo predicts.

    Nearest in the sense of the median over the region; a ratio of 0 predicts zero. Changes `turns` in place.
    """
    flat = (a.reshape(-1) for a in (phase, turns, reference, reference_turns))
    _shift(turns.reshape(-1), _median_shifts(ratio, *regions, *flat), *regions)


def settle_template(
    phases: Sequence[FloatArray],
    echo_times: npt.NDArray[np.float64],
    template: int,
    turns: Turns,
    regions: Regions,
) -> None:
    """Choose the whole turns of every region of the echo that all others are unwrapped from.

    First the median of each region is brought nearest to zero. A turn more of the template changes what it
    predicts for another echo by the ratio of the echo times; where that is not whole, a wrong turn shows. A
    region is shifted so that the departure of its echoes from the predictions, averaged as a unit vector,
    becomes most like the largest region's, if that is a clear gain. Changes `turns` in place.
    """
    settle_echo(phases[template], turns, phases[template], turns, 0.0, regions)
    others = [e for e in range(len(phases)) if e != template]
    if not others or len(regions.starts) == 2:
        return
    ratios = echo_times[others] / echo_times[template]
    flat = turns.reshape(-1)
    departure = np.stack([
        _mean_departure(phases[e].reshape(-1), phases[template].reshape(-1), flat, ratio, *regions)
        for e, ratio in zip(others, ratios, strict=True)
    ])
    largest = np.diff(regions.starts).argmax()
    alike = departure * departure[:, largest, None].conj()
    turned = np.exp(-2j * np.pi * CANDIDATES[:, None] * ratios)
    agreement = np.real(turned @ alike) / np.abs(alike).sum(axis=0).clip(1e-9)
    best = agreement.argmax(axis=0)
    gain = np.take_along_axis(agreement, best[None], axis=0)[0] - agreement[CANDIDATES == 0][0]
    _shift(flat, np.where(gain > EVIDENCE, CANDIDATES[best], 0), *regions)


@parallel
def _unwrap_in_time(  # type: ignore[no-untyped-def]
    ratio, tolerance, phase, reference, reference_turns, mask, turns, uncertain
):
    for i in prange(phase.size):
        if mask[i]:
            expected = (reference[i] + TURN * reference_turns[i]) * ratio
            turns[i] = round((expected - phase[i]) / TURN)
            uncertain[i] = abs(expected - phase[i] - TURN * turns[i]) > tolerance


@serial
def _median_shifts(  # type: ignore[no-untyped-def]
    ratio, order, starts, phase, turns, reference, reference_turns
):
    shifts = np.empty(starts.size - 1, np.int64)
    for region in range(shifts.size):
        voxels = order[starts[region] : starts[region + 1]]
        gap = np.empty(voxels.size, np.float32)
        for n, i in enumerate(voxels):
            expected = (reference[i] + TURN * reference_turns[i]) * ratio
            gap[n] = (expected - phase[i]) / TURN - turns[i]
        shifts[region] = round(np.median(gap))
    return shifts


@serial
def _mean_departure(phase, template, turns, ratio, order, starts):  # type: ignore[no-untyped-def]
    mean = np.empty(starts.size - 1, np.complex128)
    for region in range(mean.size):
        voxels = order[starts[region] : starts[region + 1]]
        total = 0j
        for i in voxels:
            total += np.exp(1j * (phase[i] - ratio * (template[i] + TURN * turns[i])))
        mean[region] = total / voxels.size
    return mean


@serial
def _shift(turns, shifts, order, starts):  # type: ignore[no-untyped-def]
    for region in range(shifts.size):
        if shifts[region] != 0:
            for i in order[starts[region] : starts[region + 1]]:
                turns[i] += shifts[region]
