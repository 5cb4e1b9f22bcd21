"""Scans in a BIDS data set: found by their names, read with their sidecars."""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from qsmkit.errors import DataWarning, InputError, MetadataError
from qsmkit.io import bids_name
from qsmkit.io.assemble import assemble_scan
from qsmkit.io.bids_filter import BidsFilter
from qsmkit.io.bids_name import BidsName
from qsmkit.io.echo_times import sidecar_times, to_seconds
from qsmkit.io.field_strength import find_field_strength
from qsmkit.io.sidecar import read_inherited, sidecar_path
from qsmkit.volume import Scan

SUFFIXES = ("MEGRE", "T2starw", "GRE")
"""Suffixes of gradient-echo images; where one name has several, the first is taken."""

RAW = "raw"
"""Name under which derivatives link to the data set that they were made from."""

_Metadata: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScanFiles:
    """The files of one scan.

    Attributes
    ----------
    root : Path
        The data set's folder.
    name : BidsName
        Entities that all files share, and their suffix.
    phase, magnitude : tuple of Path
        One file an echo in the order of their echo index, or one 4-D file; those of all coils if there are several.
    coils : tuple of ScanFiles
        The files of each receive coil, if the scan is stored by coil.
    """

    root: Path
    name: BidsName
    phase: tuple[Path, ...]
    magnitude: tuple[Path, ...]
    coils: tuple["ScanFiles", ...] = ()

    @property
    def stem(self) -> str:
        """The scan's entities, which is what its results are named after."""
        return self.name.stem


def find_scans(
    root: Path | str,
    *,
    participants: Sequence[str] | None = None,
    sessions: Sequence[str] | None = None,
    suffix: str | None = None,
    only: BidsFilter | None = None,
) -> list[ScanFiles]:
    """Find every scan with phase in a BIDS data set.

    Files belong to one scan if their names differ in `echo`, `part` and coil only, where the coil is either `coil-1`,
    which BIDS does not know, or `rec-coil1`. Magnitude without phase is passed over with a `DataWarning`.

    Parameters
    ----------
    root : Path or str
        Folder of the data set, which holds `sub-*` folders.
    participants, sessions : sequence of str, optional
        Labels, with or without `sub-` and `ses-`; all if left out.
    suffix : str, optional
        One of `SUFFIXES`; by default whichever there is.
    only : BidsFilter, optional
        What the names of files must have.

    Returns
    -------
    list of ScanFiles
        In the order of their names.

    Raises
    ------
    InputError
        The folder is not a BIDS data set, a label is unknown, or no scan has phase.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; give the folder of a BIDS data set")
    if suffix and suffix not in SUFFIXES:
        raise InputError(f"suffix {suffix!r} is unknown; it may be {', '.join(SUFFIXES)}")
    subjects = _participants(root, participants)
    if not (root / "dataset_description.json").is_file():
        text = f"{root} has no dataset_description.json, which BIDS requires"
        warnings.warn(text, DataWarning, stacklevel=2)
    folders = [f for s in subjects for f in _sessions(s, sessions)]
    if sessions and not folders:
        raise InputError(f"{root}: no chosen participant has session {', '.join(sessions)}; check the labels")
    groups: dict[str, list[tuple[BidsName, Path]]] = defaultdict(list)
    for folder in folders:
        for path in sorted((folder / "anat").glob("sub-*.nii*")):
            name = bids_name.parse(path.name)
            if name and name.suffix in ((suffix,) if suffix else SUFFIXES) and (not only or only.takes(name)):
                groups[str(name.without("echo", "part").without_coil())].append((name, path))
    scans = [s for members in groups.values() if (s := _scan(root, members))]
    if not scans:
        raise InputError(
            f"{root}: no chosen participant has phase images with suffix {suffix or ' or '.join(SUFFIXES)}"
            f"{' that the filter takes' if only else ''}; "
            "name them like sub-01/anat/sub-01_echo-1_part-phase_MEGRE.nii.gz"
        )
    return _one_suffix_each(scans)


def load_scan(files: ScanFiles, *, phase_max: float | None = None, flip_phase: bool = False) -> Scan:
    """Read a scan of a BIDS data set.

    Parameters
    ----------
    files : ScanFiles
        From `find_scans`.
    phase_max : float, optional
        The stored phase value that stands for π.
    flip_phase : bool
        Negate the phase.

    Returns
    -------
    Scan
        Sorted by echo time; its sources are BIDS URIs `bids:raw:…`.

    Raises
    ------
    InputError
        A file, the metadata or their combination cannot be used, or the scan is stored by coil.
    """
    if files.coils:
        raise InputError(
            f"{files.name} is stored by coil, {len(files.coils)} of them; read each, and combine them by "
            "qsmkit.pipeline.coils.combined, as qsmkit recon does"
        )
    _require_matching_echoes(files)
    phase_metadata = [read_inherited(p, files.root) for p in files.phase]
    magnitude_metadata = [read_inherited(p, files.root) for p in files.magnitude]
    times = _echo_times(files, phase_metadata, magnitude_metadata)
    seconds, decision = to_seconds(times, source="sidecar", name=files.stem)
    if "milliseconds" in decision:
        warnings.warn(f"{files.stem}: echo times {decision}; BIDS wants seconds", DataWarning, stacklevel=2)
    tesla, origin = find_field_strength(phase_metadata[0], name=files.stem)
    return assemble_scan(
        files.stem,
        files.phase,
        files.magnitude,
        phase_metadata=phase_metadata,
        magnitude_metadata=magnitude_metadata,
        echo_times=seconds,
        field_strength=tesla,
        phase_max=phase_max,
        flip_phase=flip_phase,
        sources=tuple(_uri(p, files.root) for p in (*files.phase, *files.magnitude)),
        decisions={"echo_times": decision, "field_strength": origin},
    )


def _uri(path: Path, root: Path) -> str:
    return f"bids:{RAW}:{path.relative_to(root).as_posix()}"


def _participants(root: Path, labels: Sequence[str] | None) -> list[Path]:
    """Return the folders of the participants, all or those with one of the labels."""
    there = {p.name.removeprefix("sub-"): p for p in sorted(root.glob("sub-*")) if p.is_dir()}
    if not there:
        raise InputError(f"{root} has no sub-* folders; give the folder of a BIDS data set")
    wanted = list(there) if labels is None else [label.removeprefix("sub-") for label in labels]
    for label in wanted:
        if label not in there:
            raise InputError(f"{root} has no participant {label!r}; there are: {', '.join(there)}")
    return [there[label] for label in dict.fromkeys(wanted)]


def _sessions(subject: Path, labels: Sequence[str] | None) -> list[Path]:
    """Return a participant's folders with images: its own and every session, or the chosen sessions."""
    there = sorted(subject.glob("ses-*"))
    if labels is None:
        return [subject, *there]
    wanted = {label.removeprefix("ses-") for label in labels}
    return [p for p in there if p.name.removeprefix("ses-") in wanted]


def _scan(root: Path, members: Sequence[tuple[BidsName, Path]]) -> ScanFiles | None:
    ordered = sorted(members, key=lambda m: (m[0].coil.zfill(9), _echo(m[0]).zfill(9)))
    phase = tuple(path for name, path in ordered if name.entities.get("part") == "phase")
    magnitude = tuple(path for name, path in ordered if name.entities.get("part", "mag") == "mag")
    name = members[0][0].without("echo", "part").without_coil()
    if not phase:
        warnings.warn(f"{name} has no part-phase image; it is passed over", DataWarning, stacklevel=3)
        return None
    return ScanFiles(root, name, phase, magnitude, _coils(root, name, ordered))


def _coils(root: Path, name: BidsName, ordered: Sequence[tuple[BidsName, Path]]) -> tuple[ScanFiles, ...]:
    by_coil: dict[str, list[Path]] = defaultdict(list)
    for member, path in ordered:
        by_coil[member.coil].append(path)
    if set(by_coil) == {""}:
        return ()
    if "" in by_coil:
        raise InputError(f"{name}: {by_coil[''][0].name} names no coil, but others do; keep combined images elsewhere")
    coils = []
    for paths in by_coil.values():
        phase = tuple(p for p in paths if "_part-phase_" in p.name)
        coils.append(ScanFiles(root, name, phase, tuple(p for p in paths if p not in phase)))
    if len({(len(c.phase), len(c.magnitude)) for c in coils}) > 1:
        raise InputError(f"{name}: coils {', '.join(by_coil)} do not have the same images; complete them")
    return tuple(coils)


def _one_suffix_each(scans: Sequence[ScanFiles]) -> list[ScanFiles]:
    """Return one scan for each stem, since results are named after it."""
    kept: dict[str, ScanFiles] = {}
    for scan in sorted(scans, key=lambda s: (s.stem, SUFFIXES.index(s.name.suffix))):
        if scan.stem in kept:
            warnings.warn(
                f"{scan.name} is passed over for {kept[scan.stem].name}; choose a suffix to have it instead",
                DataWarning, stacklevel=3,
            )  # fmt: skip
        else:
            kept[scan.stem] = scan
    return list(kept.values())


def _require_matching_echoes(files: ScanFiles) -> None:
    indices = {}
    for what, paths in (("phase", files.phase), ("magnitude", files.magnitude)):
        names = [bids_name.parse(p.name) for p in paths]
        indices[what] = [_echo(n) for n in names if n]
        if len(set(indices[what])) < len(paths):
            found = ", ".join(p.name for p in paths)
            raise InputError(f"{files.name}: {what} has an echo twice ({found}); keep one file an echo")
    if files.magnitude and indices["phase"] != indices["magnitude"]:
        raise InputError(
            f"{files.name}: phase has echoes {', '.join(indices['phase']) or 'none'}, but magnitude has "
            f"{', '.join(indices['magnitude']) or 'none'}; both need the same"
        )


def _echo(name: BidsName) -> str:
    return name.entities.get("echo", "").lstrip("0")


def _echo_times(files: ScanFiles, phase: Sequence[_Metadata], magnitude: Sequence[_Metadata]) -> list[float]:
    of_phase = sidecar_times(phase, files.stem)
    of_magnitude = sidecar_times(magnitude, files.stem)
    if of_phase and of_magnitude and of_phase != of_magnitude:
        raise MetadataError(
            f"{files.stem}: EchoTime is {of_phase} for the phase, but {of_magnitude} for the magnitude; "
            "correct the sidecars"
        )
    if not of_phase and not of_magnitude:
        lacking = next(p for p, m in zip(files.phase, phase, strict=True) if not m.get("EchoTime"))
        raise MetadataError(f"{lacking} has no EchoTime; write it, in s, into {sidecar_path(lacking).name}")
    return of_phase or of_magnitude
