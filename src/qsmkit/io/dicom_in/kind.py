"""What the values of an image are: magnitude, phase, a part of a complex number, or something made of them."""

from collections.abc import Collection
from enum import StrEnum


class Kind(StrEnum):
    """What the values of an image are."""

    MAGNITUDE = "magnitude"
    PHASE = "phase"
    REAL = "real"
    IMAGINARY = "imaginary"
    FILTERED_PHASE = "filtered phase"
    FIELD_HZ = "field map in Hz"
    SWI = "susceptibility-weighted image"
    DERIVED = "derived image"


_GE = {0: Kind.MAGNITUDE, 1: Kind.PHASE, 2: Kind.REAL, 3: Kind.IMAGINARY}
"""GE, private element (0043,102F)."""

_TOKENS = (
    (Kind.PHASE, {"P", "PHASE", "PHASE MAP", "P_FFE", "P_SE"}),
    (Kind.REAL, {"R", "REAL", "R_FFE", "R_SE"}),
    (Kind.IMAGINARY, {"I", "IMAGINARY", "I_FFE", "I_SE"}),
)
_FIELD = {"B0", "B0 MAP", "FIELD_MAP", "FIELDMAP"}
_FILTERED = {"FIL", "FILTERED", "HOMODYNE"}
_MADE = {
    "MPR", "CSA MPR", "CSAPARALLEL", "PROJECTION IMAGE", "MIP", "MNIP", "MINIP", "ADC", "FA", "TRACEW", "TENSOR",
    "T1 MAP", "T2 MAP", "T2_STAR MAP", "R2_STAR MAP", "RCBF", "SCREEN SAVE", "CURVED", "SUBTRACT",
}  # fmt: skip


def kind_of(
    image_type: Collection[str], *, component: str = "", ge: int | None = None, unit: str = "", description: str = ""
) -> Kind:
    """Decide what an image's values are.

    Parameters
    ----------
    image_type : collection of str
        Values of ImageType, of FrameType, and of the vendor's own copy of them.
    component : str
        ComplexImageComponent.
    ge : int, optional
        GE's own number of the image type.
    unit : str
        Unit of the real-world values, where the scanner states one.
    description : str
        SeriesDescription.
    """
    tokens = {t.strip().upper() for t in image_type}
    words = description.upper().replace("_", " ").replace(":", " ").split()
    if unit.upper() == "HZ" or tokens & _FIELD:
        return Kind.FIELD_HZ
    if tokens & _MADE or {"DERIVED", "SECONDARY"} <= tokens or {"MIP", "MINIP"} & set(words):
        return Kind.DERIVED
    kind = _GE.get(-1 if ge is None else ge) or _of_component(component) or _of_tokens(tokens)
    if kind == Kind.PHASE and (tokens & (_FILTERED | {"SWI"}) or {"FILT", "FILTERED"} & set(words)):
        return Kind.FILTERED_PHASE
    if "SWI" in tokens and kind in (None, Kind.MAGNITUDE):
        return Kind.SWI
    return kind or Kind.MAGNITUDE


def _of_component(component: str) -> Kind | None:
    name = component.strip().lower()
    return Kind(name) if name in ("magnitude", "phase", "real", "imaginary") else None


def _of_tokens(tokens: Collection[str]) -> Kind | None:
    return next((kind for kind, known in _TOKENS if known & set(tokens)), None)
