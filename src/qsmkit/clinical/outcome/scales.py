"""Motor scales of Parkinson's disease, which are never mixed, and how large a change matters to a patient."""

from dataclasses import dataclass

from qsmkit.errors import InputError


@dataclass(frozen=True, slots=True)
class Scale:
    """A motor scale; higher is worse.

    Attributes
    ----------
    name : str
        As printed.
    highest : float
        Worst score, points.
    improvement : tuple of (float, str)
        Smallest improvements that matter, points, and what they are called, ascending.
    worsening : float
        Smallest worsening that matters, points.
    source : str
        Publication of these thresholds.
    """

    name: str
    highest: float
    improvement: tuple[tuple[float, str], ...]
    worsening: float
    source: str

    def grade(self, change: float) -> str:
        """Return what a change of the score, in points, means to a patient."""
        if change >= self.worsening:
            return "worse"
        reached = [word for least, word in self.improvement if -change >= least]
        return reached[-1] if reached else "unchanged"


UPDRS_III = Scale(
    # Shulman 2010, Arch Neurol 67:64; the three thresholds and their use for worsening are recalled
    "UPDRS-III", 108, ((2.5, "minimal"), (5.2, "moderate"), (10.8, "large")), 2.5, "Shulman 2010",
)  # fmt: skip

MDS_UPDRS_III = Scale("MDS-UPDRS-III", 132, ((3.25, "minimal"),), 4.63, "Horváth 2015")

SCALES = {s.name: s for s in (UPDRS_III, MDS_UPDRS_III)}


def scale(name: str) -> Scale:
    """Return the scale of that name, whatever its spelling.

    Raises
    ------
    InputError
        No such scale is known.
    """
    plain = "".join(c for c in name.upper() if c.isalnum()).replace("PART3", "III").replace("PARTIII", "III")
    plain = plain[:-1] + "III" if plain.endswith("3") else plain
    for known in SCALES.values():
        if plain == "".join(c for c in known.name if c.isalnum()):
            return known
    raise InputError(f"scale {name!r} is not known; it is one of {', '.join(SCALES)}, which are never mixed")
