"""What a check says: a number, a verdict on it, a sentence; and what all checks together say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qsmkit.measure import Measure

Verdict = Literal["ok", "look", "bad"]
VERDICTS: tuple[Verdict, ...] = ("ok", "look", "bad")
"""From best to worst."""

Outcome = Literal["PASS", "REVIEW", "FAIL"]
OUTCOMES: dict[Verdict, Outcome] = {"ok": "PASS", "look": "REVIEW", "bad": "FAIL"}
"""What a reconstruction is whose worst check is that."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
        Short name for tables and JSON.
    measure : Measure
        The number behind the verdict.
    verdict : Verdict
        "ok", "look" (a person should look at this) or "bad" (do not use the maps before this is understood).
    text : str
        One sentence: what was found, and what it means.
    """

    name: str
    measure: Measure
    verdict: Verdict
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return the check as plain values for JSON."""
        return {"name": self.name, "verdict": self.verdict, "text": self.text, **self.measure.as_dict()}


def overall(checks: Sequence[Check]) -> Outcome:
    """Return PASS if every check is ok, FAIL if one is bad, else REVIEW."""
    return OUTCOMES[max((c.verdict for c in checks), key=VERDICTS.index, default="ok")]


def headline(checks: Sequence[Check], warnings: int = 0) -> str:
    """Return the outcome in one line, with the number of warnings that stand beside it."""
    told = f"; {warnings} warning{'s' * (warnings > 1)} to read" if warnings else ""
    counts = {v: [c.name for c in checks if c.verdict == v] for v in ("bad", "look")}
    if not any(counts.values()):
        return f"all {len(checks)} checks passed{told}"
    words = {"bad": "failed", "look": "to look at"}
    return "; ".join(f"{words[v]}: {', '.join(names)}" for v, names in counts.items() if names) + told


def check(
    name: str, value: float, unit: str, n: int, method: str, verdict: Verdict, text: str,
    low: float = math.nan, high: float = math.nan,
) -> Check:  # fmt: skip
    """Return a check of a plain number."""
    return Check(name, Measure(float(value), float(low), float(high), unit, n, method), verdict, text)


def grade(value: float, look: float, bad: float) -> Verdict:
    """Return the verdict of a number that is better the smaller it is."""
    return "ok" if value <= look else "look" if value <= bad else "bad"
