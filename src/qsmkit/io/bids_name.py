"""The grammar of BIDS file names: entities in a fixed order, then a suffix."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

ENTITY_ORDER = (
    "sub", "tpl", "ses", "cohort", "sample", "task", "tracksys", "acq", "nuc", "voi", "ce", "trc", "stain",
    "rec", "dir", "run", "mod", "echo", "coil", "flip", "inv", "mt", "part", "proc", "hemi", "space", "split",
    "recording", "chunk", "atlas", "seg", "scale", "res", "den", "label", "desc",
)  # fmt: skip
"""Order of entities in a name (BIDS 1.10, schema rules/entities), and `coil`, which BIDS lacks."""

_ENTITY = re.compile(r"([a-z]+)-([0-9A-Za-z+]+)")
_COIL = re.compile(r"coil([0-9]+)")
_SUFFIX = re.compile(r"[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class BidsName:
    """A BIDS name taken apart: `sub-01_echo-1_MEGRE` is entities {sub: 01, echo: 1} and suffix MEGRE."""

    entities: Mapping[str, str]
    suffix: str

    def without(self, *names: str) -> "BidsName":
        """Return the name without some of its entities."""
        return BidsName({k: v for k, v in self.entities.items() if k not in names}, self.suffix)

    @property
    def coil(self) -> str:
        """The number of the receive coil, from `coil-3` or, within BIDS, `rec-coil3`; empty if there is none."""
        within = _COIL.fullmatch(self.entities.get("rec", ""))
        return (self.entities.get("coil") or (within[1] if within else "")).lstrip("0")

    def without_coil(self) -> "BidsName":
        """Return the name that all coils share."""
        return self.without("coil", *(("rec",) if _COIL.fullmatch(self.entities.get("rec", "")) else ()))

    @property
    def stem(self) -> str:
        """The entities in order, without the suffix."""
        return "_".join(f"{k}-{self.entities[k]}" for k in sorted(self.entities, key=ENTITY_ORDER.index))

    def __str__(self) -> str:
        return "_".join(filter(None, (self.stem, self.suffix)))


def stem(filename: str) -> str:
    """Return a file name without the extension of an image or sidecar."""
    return re.sub(r"\.(nii\.gz|nii|json)$", "", filename)


def parse(filename: str) -> BidsName | None:
    """Return the entities and suffix of a file name, with or without extension; None if it is not of BIDS."""
    *pairs, suffix = stem(filename).split("_")
    matches = [_ENTITY.fullmatch(pair) for pair in pairs]
    if not _SUFFIX.fullmatch(suffix) or not all(m and m[1] in ENTITY_ORDER for m in matches):
        return None
    return BidsName({m[1]: m[2] for m in matches if m}, suffix)
