"""Leads in a post-operative CT, from the image to contacts."""

import itertools
import warnings
from collections.abc import Sequence

import numpy as np

from qsmkit.arrays import AnyArray
from qsmkit.clinical.leads.fit import ROTATION, Fit
from qsmkit.clinical.leads.identify import Identified, groups, identify
from qsmkit.clinical.leads.located import SURE, LocatedContact, LocatedLead, Side
from qsmkit.clinical.leads.metal import Track, find_tracks
from qsmkit.clinical.leads.slices import centred
from qsmkit.errors import DataWarning, InputError, ParameterError
from qsmkit.leads.curve import Curve, Points
from qsmkit.leads.electrodes import electrode
from qsmkit.leads.lead import LEAST_LENGTH, Lead, LeadPlan, Vector
from qsmkit.measure import Measure
from qsmkit.volume import Volume

# How far off a contact is was calibrated on simulated CTs of other leads than those that benchmarks/leads.py reports.

INFLATION = 8.0
"""By which the residuals' variance is multiplied, because neighbouring voxels err alike (calibrated)."""

ACROSS, ALONG, SLICE = 0.014, 0.016, 0.024
"""What streaks add to the standard deviation across and along the lead, mm, and along it for every mm between slices;
for contacts of the usual strength (calibrated)."""

TURN = 0.045
"""What streaks add to the standard deviation of the rotation, rad (calibrated)."""

USUAL_STRENGTH, USUAL_BLUR = 9000.0, 0.39
"""Strength of a contact, HU mm², and blur in slices, mm, that the above is for; what streaks do grows with the square
of either."""

WEAKEST, STRONGEST = 0.3, 4.0
"""Bounds of that factor."""

POOR = 3.0
"""Misfit above which something else than the model is in the way (modelling choice)."""

WHOLE_HEAD = 110.0
"""A head that is seen to be wider than this, mm, is seen on both sides."""


def locate(
    ct: Volume, *, model: str | None = None, sides: Sequence[Side] = ("left", "right")
) -> tuple[LocatedLead, ...]:
    """Find the leads in a post-operative CT.

    Parameters
    ----------
    ct : Volume
        (X, Y, Z), HU, of a head in any pose and with slices of any direction; slices of 0.7 mm or less are best, of
        more than 1.5 mm of little use.
    model : str or None
        The model that was implanted, if it is known; otherwise it is found.
    sides : sequence of {"left", "right"}
        Leads from these sides are returned.

    Returns
    -------
    tuple of LocatedLead
        In the CT's RAS mm, those of the right first, from the front backwards.

    Warns
    -----
    DataWarning
        Besides the leads that are returned there is metal like a lead that cannot be used; the text says why.

    Raises
    ------
    ShapeError, InputError
        The image is no CT of a head in HU; there is no metal in the brain, no track long enough, or a lead's lower end
        is not in the image; or no lead comes from the sides asked for.
    ParameterError
        The model is unknown, or a side is.
    """
    if not sides or not set(sides) <= {"left", "right"}:
        raise ParameterError(f"sides {list(sides)} are not of 'left' and 'right'; give one or both")
    names = None if model is None else [electrode(model).model]
    ceiling = ceiling_of(ct.data)
    found: list[tuple[Side, Identified, Track]] = []
    failures: list[InputError] = []
    for track in find_tracks(ct):
        axis = centred(ct, track.curve, ceiling)
        side = _side(axis, ct)
        if side not in sides:
            continue
        try:
            found.append((side, identify(ct, axis, ceiling, names), track))
        except InputError as error:
            failures.append(error)
    if not found:
        told = f"no lead comes from the {' or '.join(sides)}; leads from the other side are there"
        raise failures[0] if failures else InputError(told)
    for failure in failures:
        warnings.warn(DataWarning(str(failure)), stacklevel=2)
    found.sort(key=lambda item: (item[0] == "left", -item[1].fit.axis.points[0, 1]))
    result = []
    for side, group in itertools.groupby(found, key=lambda item: item[0]):
        several = list(group)
        for number, (_, identified, track) in enumerate(several, 1):
            label = f"lead_{side[0].upper()}{number if len(several) > 1 else ''}"
            result.append(_located(label, side, identified, track, max(ct.grid.voxel_size)))
    return tuple(result)


def ceiling_of(data: AnyArray) -> float:
    """Return the CT number that a scanner cut off at, HU: the largest one if several voxels have it, else infinity."""
    top = float(data.max())
    return top if int((data == top).sum()) >= 3 else float("inf")


def covariance_of(fit: Fit, slices: float) -> Points:
    """Return the calibrated covariance of every contact's position, mm²: (C, 3, 3); `slices` is their distance, mm."""
    model = fit.model
    s = np.array([level.middle for level in model.levels for _ in level.segments])
    d = fit.axis.tangent(s)
    outer = d[:, :, None] * d[:, None, :]
    factor = (fit.strengths[0] / USUAL_STRENGTH * fit.blur[0] / USUAL_BLUR) ** 2
    streaks = float(np.clip(factor, WEAKEST, STRONGEST))
    along, across = streaks * np.hypot(ALONG, SLICE * slices), streaks * ACROSS
    tangent = np.cross(d, fit.places - fit.axis.at(s))
    floor = along**2 * outer + across**2 * (np.eye(3) - outer) + TURN**2 * tangent[:, :, None] * tangent[:, None, :]
    covariance: Points = INFLATION * fit.spread + floor
    return covariance


def _located(label: str, side: Side, identified: Identified, track: Track, slices: float) -> LocatedLead:
    fit = identified.fit
    chosen = fit.model
    past = fit.axis.points[-1]
    rest = track.curve.points[(track.curve.points - past) @ fit.axis.tangent(fit.axis.length) > 2.0]
    curve = fit.axis.followed_by(rest) if len(rest) else fit.axis
    depth = curve.length
    depth += max(0.0, chosen.height + LEAST_LENGTH + 0.5 - float(np.linalg.norm(curve.at(depth) - curve.points[0])))
    turn = float(np.rad2deg(fit.rotation)) if chosen.directional else 0.0
    turn = (turn + 180) % 360 - 180
    plan = LeadPlan(
        label, chosen.model, side, _vector(curve.at(0.0)), _vector(curve.at(depth)), turn,
    )
    lead = Lead(plan, curve, depth, _anterior(curve))
    contacts = tuple(
        LocatedContact(one.level, one.segment, one.name, place, spread)
        for one, place, spread in zip(lead.contacts, fit.places, covariance_of(fit, slices), strict=True)
    )
    rotation = _rotation(fit, turn)
    ambiguous = rotation is not None and (identified.opposite > 0.05 or rotation.high - rotation.low > 120)
    notes = []
    likely = [name for name, p in identified.candidates.items() if p > 0.01]
    if sum(identified.candidates[name] for name in _alike(chosen.model) if name in identified.candidates) < SURE:
        notes.append(f"the model is not sure, it may be {', '.join(likely)}; tell what was implanted")
    if identified.rival:
        notes.append(f"the CT looks more like {identified.rival} than like {chosen.model}; check what was implanted")
    if track.cut:
        notes.append("the lead goes on beyond the image")
    if fit.misfit > POOR:
        notes.append(f"the model explains the CT poorly (misfit {fit.misfit:.1f}, at most {POOR:g} is usual)")
    return LocatedLead(
        label, side, lead, contacts, chosen.model, _alike(chosen.model), identified.candidates, rotation, ambiguous,
        fit.misfit, track.cut, tuple(notes),
    )


def _rotation(fit: Fit, turn: float) -> Measure | None:
    if not fit.model.directional:
        return None
    half = float(np.rad2deg(1.96 * np.hypot(np.sqrt(INFLATION * fit.covariance[ROTATION, ROTATION]), TURN)))
    return Measure(turn, turn - half, turn + half, "deg", 1, "marker and segments laid into the CT, 95 %")


def _alike(name: str) -> tuple[str, ...]:
    return next(group for group in groups() if name in group)


def _side(axis: Curve, ct: Volume) -> Side:
    """Return from which side a lead comes: by its place in the head, or by its direction where half of it is seen."""
    across = ct.grid.world(np.argwhere(ct.data[::8, ::8, ::8] > -500) * 8)[:, 0]
    if np.ptp(across) > WHOLE_HEAD:
        return "right" if axis.at(0.0)[0] > across.mean() else "left"
    return "right" if axis.points[-1, 0] > axis.points[0, 0] else "left"


def _anterior(curve: Curve) -> Points:
    """Return the direction from which angles about the lead count: the scanner's front, or top for a lead along it."""
    return np.array([0.0, 0.0, 1.0]) if abs(curve.tangent(0.0)[1]) > 0.95 else np.array([0.0, 1.0, 0.0])


def _vector(point: Points) -> Vector:
    x, y, z = (float(v) for v in point)
    return x, y, z
