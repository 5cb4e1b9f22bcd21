"""Stereotactic frames: Leksell's and CRW coordinates, and the angles of Leksell's ring and arc.

Leksell's X grows to the patient's left, Y to the front, Z downwards, the centre is (100, 100, 100) mm:

    x = 100 − X,   y = Y − 100,   z = 100 − Z        frame-aligned RAS, mm

CRW's AP, LAT and VERT are zero at the centre and grow to the front, to the patient's right and upwards (recalled: check
them on the phantom base):

    x = LAT,   y = AP,   z = VERT

The direction from target to entry, for ring angle R and arc angle A:

    lateral-right       ( cos A,        sin A cos R,   sin A sin R)
    lateral-left        (−cos A,       −sin A cos R,   sin A sin R)
    sagittal-anterior   (−sin A cos R,  cos A,         sin A sin R)
    sagittal-posterior  ( sin A cos R, −cos A,         sin A sin R)
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from qsmkit.errors import InputError

Mounting = Literal["lateral-right", "lateral-left", "sagittal-anterior", "sagittal-posterior"]
"""How the arc sits on the ring; it must be known, the same angles mean another direction otherwise."""

CENTRE = 100.0
"""Leksell coordinate of the frame's centre along each axis, mm."""

Point = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Angles:
    """What is set on the frame.

    Attributes
    ----------
    ring, arc : float
        Degrees, ring 0 … 360 and arc 0 … 180.
    """

    ring: float
    arc: float


def from_leksell(coordinates: npt.ArrayLike) -> Point:
    """Return Leksell coordinates (…, 3), mm, as frame-aligned RAS mm about the frame's centre."""
    x, y, z = np.moveaxis(np.asarray(coordinates, np.float64), -1, 0)
    return np.stack([CENTRE - x, y - CENTRE, CENTRE - z], -1)


def to_leksell(points: npt.ArrayLike) -> Point:
    """Return frame-aligned RAS points (…, 3), mm, as Leksell coordinates, mm."""
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    return np.stack([CENTRE - x, y + CENTRE, CENTRE - z], -1)


def from_crw(coordinates: npt.ArrayLike) -> Point:
    """Return CRW coordinates AP, LAT, VERT (…, 3), mm, as frame-aligned RAS mm about the frame's centre."""
    ap, lat, vert = np.moveaxis(np.asarray(coordinates, np.float64), -1, 0)
    return np.stack([lat, ap, vert], -1)


def to_crw(points: npt.ArrayLike) -> Point:
    """Return frame-aligned RAS points (…, 3), mm, as CRW coordinates AP, LAT, VERT, mm."""
    x, y, z = np.moveaxis(np.asarray(points, np.float64), -1, 0)
    return np.stack([y, x, z], -1)


def direction(angles: Angles, mounting: Mounting) -> Point:
    """Return the unit vector from target to entry, frame-aligned RAS.

    Raises
    ------
    InputError
        The mounting is not known, or an angle is out of range.
    """
    if mounting not in get_args(Mounting):
        raise InputError(f"mounting {mounting!r} is not known; it is one of {', '.join(get_args(Mounting))}")
    if not (0 <= angles.arc <= 180 and 0 <= angles.ring <= 360):
        raise InputError(f"ring {angles.ring}°, arc {angles.arc}°; give a ring of 0 … 360 and an arc of 0 … 180")
    ring, arc = np.deg2rad([angles.ring, angles.arc])
    along, across, up = np.cos(arc), np.sin(arc) * np.cos(ring), np.sin(arc) * np.sin(ring)
    turned: dict[Mounting, tuple[float, float, float]] = {
        "lateral-right": (along, across, up),
        "lateral-left": (-along, -across, up),
        "sagittal-anterior": (-across, along, up),
        "sagittal-posterior": (across, -along, up),
    }
    return np.array(turned[mounting])


def angles(target: npt.ArrayLike, entry: npt.ArrayLike, mounting: Mounting) -> Angles:
    """Return the ring and arc that bring an instrument from `entry` to `target`.

    Parameters
    ----------
    target, entry : (3,) array
        Frame-aligned RAS, mm.
    mounting : str
        How the arc sits on the ring.

    Raises
    ------
    InputError
        Both points coincide, or the mounting is not known.
    """
    d = np.asarray(entry, np.float64) - np.asarray(target, np.float64)
    length = float(np.linalg.norm(d))
    if not length > 1e-6:
        raise InputError(f"target and entry are both at {np.asarray(target).tolist()} mm; give two different points")
    x, y, z = d / length
    if mounting not in get_args(Mounting):
        raise InputError(f"mounting {mounting!r} is not known; it is one of {', '.join(get_args(Mounting))}")
    along, across = {
        "lateral-right": (x, y), "lateral-left": (-x, -y), "sagittal-anterior": (y, -x), "sagittal-posterior": (-y, x),
    }[mounting]  # fmt: skip
    arc = float(np.rad2deg(np.arctan2(np.hypot(across, z), along)))
    ring = float(np.rad2deg(np.arctan2(z, across))) % 360
    return Angles(ring, arc)
