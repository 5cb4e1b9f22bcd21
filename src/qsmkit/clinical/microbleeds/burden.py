"""The burden of microbleeds, counted as raters count: by region and certainty (MARS), by size (BOMBS), in categories.

Machine-made counts are of candidates; only what a reader accepted is a microbleed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from qsmkit.clinical.microbleeds.findings import Finding
from qsmkit.clinical.microbleeds.region import Region
from qsmkit.clinical.quantify.propagate import known, normal, standard_error
from qsmkit.measure import Measure

CATEGORIES = ((0, 0), (1, 1), (2, 4), (5, None))
"""Least and most of each category of burden (recalled)."""

FINE_CATEGORIES = ((0, 0), (1, 4), (5, 9), (10, 19), (20, None))

SMALL = 5.0
"""mm; BOMBS tells smaller from larger ones (recalled)."""


@dataclass(frozen=True, eq=False)
class Burden:
    """A patient's burden.

    Attributes
    ----------
    findings : list of Finding
        All that are in the table.
    sentence : str
        What was found and rejected, and why.
    is_reviewed : bool
        Whether only accepted ones count.
    """

    findings: Sequence[Finding]
    sentence: str = ""
    is_reviewed: bool = False

    @property
    def counted(self) -> list[Finding]:
        """Microbleeds that count: accepted ones after a review, else all candidates."""
        bleeds = [f for f in self.findings if f.kind == "microbleed" and f.accept != "no"]
        return [f for f in bleeds if f.accept == "yes"] if self.is_reviewed else bleeds

    @property
    def status(self) -> str:
        """What the numbers are: candidates, or a reader's decision."""
        if not self.is_reviewed:
            return "candidates, not reviewed: not a finding until a reader accepts them"
        left = sum(f.accept == "" for f in self.findings)
        yes, no = (sum(f.accept == a for f in self.findings) for a in ("yes", "no"))
        return f"reviewed: {yes} accepted, {no} rejected, {left} left open (not counted)"

    def table(self) -> list[dict[str, object]]:
        """Return counts by region: certainty as in MARS, size as in BOMBS."""
        rows: list[dict[str, object]] = []
        for region in (*get_args(Region), "all"):
            of = [f for f in self.counted if region in (f.region, "all")]
            rows.append({
                "region": region, "count": len(of),
                "definite": sum(f.confidence == "definite" for f in of),
                "possible": sum(f.confidence == "possible" for f in of),
                f"below_{SMALL:g}_mm": sum(f.diameter < SMALL for f in of),
                f"from_{SMALL:g}_mm": sum(f.diameter >= SMALL for f in of),
            })  # fmt: skip
        return rows

    @property
    def pattern(self) -> str:
        """Return where they are: none, lobar only, deep only (with infratentorial ones), or mixed."""
        lobar = sum(f.region == "lobar" for f in self.counted)
        if not self.counted:
            return "none"
        return "lobar only" if lobar == len(self.counted) else "deep or infratentorial only" if not lobar else "mixed"

    @property
    def categories(self) -> tuple[str, str]:
        """Return the category of 0, 1, 2–4, ≥ 5 and that of 0, 1–4, 5–9, 10–19, ≥ 20."""
        coarse, fine = (_category(len(self.counted), c) for c in (CATEGORIES, FINE_CATEGORIES))
        return coarse, fine

    @property
    def total(self) -> Measure:
        """Return the sum of total susceptibilities of those that count, ppm·mm³."""
        parts = [f.total for f in self.counted]
        error = math.hypot(*(standard_error(p) for p in parts)) if parts else 0.0
        how = f"sum over {len(parts)}, errors taken for independent"
        sure = bool(parts) and all(known(p) for p in parts)
        return normal(sum(p.value for p in parts), error, "ppm·mm³", len(parts), how, sure=sure)

    def others(self) -> dict[str, int]:
        """Return how many of the table are calcifications, of unclear sign, or declined by the reader."""
        left = [f for f in self.findings if f.accept != "no"]
        return {
            "calcification candidates": sum(f.kind == "calcification" for f in left),
            "of indeterminate sign": sum(f.kind == "indeterminate" for f in left),
            "rejected by the reader": sum(f.accept == "no" for f in self.findings),
        }

    def as_dict(self) -> dict[str, object]:
        """Return the burden as plain values for JSON."""
        coarse, fine = self.categories
        return {
            "status": self.status, "detection": self.sentence, "count": len(self.counted), "by_region": self.table(),
            "pattern": self.pattern, "category": coarse, "fine_category": fine, "chi_total": self.total.as_dict(),
            "others": self.others(), "findings": [f.as_row() for f in self.findings],
        }  # fmt: skip


def _category(count: int, categories: Sequence[tuple[int, int | None]]) -> str:
    for low, high in categories:
        if count >= low and (high is None or count <= high):
            return f"≥ {low}" if high is None else f"{low}" if low == high else f"{low}–{high}"
    raise AssertionError(count)
