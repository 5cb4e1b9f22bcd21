"""One page on the deep grey nuclei of a patient."""

from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

from qsmkit.clinical.profile.profile import Profile
from qsmkit.reports.page import write_page
from qsmkit.reports.plot import ACCENT, INK, SOFT

COLOURS = {"left": ACCENT, "right": "#c0561f", "": INK}
SHIFT = {"left": -0.16, "right": 0.16, "": 0.0}
"""How far a side's mark stands above or below its nucleus' line."""


def write_profile(found: Profile, out: Path, *, source: Path, reference: str, overwrite: bool = False) -> Path:
    """Write report.html, profile.csv and the figure into a folder.

    Parameters
    ----------
    found : Profile
        The summary.
    out : Path
        The folder; made if need be.
    source : Path
        The table that was read.
    reference : str
        To what the susceptibilities are relative.
    overwrite : bool
        Whether files that are there already may be replaced.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    OutputError
        A file is there already, or cannot be written.
    """
    caption = (
        f"Mean susceptibility with 95 % interval, relative to {reference}: left (blue), right (orange). "
        "Grey: mean ± 2 SD of the controls, where a norm was given."
    )
    return write_page(
        out, "profile.html.j2", found, source=source, figures=[("profile", caption, partial(_draw, found=found))],
        tables={"profile.csv": as_rows(found)}, reference=reference, overwrite=overwrite,
    )  # fmt: skip


def as_rows(found: Profile) -> list[dict[str, object]]:
    """Return a profile as rows of a table, a row a nucleus and side."""
    return [
        {
            "nucleus": line.reading.region, "side": line.reading.side, "chi_ppm": line.reading.chi.value,
            "chi_low": line.reading.chi.low, "chi_high": line.reading.chi.high,
            "expected_ppm": line.score.expected if line.score else None,
            "z": line.score.z.value if line.score else None, "z_low": line.score.z.low if line.score else None,
            "z_high": line.score.z.high if line.score else None,
            "percentile": line.score.percentile if line.score else None, "p": line.score.p if line.score else None,
            "norm": line.score.norm.source if line.score else None,
            "iron_ug_per_g": line.iron.value if line.iron else None,
            "iron_low": line.iron.low if line.iron else None, "iron_high": line.iron.high if line.iron else None,
            "iron_expected_ug_per_g": line.expected_iron, "method": line.reading.chi.method,
        }
        for line in found.lines
    ]  # fmt: skip


def _draw(axes: Axes, found: Profile) -> None:
    order = list(dict.fromkeys(line.reading.region for line in found.lines))[::-1]
    for line in found.lines:
        chi, side = line.reading.chi, line.reading.side
        y = order.index(line.reading.region) - SHIFT[side]
        if line.score:
            low, width = line.score.expected - 2 * line.score.norm.sd, 4 * line.score.norm.sd
            axes.barh(order.index(line.reading.region), width, left=low, height=0.7, color=SOFT, alpha=0.4, zorder=0)
        reach = [[chi.value - chi.low], [chi.high - chi.value]]
        axes.errorbar(chi.value, y, xerr=reach, color=COLOURS[side], marker="o", ms=4, capsize=2.5, lw=1.4)
    axes.axvline(0, color=SOFT, lw=0.8, zorder=0)
    axes.set_yticks(range(len(order)), order)
    axes.set(xlabel="susceptibility (ppm)")
    axes.tick_params(colors=INK)
