"""An image with its name's end and its sidecar: what a simulation hands over for writing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from qsmkit.arrays import AnyArray
from qsmkit.grid import Grid


@dataclass(frozen=True, eq=False)
class Image:
    """An image to be written.

    Attributes
    ----------
    ending : str
        Last entities and suffix of its BIDS name, e.g. `echo-1_part-mag_MEGRE`.
    data : (X, Y, Z) array
        As it is to be stored.
    grid : Grid
        Its geometry.
    sidecar : mapping
        Metadata; none writes no sidecar.
    folder : str
        Data type.
    """

    ending: str
    data: AnyArray
    grid: Grid
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    folder: Literal["anat", "ct"] = "anat"
