"""Scans as a scenario asks for them: the protocol of a sequence, with a kind and a label."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from qsmkit.errors import ParameterError
from qsmkit.simulate.ct import CtProtocol
from qsmkit.simulate.gre import GreProtocol
from qsmkit.simulate.prescription import Orientation
from qsmkit.simulate.structural import STRUCTURAL, StructuralProtocol


@dataclass(frozen=True, kw_only=True)
class GradientEcho(GreProtocol):
    """Multi-echo gradient echo, magnitude and phase of the combined image; all keys of `gre.GreProtocol`.

    Attributes
    ----------
    acq : str or None
        Tells it from other scans of its kind at the same visit: letters and digits.
    """

    kind: Literal["gre"]
    acq: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_label(self.acq)
        if self.coils:
            raise ParameterError(f"coils = {self.coils}: a scenario writes combined images; give 0, or leave it out")


@dataclass(frozen=True, kw_only=True)
class Structural:
    """Structural scan; what is not said here is as in `structural.STRUCTURAL`.

    Attributes
    ----------
    kind : str
        MPRAGE, turbo spin echo, the same with CSF nulled, or MPRAGE with white matter nulled.
    acq : str or None
        Tells it from other scans of its kind at the same visit: letters and digits.
    voxel_size, orientation, angles, field_strength
        As in `prescription.Prescription`.
    snr : float or None
        The same; None is the sequence's usual one.
    restlessness : float
        As in `structural.StructuralProtocol`, mm.
    """

    kind: Literal["T1w", "T2w", "FLAIR", "FGATIR"]
    acq: str | None = None
    voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: Orientation = "sagittal"
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    field_strength: float = 3.0
    snr: float | None = None
    restlessness: float = 0.0

    def __post_init__(self) -> None:
        _check_label(self.acq)
        self.protocol()

    def protocol(self) -> StructuralProtocol:
        """Return what is set at the console."""
        usual = STRUCTURAL[self.kind]
        return replace(
            usual, voxel_size=self.voxel_size, orientation=self.orientation, angles=self.angles,
            field_strength=self.field_strength, snr=usual.snr if self.snr is None else self.snr,
            restlessness=self.restlessness,
        )


@dataclass(frozen=True, kw_only=True)
class Ct(CtProtocol):
    """Computed tomography of the head, with the leads that are in by then; all keys of `ct.CtProtocol`.

    Attributes
    ----------
    acq : str or None
        Tells it from other scans of its kind at the same visit: letters and digits.
    """

    kind: Literal["ct"]
    acq: str | None = None

    def __post_init__(self) -> None:
        CtProtocol.__post_init__(self)
        _check_label(self.acq)


AnyScan: TypeAlias = GradientEcho | Structural | Ct

SUFFIXES = {"gre": "MEGRE", "FGATIR": "T1w"}
"""BIDS suffixes of kinds that are not called so."""


def entities(scan: AnyScan) -> str:
    """Return a scan's own BIDS entities with an underscore, or nothing; FGATIR has no suffix of its own in BIDS."""
    acq = ("FGATIR" if scan.kind == "FGATIR" else "") + (scan.acq or "")
    return f"acq-{acq}_" if acq else ""


def space(scan: AnyScan) -> str:
    """Return the entities, with an underscore, of what is true in a scan's space; a gradient echo's are its own."""
    return entities(scan) + ("" if scan.kind == "gre" else f"space-{scan.kind}_")


def ending(scan: AnyScan) -> str:
    """Return the end of a scan's BIDS name, which tells it from others of the visit."""
    return entities(scan) + SUFFIXES.get(scan.kind, scan.kind)


def _check_label(acq: str | None) -> None:
    if acq is not None and not (acq.isalnum() and acq.isascii()):
        raise ParameterError(f"acq = {acq!r} is no label; use letters and digits only")
