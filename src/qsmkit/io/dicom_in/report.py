"""What became of every series: the rows of the table that conversion ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["converted", "planned", "there already", "left", "refused"]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of the volumes of a series that share their fate.

    Attributes
    ----------
    series : int
        SeriesNumber, or 0.
    description : str
        SeriesDescription, or a file's name.
    shows : str
        Kind of the values and role of the image.
    volumes, slices : int
        Numbers of volumes, and of slices in each.
    echo_times : tuple of float
        In ms.
    outcome : str
        "converted", "planned" (dry run), "there already", "left" (not wanted) or "refused" (wanted, but unusable).
    reason : str
        Why it was left or refused, or what was repaired.
    files : tuple of str
        Images in the data set, relative to it.
    """

    series: int
    description: str
    shows: str
    volumes: int
    slices: int
    echo_times: tuple[float, ...]
    outcome: Outcome
    reason: str = ""
    files: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {"echo_times_ms": self.echo_times}
