"""Candidates as a reader meets them: where, how much, of which sign, and what the reader decided."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.clinical.microbleeds.detect import Detection, Spot
from qsmkit.clinical.microbleeds.region import Atlas, Region, locate
from qsmkit.clinical.quantify.calcium import sign
from qsmkit.clinical.quantify.moment import as_moment, chi_total, fit_dipole
from qsmkit.clinical.rois import Noise, regions
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.measure import Measure

Kind = Literal["microbleed", "calcification", "indeterminate"]
Confidence = Literal["definite", "possible"]
Decision = Literal["", "yes", "no"]

KINDS: Mapping[str, Kind] = {"paramagnetic": "microbleed", "diamagnetic": "calcification"}

CLEAR = 2.0
"""Times the least contrast from which a candidate may be called definite: a modelling choice."""

RAISED = 1.2
"""Ratio of R2* to the tissue's around from which it supports a candidate: a modelling choice."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One candidate.

    Attributes
    ----------
    name : str
        "C01", strongest first.
    position : tuple of float
        RAS mm.
    region : {"lobar", "deep", "infratentorial"}
        After MARS.
    located : str
        How the region is known.
    kind : {"microbleed", "calcification", "indeterminate"}
        By the sign of its susceptibility: paramagnetic, diamagnetic, neither clearly.
    confidence : {"definite", "possible"}
        How clearly it is a spot; the reader's word counts, not this.
    diameter : float
        Of the ball of its volume, mm.
    volume, mean : Measure
        mm³ at half its height, and ppm above the tissue around.
    total : Measure
        Total susceptibility, ppm·mm³, by the map.
    by_field : Measure or None
        The same by a dipole fitted to the field around it, where that can be: a second opinion. Its interval knows the
        noise, not what uneven tissue and neighbours do to the field.
    moment : Measure or None
        A·m², where the field strength is known.
    accept : {"", "yes", "no"}
        What the reader decided.
    """

    name: str
    position: tuple[float, float, float]
    region: Region
    located: str
    kind: Kind
    confidence: Confidence
    diameter: float
    volume: Measure
    mean: Measure
    total: Measure
    by_field: Measure | None
    moment: Measure | None = None
    accept: Decision = ""

    def as_row(self) -> dict[str, object]:
        """Return the candidate as a row of the review table."""
        x, y, z = (round(v, 2) for v in self.position)
        row: dict[str, object] = {
            "name": self.name, "accept": self.accept or None, "kind": self.kind, "confidence": self.confidence,
            "region": self.region, "located": self.located, "x": x, "y": y, "z": z,
            "diameter_mm": round(self.diameter, 2),
        }  # fmt: skip
        for key, m in self._measures().items():
            row |= {key: m.value, f"{key}_low": m.low, f"{key}_high": m.high, f"{key}_n": m.n, f"{key}_how": m.method}
        return row

    def _measures(self) -> dict[str, Measure]:
        found = {"chi_total_ppm_mm3": self.total, "volume_mm3": self.volume, "mean_chi_ppm": self.mean,
                 "chi_total_by_field_ppm_mm3": self.by_field, "moment_Am2": self.moment}  # fmt: skip
        return {name: measure for name, measure in found.items() if measure}


def findings(
    detection: Detection, chi: FloatArray, inside: BoolArray, grid: Grid, *, brain: BoolArray | None = None,
    atlas: Atlas | None = None, mid_commissural: npt.ArrayLike | None = None, noise: Noise | None = None,
    field: FloatArray | None = None, field_sd: FloatArray | None = None, r2star: FloatArray | None = None,
    field_strength: float | None = None, echo_time: float | None = None,
) -> list[Finding]:
    """Measure the candidates that were detected.

    Parameters
    ----------
    detection : Detection
        Of `detect`.
    chi : (X, Y, Z) array
        Susceptibility, ppm.
    inside : (X, Y, Z) bool array
        Voxels that have a susceptibility.
    grid : Grid
        Geometry of all arrays.
    brain : (X, Y, Z) bool array, optional
        The brain, for regions; `inside` if omitted.
    atlas, mid_commissural : optional
        See `region.locate`.
    noise : Noise, optional
        Errors of the map.
    field, field_sd : (X, Y, Z) array, optional
        Local field and its standard deviation, ppm.
    r2star : (X, Y, Z) array, optional
        1/s; a candidate whose R2* is not raised is called possible.
    field_strength, echo_time : float, optional
        T, and s of the last echo.

    Returns
    -------
    list of Finding
        In the order of `detection.spots`.

    Raises
    ------
    ShapeError, MaskError
        As `locate`.
    """
    spots = detection.spots
    places = locate([s.centre for s in spots], inside if brain is None else brain, grid, atlas=atlas,
                    mid_commissural=mid_commissural) if spots else []  # fmt: skip
    occupied = np.zeros(chi.shape, np.bool_)
    for spot in (*spots, *(s for s, _ in detection.rejected)):
        occupied[spot.box] |= spot.voxels
    found = []
    for number, (spot, (region, located)) in enumerate(zip(spots, places, strict=True), 1):
        own = np.zeros(chi.shape, np.bool_)
        own[spot.box] = spot.voxels
        total = chi_total(chi, own, grid, valid=inside, others=occupied & ~own, noise=noise)
        by_field = None
        if field is not None:
            by_field = _by_field(spot, field, field_sd, inside, grid, field_strength, echo_time)
        kind: Kind = KINDS.get(sign(chi[own], chi[spot.box][spot.background], noise=spot.noise), "indeterminate")
        x, y, z = (float(v) for v in spot.centre)
        found.append(Finding(
            f"C{number:02d}", (x, y, z), region, located, kind, _confidence(spot, detection, r2star), spot.diameter,
            _volume(spot), _mean(spot, chi, grid), total, by_field,
            as_moment(total, field_strength) if field_strength else None,
        ))  # fmt: skip
    return found


def _by_field(
    spot: Spot, field: FloatArray, sd: FloatArray | None, inside: BoolArray, grid: Grid,
    field_strength: float | None, echo_time: float | None,
) -> Measure | None:
    """Return the total by a dipole fitted to the field around; None where too little of it is seen."""
    try:
        fit = fit_dipole(field, grid, spot.centre, radius=spot.diameter / 2, valid=inside, sigma=sd,
                         field_strength=field_strength, echo_time=echo_time).total  # fmt: skip
    except InputError:
        return None
    return replace(fit, method=f"{fit.method}, of the noise alone: neighbours and uneven tissue are not in it")


def _confidence(spot: Spot, detection: Detection, r2star: FloatArray | None) -> Confidence:
    rules = detection.rules
    clear = abs(spot.contrast) >= CLEAR * rules.contrast and spot.continuity <= rules.continuity / 2
    if r2star is not None:
        part = r2star[spot.box]
        around = float(np.median(part[spot.background]))
        clear = clear and float(np.median(part[spot.voxels])) > RAISED * around
    return "definite" if clear else "possible"


def _volume(spot: Spot) -> Measure:
    least, half, most = spot.volumes
    how = "at half its height above the tissue around; low and high: at 70 and 30 %. It grows with echo time and blur"
    return Measure(half, least, most, "mm³", int(spot.voxels.sum()), how)


def _mean(spot: Spot, chi: FloatArray, grid: Grid) -> Measure:
    part = chi[spot.box]
    above = part - np.float32(np.median(part[spot.background]))
    noise = Noise(np.full(part.shape, spot.noise, np.float32))
    (region,) = regions(above, spot.voxels.astype(np.int32), grid, noise=noise)
    return replace(region.mean, method="mean above the tissue around; interval from that tissue's spread")


def reviewed(rows: Sequence[Mapping[str, str]], source: str) -> list[Finding]:
    """Return the findings of a review table, as its reader left it.

    Parameters
    ----------
    rows : sequence of mappings
        Cells by column name, as `Finding.as_row` made them; accept holds yes, no, or nothing.
    source : str
        Name of the table, for messages.

    Raises
    ------
    InputError
        A column is missing, or a cell is not one of what it may be.
    """
    return [_read(row, f"{source}, line {line}") for line, row in enumerate(rows, 2)]


def _read(row: Mapping[str, str], where: str) -> Finding:
    decided = {"y": "yes", "n": "no", "1": "yes", "0": "no"}.get(row.get("accept", "").lower(), row.get("accept", ""))
    accept = _one_of(decided.lower(), get_args(Decision), "accept", where)
    names, units = ("chi_total_ppm_mm3", "volume_mm3", "mean_chi_ppm"), ("ppm·mm³", "mm³", "ppm")
    total, volume, mean = (_measure(row, n, u, where) for n, u in zip(names, units, strict=True))
    field = "chi_total_by_field_ppm_mm3"
    by_field = _measure(row, field, "ppm·mm³", where) if row.get(field) else None
    moment = _measure(row, "moment_Am2", "A·m²", where) if row.get("moment_Am2") else None
    x, y, z = (_number(row, axis, where) for axis in "xyz")
    return Finding(
        row.get("name", ""), (x, y, z), _one_of(row.get("region", ""), get_args(Region), "region", where),
        row.get("located", ""), _one_of(row.get("kind", ""), get_args(Kind), "kind", where),
        _one_of(row.get("confidence", ""), get_args(Confidence), "confidence", where),
        _number(row, "diameter_mm", where), volume, mean, total, by_field, moment, accept,
    )  # fmt: skip


def _measure(row: Mapping[str, str], name: str, unit: str, where: str) -> Measure:
    low, high = (_number(row, f"{name}_{end}", where, needed=False) for end in ("low", "high"))
    n = _number(row, f"{name}_n", where, needed=False)
    number = 0 if math.isnan(n) else int(n)
    return Measure(_number(row, name, where), low, high, unit, number, row.get(f"{name}_how", ""))


def _number(row: Mapping[str, str], name: str, where: str, *, needed: bool = True) -> float:
    cell = row.get(name, "")
    if not cell and not needed:
        return math.nan
    try:
        return float(cell)
    except ValueError:
        raise InputError(f"{where}: {name} is {cell!r}, not a number; keep the table's columns") from None


def _one_of(value: str, allowed: Iterable[str], name: str, where: str):  # type: ignore[no-untyped-def]
    if value not in allowed:
        raise InputError(f"{where}: {name} is {value!r}; it may be {', '.join(repr(a) for a in allowed)}")
    return value
