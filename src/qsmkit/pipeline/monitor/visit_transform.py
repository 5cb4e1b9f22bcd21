"""Where a point of one visit lies in another: registered once from the magnitudes, and kept."""

from pathlib import Path

from qsmkit.clinical.register import register
from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume
from qsmkit.io.transforms import read_transform, write_transform
from qsmkit.pipeline.monitor.visit_files import find_visit
from qsmkit.transform import Transform


def kept_at(data: Path, patient: str, earlier: str, later: str) -> Path:
    """Return where the transform from an earlier to a later visit's space is kept."""
    return data / f"sub-{patient}" / f"sub-{patient}_from-{earlier}_to-{later}_mode-image_xfm.json"


def visit_transform(
    data: Path, patient: str, earlier: str, later: str, given: Path | None = None
) -> Transform:
    """Return the transform from the earlier to the later visit's space: given, kept, or registered and kept.

    It resamples the later image onto the earlier one.

    Parameters
    ----------
    data : Path
        Derivative data set of both visits.
    patient, earlier, later : str
        Labels of participant and sessions.
    given : Path, optional
        The transform, which is then kept.

    Raises
    ------
    InputError
        A magnitude is not found, or the registration fails its gates.
    """
    path = kept_at(data, patient, earlier, later)
    if given is not None:
        motion = read_transform(given)
        write_transform(path, motion, about={"verdict": "given"}, overwrite=True)
        return motion
    if path.is_file():
        return read_transform(path)
    images = [find_visit(data, patient, visit).magnitude for visit in (earlier, later)]
    if images[0] is None or images[1] is None:
        missing = earlier if images[0] is None else later
        raise InputError(f"the raw magnitude of {missing} is not found: keep the raw data set where recon read it, or "
                         "give the transform (--transform)")  # fmt: skip
    found = register(load_volume(images[0]), load_volume(images[1]))
    if found.verdict == "FAIL":
        failed = "; ".join(f"{g.name} {g.value:.3g}" for g in found.gates if g.verdict == "FAIL")
        raise InputError(f"{later} does not register to {earlier} ({failed}); check that both show one head, or give "
                         "the transform (--transform)")  # fmt: skip
    write_transform(path, found.transform, about={"verdict": found.verdict})
    return found.transform
