"""The front door: a path goes in, a scan or a volume comes out."""

from pathlib import Path

from qsmkit.errors import InputError
from qsmkit.io import bids
from qsmkit.io.nifti import load_volume
from qsmkit.volume import Scan, Volume


def load(
    path: str | Path,
    *,
    participant: str | None = None,
    session: str | None = None,
    phase_max: float | None = None,
    flip_phase: bool = False,
) -> Scan | Volume:
    """Read the scan of a BIDS data set, or the volume of a NIfTI file.

    Parameters
    ----------
    path : path
        Folder of a BIDS data set, or a .nii or .nii.gz file.
    participant, session : str, optional
        Which scan of the data set; needed only if it has several.
    phase_max : float, optional
        The stored phase value that stands for π, where it cannot be told.
    flip_phase : bool
        Negate the phase.

    Returns
    -------
    Scan or Volume
        A scan for a folder, a volume for a file.

    Raises
    ------
    InputError
        The path holds neither, or several scans of which none was chosen.
    """
    if not Path(path).is_dir():
        return load_volume(path)
    found = bids.find_scans(
        path, participants=[participant] if participant else None, sessions=[session] if session else None
    )
    if len(found) > 1:
        stems = ", ".join(f.stem for f in found)
        raise InputError(f"{path} holds {len(found)} scans ({stems}); choose one by participant and session")
    return bids.load_scan(found[0], phase_max=phase_max, flip_phase=flip_phase)
