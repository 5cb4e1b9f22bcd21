"""Where in a nucleus to aim: the part that is meant, as fractions of the nucleus's extents along the AC–PC axes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from qsmkit.errors import InputError
from qsmkit.transform import Matrix

Side = Literal["left", "right"]

Range = tuple[float, float]

AXES = ("lateral", "anterior", "superior")

ENDS = (2.0, 98.0)
"""Percentiles of the voxels' coordinates that are the nucleus's extents: a stray voxel does not move a target."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The part of a nucleus whose centroid is the target.

    Attributes
    ----------
    lateral, anterior, superior : (float, float)
        From where to where, as fractions of the nucleus's extents along the AC–PC axes: 0 is its medial, posterior and
        inferior end, 1 its lateral, anterior and superior one.
    source : str
        Where that comes from.

    Raises
    ------
    InputError
        A range is not within 0 … 1, or is empty.
    """

    lateral: Range
    anterior: Range
    superior: Range
    source: str

    def __post_init__(self) -> None:
        for name in AXES:
            low, high = getattr(self, name)
            if not 0 <= low < high <= 1:
                raise InputError(f"{name} = [{low}, {high}] is no range of fractions; give two within 0 … 1, ascending")


RULES: Mapping[str, Rule] = {
    # Which part: recalled. How much of it: modelling choices, about the customary targets relative to MCP.
    "STN": Rule((0.4, 1.0), (0.0, 0.7), (0.4, 1.0), "dorsolateral, sensorimotor part of the STN"),
    "GPi": Rule((0.3, 1.0), (0.0, 0.6), (0.0, 0.5), "posteroventral, sensorimotor part of the GPi"),
}


def parse_rules(content: Mapping[str, Any]) -> dict[str, Rule]:
    """Return rules from plain values: {"STN": {"lateral": [0.4, 1], "anterior": …, "superior": …, "source": …}}.

    Raises
    ------
    InputError
        A key is missing or unknown, or a range is none.
    """
    rules = {}
    for name, given in content.items():
        if not isinstance(given, Mapping) or set(given) != set(Rule.__dataclass_fields__):
            raise InputError(f"the rule for {name!r} needs exactly the keys {', '.join(Rule.__dataclass_fields__)}")
        try:
            lateral, anterior, superior = ((float(a), float(b)) for a, b in (given[k] for k in AXES))
        except (TypeError, ValueError):
            raise InputError(f"the rule for {name!r} holds a range that is not two numbers such as [0.4, 1]") from None
        rules[name] = Rule(lateral, anterior, superior, str(given["source"]))
    return rules


def aim(points: Matrix, side: Side, rule: Rule) -> Matrix:
    """Return the target in a nucleus: the centroid of the part that is meant.

    If the part is so curved that its centroid lies more than 1 mm from all of its voxels, it is the nearest of them.

    Parameters
    ----------
    points : (n, 3) array
        Voxels of the nucleus, AC–PC mm.
    side : {"left", "right"}
        Whose lateral is which way.
    rule : Rule
        The part.

    Raises
    ------
    InputError
        No voxel lies in the part.
    """
    own = points * (1 if side == "right" else -1, 1, 1)
    low, high = np.percentile(own, ENDS, axis=0)
    share = np.clip((own - low) / np.maximum(high - low, 1e-6), 0, 1)
    ranges = np.array([rule.lateral, rule.anterior, rule.superior])
    part = np.all((share >= ranges[:, 0]) & (share <= ranges[:, 1]), axis=1)
    if not part.any():
        raise InputError(f"no voxel of the nucleus lies in its part ({rule.source}); widen the rule's ranges")
    centre = points[part].mean(0)
    apart = np.linalg.norm(points[part] - centre, axis=1)
    nearest: Matrix = points[part][np.argmin(apart)]
    return centre if apart.min() <= 1.0 else nearest
