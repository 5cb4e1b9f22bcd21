"""Which nuclei are looked for, what they are expected to be like, and by which numbers labels call them.

The numbers are those of the digital patient. Expected susceptibilities are the middle of the ranges in vivo at 3 T,
relative to the brain's mean or CSF, recalled, with the spread between people; ranges of volume (mm³, one side) hold
adults of both sexes and the borders of several atlases. These and the softness of borders are modelling choices.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

Side = Literal["L", "R"]

SIDES: tuple[Side, ...] = get_args(Side)


@dataclass(frozen=True, slots=True)
class Structure:
    """One nucleus.

    Attributes
    ----------
    name, title : str
        Its name in tables, and in words.
    label : int
        Its number in a label image, the same on both sides.
    chi, chi_sd : float
        Expected susceptibility and its spread between people, ppm.
    volume : tuple of float
        Least and greatest plausible volume of one side, mm³.
    border : float
        How soft the border of the deformed atlas is, mm: over how far it may be wrong.
    aliases : tuple of str
        What atlases call it.
    """

    name: str
    title: str
    label: int
    chi: float
    chi_sd: float
    volume: tuple[float, float]
    border: float
    aliases: tuple[str, ...]


@cache
def structures() -> dict[str, Structure]:
    """Return all nuclei by name."""
    with files("qsmkit.clinical.nuclei").joinpath("structures.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        r["name"]: Structure(
            r["name"], r["title"], int(r["label"]), float(r["chi"]), float(r["chi_sd"]),
            (float(r["volume_low"]), float(r["volume_high"])), float(r["border"]),
            tuple(r["aliases"].split(";")),
        )
        for r in rows
    }  # fmt: skip


def recognised(name: str) -> tuple[Structure, Side | None] | None:
    """Return the nucleus and side that an atlas calls `name`, such as "L Putamen" or "STN_right", or None."""
    words = name.replace("_", " ").strip().lower().split()
    side: Side | None = None
    for word, at in (("left", "L"), ("l", "L"), ("lh", "L"), ("right", "R"), ("r", "R"), ("rh", "R")):
        if word in words and len(words) > 1:
            words.remove(word)
            side = "L" if at == "L" else "R"
    bare = " ".join(words)
    for structure in structures().values():
        if bare in structure.aliases or bare.replace(" ", "_") == structure.name:
            return structure, side
    return None
