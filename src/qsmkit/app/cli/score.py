"""`qsmkit score`: a map against the truth."""

from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.io.nifti import load_volume
from qsmkit.metrics import Score
from qsmkit.metrics import score as score_map

_COLUMNS = (
    ("depth", "> mm", ".0f"), ("share", "share", ".2f"), ("coverage", "coverage", ".3f"), ("nrmse", "NRMSE %", ".1f"),
    ("nrmse_detrend", "detrended", ".1f"), ("correlation", "corr", ".3f"), ("xsim", "XSIM", ".3f"),
    ("hfen", "HFEN", ".1f"), ("nrmse_tissue", "tissue", ".1f"), ("nrmse_blood", "blood", ".1f"),
    ("nrmse_dgm", "DGM", ".1f"), ("dgm_slope", "DGM slope", ".3f"), ("calc_moment_dev", "calc moment", ".1f"),
    ("calc_streak", "calc streak", ".3f"),
)  # fmt: skip


def score(
    recon: Path,
    truth: Path,
    /,
    *,
    mask: Path,
    labels: Path | None = None,
    match: Flag = False,
    qsm_ci: Flag = False,
    json: bool = False,
) -> None:
    """Score a susceptibility (or field) map against the truth, by depth below the true mask's edge.

    Parameters
    ----------
    recon
        Map to score (ppm), zero where it was not reconstructed.
    truth
        True map (ppm).
    mask
        True brain mask: coverage and depth refer to it.
    labels
        Label image, for the scores of regions.
    match
        Shift the map first, so that its mean over the scored voxels is the truth's: XSIM and HFEN, unlike NRMSE, depend
        on what a map is referenced to.
    qsm_ci
        Do not mask the volumes first: the variant of QSM-CI, for comparison with its tables.
    json
        Print JSON on stdout.
    """
    paths = {"truth": truth, "mask": mask, **({"labels": labels} if labels else {})}
    volume = load_volume(recon)
    others = {name: load_volume(path) for name, path in paths.items()}
    for name, other in others.items():
        volume.grid.require_same(other.grid, paths[name], recon)
    chi, whole = volume.data, others["mask"].data > 0
    if match:
        scored = whole & (chi != 0)
        chi = np.where(scored, chi - (chi[scored].mean() - others["truth"].data[scored].mean()), 0)
    scores = score_map(
        chi,
        others["truth"].data,
        reference_mask=whole,
        grid=volume.grid,
        labels=np.rint(others["labels"].data).astype(np.int16) if labels else None,
        mask_first=not qsm_ci,
    )
    if json:
        console.print_json([s.as_dict() for s in scores])
    else:
        print_scores(scores)


def print_scores(scores: tuple[Score, ...]) -> None:
    """Print scores as a table on stdout, a row per depth."""
    columns = [c for c in _COLUMNS if any(not np.isnan(getattr(s, c[0])) for s in scores)]
    rows = [[format(getattr(s, name), style) for name, _, style in columns] for s in scores]
    console.print_table([title for _, title, _ in columns], rows)
