"""How far a lead came to lie from where it was planned: errors with names, so that two papers mean the same.

With t the planned target, e the planned entry, u = (t − e)/|t − e| pointing deeper, p the point that was reached, v the
direction of the lead, and δ = p − t.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from qsmkit.errors import InputError
from qsmkit.measure import Measure

Point = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one lead, mm unless said otherwise.

    Attributes
    ----------
    euclidean : float
        |δ|.
    depth : float
        δ · u, positive if too deep.
    radial : float
        |δ − (δ · u) u|, perpendicular to the planned path.
    axial_radial : float
        Distance, within the axial plane of the planned target, of where the lead's line crosses that plane; NaN if it
        runs in the plane or no lead direction is known.
    line : float
        Shortest distance of the planned target from the lead's line; NaN if no lead direction is known.
    angle : float
        Degrees between planned and actual path; NaN if no lead direction is known.
    right, anterior, superior : float
        Components of δ along the axes of the coordinates.
    """

    euclidean: float
    depth: float
    radial: float
    axial_radial: float
    line: float
    angle: float
    right: float
    anterior: float
    superior: float


def placement(
    target: npt.ArrayLike, entry: npt.ArrayLike, reached: npt.ArrayLike, *, reached_entry: npt.ArrayLike | None = None,
    offset: npt.ArrayLike = (0, 0, 0),
) -> Errors:
    """Return the errors of one lead.

    Parameters
    ----------
    target, entry : (3,) array
        Plan, mm, in one frame (AC–PC for signed components that mean the same in every patient).
    reached : (3,) array
        The point of the lead that should be at the target, mm.
    reached_entry : (3,) array, optional
        Another point of the lead, towards the skull, mm, NaN if it is not known: line, angle and axial radial error
        need it.
    offset : (3,) array
        Planned move to the microelectrode track that was chosen, mm; it is not an error.

    Raises
    ------
    InputError
        A point is not finite, or target and entry coincide.
    """
    t, e, p = (np.asarray(v, np.float64) for v in (target, entry, reached))
    move = np.asarray(offset, np.float64)
    if any(v.shape != (3,) or not np.isfinite(v).all() for v in (t, e, p, move)):
        raise InputError("target, entry, reached point and offset are three finite coordinates in mm each")
    t, e = t + move, e + move
    length = float(np.linalg.norm(t - e))
    if not length > 1e-6:
        raise InputError(f"target and entry are both at {t.tolist()} mm; give two different points")
    u, apart = (t - e) / length, p - t
    depth = float(apart @ u)
    axial, line, angle = float("nan"), float("nan"), float("nan")
    other = np.asarray(np.nan if reached_entry is None else reached_entry, np.float64)
    if not np.isnan(other).all():
        v = p - other
        if v.shape != (3,) or not np.isfinite(v).all():
            raise InputError(f"the other point of the lead is {other.tolist()}; give three coordinates in mm, or none")
        if not np.linalg.norm(v) > 1e-6:
            raise InputError("both points of the lead are the same; give two different ones")
        v /= np.linalg.norm(v)
        line = float(np.linalg.norm(np.cross(t - p, v)))
        angle = float(np.rad2deg(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))
        if abs(v[2]) > 1e-6:
            crossing = p + v * (t[2] - p[2]) / v[2]
            axial = float(np.linalg.norm((crossing - t)[:2]))
    return Errors(
        float(np.linalg.norm(apart)), depth, float(np.linalg.norm(apart - depth * u)), axial, line, angle,
        float(apart[0]), float(apart[1]), float(apart[2]),
    )  # fmt: skip


def summary(errors: Sequence[Errors], name: str, *, confidence: float = 0.95) -> dict[str, Measure | float]:
    """Return mean (with t interval), SD and SEM of one error over a cohort.

    The SEM is SD/√n: a mean given as "± SEM" hides the spread by √n, so that both are printed.

    Raises
    ------
    InputError
        Fewer than two leads have that error.
    """
    values = np.array([getattr(e, name) for e in errors], np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if n < 2:
        raise InputError(f"{n} leads have the error {name!r}; at least 2 are needed for a mean and its spread")
    mean, sd = float(values.mean()), float(values.std(ddof=1))
    sem = sd / np.sqrt(n)
    reach = float(stats.t.ppf((1 + confidence) / 2, n - 1)) * sem
    unit = "°" if name == "angle" else "mm"
    return {"mean": Measure(mean, mean - reach, mean + reach, unit, n, "mean, t interval"), "sd": sd, "sem": float(sem)}
