"""The images of one patient that a targeting report is made of: which file is what."""

from dataclasses import dataclass, replace
from pathlib import Path

from qsmkit.errors import InputError
from qsmkit.io import bids_name
from qsmkit.io.bids import ScanFiles, find_scans
from qsmkit.io.bids_name import BidsName
from qsmkit.io.tables import read_table

FGATIR = ("fgatir", "wmn", "wmnull")
"""What an FGATIR's acquisition label holds, in lower case: it is a T1w by its suffix."""


@dataclass(frozen=True, slots=True)
class Case:
    """The files of one patient.

    Attributes
    ----------
    root : Path
        The BIDS data set.
    participant : str
        Label, with "sub-".
    scan : ScanFiles
        The gradient echo that χ comes from.
    t1w, t2w, fgatir : Path or None
        Structural images of the gradient echo's session, or of another one before the operation.
    ct_before, ct_after : Path or None
        CT of the gradient echo's session, and of the last other one; a single CT is that after the operation.
    """

    root: Path
    participant: str
    scan: ScanFiles
    t1w: Path | None
    t2w: Path | None
    fgatir: Path | None
    ct_before: Path | None
    ct_after: Path | None

    def images(self) -> dict[str, Path]:
        """Return the images that are there, by what they are."""
        named = {n: getattr(self, n) for n in ("t1w", "t2w", "fgatir", "ct_before", "ct_after")}
        return {n: p for n, p in named.items() if p is not None}


def find_case(root: Path, *, participant: str | None = None, session: str | None = None) -> Case:
    """Return the files of a patient in a BIDS data set.

    Parameters
    ----------
    root : Path
        The data set.
    participant, session : str, optional
        Labels of the patient and of the visit before the operation; needed only if there are several with phase.

    Raises
    ------
    InputError
        There are several scans or none.
    """
    scans = find_scans(
        root, participants=[participant] if participant else None, sessions=[session] if session else None
    )
    if len(scans) > 1:
        raise InputError(
            f"{root} holds {len(scans)} scans with phase ({', '.join(s.stem for s in scans)}); choose one by "
            "--participant-label and --session-label"
        )
    scan = scans[0]
    who = f"sub-{scan.name.entities['sub']}"
    images = _images(root / who)
    own = scan.name.entities.get("ses", "")
    cts = [(n, p) for n, p in images if n.suffix == "ct"]
    mr = [(n, p) for n, p in images if n.suffix in ("T1w", "T2w")]
    case = Case(root, who, scan, None, None, None, None, None)
    when = _dates(root / who)
    cts.sort(key=lambda item: (when.get(item[0].entities.get("ses", ""), ""), str(item[1])))
    later = [p for n, p in cts if n.entities.get("ses", "") != own]
    if later:
        before = next((p for n, p in cts if n.entities.get("ses", "") == own), None)
        case = replace(case, ct_before=before, ct_after=later[-1])
    elif cts:
        case = replace(case, ct_after=cts[-1][1])
    # Names sort by session: an image of the scan's own session comes first, then earlier ones.
    mr.sort(key=lambda item: (item[0].entities.get("ses", "") != own, item[0].entities.get("ses", "")))
    return replace(
        case,
        t1w=next((p for n, p in mr if n.suffix == "T1w" and not _is_fgatir(n)), None),
        t2w=next((p for n, p in mr if n.suffix == "T2w"), None),
        fgatir=next((p for n, p in mr if _is_fgatir(n)), None),
    )


def _images(folder: Path) -> list[tuple[BidsName, Path]]:
    named = ((bids_name.parse(path.name), path) for path in sorted(folder.rglob("*.nii*")))
    return [(name, path) for name, path in named if name]


def _dates(folder: Path) -> dict[str, str]:
    """Return when each session was, as its table says, by label."""
    path = folder / f"{folder.name}_sessions.tsv"
    if not path.is_file():
        return {}
    table = read_table(path)
    if not {"session_id", "acq_time"} <= set(table.columns):
        return {}
    labels = (label.removeprefix("ses-") for label in table.text("session_id"))
    return dict(zip(labels, table.text("acq_time"), strict=True))


def _is_fgatir(name: BidsName) -> bool:
    return any(word in name.entities.get("acq", "").lower() for word in FGATIR)
