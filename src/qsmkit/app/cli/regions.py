"""`qsmkit uncertainty regions`: means of regions with the intervals that repeats with new noise give."""

from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume
from qsmkit.recon.uncertainty.repeats import CONFIDENCE, region_difference, region_means


def regions(
    chi: Path,
    repeats: Path,
    labels: Path,
    /,
    *,
    minus: int | None = None,
    confidence: float = CONFIDENCE,
    json: Flag = False,
) -> None:
    """Print the mean susceptibility of every labelled region with its interval.

    Parameters
    ----------
    chi
        Susceptibility (ppm), …_Chimap.nii.gz.
    repeats
        Its deviations in repeats with new noise (ppm), …_desc-repeats_Chimap.nii.gz of recon --uncertainty.
    labels
        Label image on the same grid; 0 is no region.
    minus
        Label of a region whose mean is subtracted from that of each other region.
    confidence
        Probability that an interval holds the mean of endlessly many scans of the same head.
    json
        Print JSON on stdout.
    """
    volume, strays, regions = (load_volume(path) for path in (chi, repeats, labels))
    for path, other in ((repeats, strays), (labels, regions)):
        volume.grid.require_same(other.grid, path, chi)
    if strays.data.ndim != 4:
        raise InputError(f"{repeats} is one volume, not one for each repeat; give …_desc-repeats_Chimap.nii.gz")
    there = np.isfinite(strays.data).any(-1)
    values, deviations = volume.data[there], strays.data[there]
    region = np.rint(regions.data[there]).astype(np.int32)
    found = region_means(values, deviations, region, confidence=confidence)
    if minus is not None:
        if minus not in found:
            raise InputError(f"no voxel with a susceptibility has the label {minus} of --minus; choose another")
        found = {
            label: region_difference(values, deviations, region == label, region == minus, confidence=confidence)
            for label in found
            if label != minus
        }
    if json:
        console.print_json([{"label": label, **measure.as_dict()} for label, measure in found.items()])
        return
    rows = [
        (str(label), str(m.n), f"{m.value:+.4f}", f"{m.low:+.4f}", f"{m.high:+.4f}", f"{(m.high - m.low) / 2:.4f}")
        for label, m in found.items()
    ]
    title = next((m.method for m in found.values()), "no region")
    console.print_table(("label", "voxels", "χ ppm", "low", "high", "±"), rows, title)
