"""Scans of a digital patient as a vendor's scanner hands them out: DICOM, a folder a scan."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from qsmkit.io.dicom_vendor import Exam, write_gradient_echo, write_volume
from qsmkit.simulate.ct import CtScan
from qsmkit.simulate.encoding import Vendor, encode
from qsmkit.simulate.gre import GreScan
from qsmkit.simulate.patient import Acquired
from qsmkit.simulate.structural import StructuralScan

SERIES = 10
"""Series numbers from one scan to the next."""

DESCRIPTIONS = {"T1w": "t1_mprage", "T2w": "t2_tse", "FLAIR": "t2_flair", "FGATIR": "t1_fgatir"}
"""Series descriptions by kind of scan."""


def write_dicom(out: Path, acquired: Acquired, vendor: Vendor, participant: str, when: datetime, number: int) -> None:
    """Write a scan as classic DICOM in the dialect of a vendor.

    Parameters
    ----------
    out : Path
        Folder of the visit; the scan gets one of its own inside.
    acquired : Acquired
        The scan.
    vendor : {"siemens", "ge", "philips"}
        Whose dialect.
    participant : str
        Label, without "sub-".
    when : datetime
        Of the visit.
    number : int
        Of the scan at this visit, from 1.

    Raises
    ------
    OutputError
        A file is there already, or cannot be written.
    """
    made = acquired.scan
    # A CT has a frame of reference of its own, hence a study.
    study = acquired.visit.name + ("CT" if isinstance(made, CtScan) else "")
    exam = Exam(vendor, f"sub-{participant}", study, f"{when:%Y%m%d}")
    folder, series = out / f"{number:02d}_{acquired.name}", SERIES * number
    if isinstance(made, CtScan):
        write_volume(folder, made.hu, made.grid, "CT", exam, series=series)
        return
    exam = replace(exam, field_strength=made.protocol.field_strength)
    if isinstance(made, GreScan):
        settings = made.protocol
        exam = replace(exam, repetition_time=settings.repetition_time, flip_angle=settings.flip_angle)
        write_gradient_echo(
            folder, encode(made.magnitude, made.phase, vendor), made.grid, settings.echo_times, exam,
            first_series=series, description=f"qsm_gre{acquired.wanted.acq or ''}",
        )
        return
    weighting: Literal["T1w", "T2w"] = "T1w" if made.protocol.suffix == "T1w" else "T2w"
    exam = replace(exam, extra=_elements(acquired, made))
    write_volume(folder, made.image, made.grid, weighting, exam, series=series)


def _elements(acquired: Acquired, made: StructuralScan) -> dict[str, str]:
    """Return the elements of a header that say how a structural scan was made; times in ms."""
    words = DESCRIPTIONS[acquired.wanted.kind] + (acquired.wanted.acq or "")
    about: dict[str, Any] = made.metadata
    timed = [key for key in ("RepetitionTime", "EchoTime", "InversionTime") if key in about]
    times = {str(key): f"{1000 * about[key]:.6g}" for key in timed}
    return {"SeriesDescription": words, "ProtocolName": words, "FlipAngle": f"{about['FlipAngle']:g}", **times}
