"""What a volume is for, by how it was acquired: gradient echoes, T1w, T2w, CT, or nothing that is used here."""

import re
from enum import StrEnum

from qsmkit.io.dicom_in.frame import Protocol
from qsmkit.io.dicom_in.kind import Kind


class Role(StrEnum):
    """What a volume is for."""

    GRE = "gradient echo"
    FIELD = "field map"
    T1W = "T1w"
    T2W = "T2w"
    FLAIR = "FLAIR"
    SWI = "SWI"
    CT = "CT"
    NONE = "none"


# Times in ms and angles in degrees that tell weightings apart; modelling choices, far from where protocols crowd.
LONG_T2STAR_TE = 10.0
SHORT_TE, LONG_TE = 30.0, 60.0
SHORT_TR, LONG_TR = 1000.0, 2000.0
T1_FLIP = 8.0

_T1 = re.compile(r"t1|mp2?rage|bravo|spgr|vibe|tfl\b|ir.?fspgr", re.IGNORECASE)
_T2 = re.compile(r"t2(?!\s*\*|star|_?star|_?swi|_?fl2d|_?me)|space|cube|tse|frfse", re.IGNORECASE)
_T2STAR = re.compile(r"t2\s*\*|t2_?star|swi|swan|venbold|qsm|megre|medic|merge|multi.?echo|me.?gre", re.IGNORECASE)
_SCOUT = re.compile(r"locali[sz]er|scout|survey|plane.?loc|aahead|smartbrain|calibration|asset|ref.?scan", re.I)
_OTHER = re.compile(
    r"(?<![a-z])(tof|angio\w*|mra|dixon|perfusion|dce|dsc|asl|b1.?map|flow|diff(usion)?|dwi|dti)(?![a-z])", re.I
)
_FIELD = re.compile(r"field.?map|b0.?map|fm2d", re.IGNORECASE)


def role_of(protocol: Protocol, kind: Kind, echo_time: float, *, has_phase: bool, echoes: int) -> tuple[Role, str]:
    """Decide what a volume is for.

    Parameters
    ----------
    protocol : Protocol
        How it was acquired.
    kind : Kind
        What its values are.
    echo_time : float
        In ms.
    has_phase : bool
        Whether phase, or real and imaginary parts, belong to the same acquisition.
    echoes : int
        The number of echoes of the acquisition.

    Returns
    -------
    role : Role
        `Role.NONE` if it is not used.
    reason : str
        Why it is not used; empty if it is.
    """
    words = f"{protocol.description} {protocol.protocol}"
    if protocol.modality == "CT":
        scout = "LOCALIZER" in protocol.image_type
        return (Role.NONE, "CT scout") if scout or kind == Kind.DERIVED else (Role.CT, "")
    if _SCOUT.search(words):
        return Role.NONE, "localizer or calibration"
    if _OTHER.search(words):
        return Role.NONE, "angiography, perfusion, diffusion, flow or calibration"
    if kind == Kind.DERIVED:
        return Role.NONE, "made from other images (projection, reformat or map)"
    if kind == Kind.FIELD_HZ:
        return Role.FIELD, ""
    if kind == Kind.FILTERED_PHASE:
        return Role.NONE, "phase that the scanner high-pass filtered, which removed the field; export it unfiltered"
    if kind == Kind.SWI:
        return Role.SWI, ""
    if "EP" in protocol.sequence and protocol.dimensions != "3D":
        return Role.NONE, "2-D echo-planar images"
    if "IR" not in protocol.sequence and ("GR" in protocol.sequence or not protocol.sequence):
        if has_phase or echoes > 1 or _T2STAR.search(words) or _FIELD.search(words):
            return Role.GRE, ""
        if echo_time >= LONG_T2STAR_TE and not _T1.search(words):
            return Role.GRE, ""
    return _weighting(protocol, words, echo_time)


def _weighting(protocol: Protocol, words: str, echo_time: float) -> tuple[Role, str]:
    inverted = "IR" in protocol.sequence or protocol.inversion_time > 0
    if "SE" in protocol.sequence or (not protocol.sequence and _T2.search(words)):
        if "flair" in words.lower() or (inverted and echo_time >= LONG_TE):
            return Role.FLAIR, ""
        if echo_time >= LONG_TE and protocol.repetition_time >= LONG_TR:
            return Role.T2W, ""
        if echo_time <= SHORT_TE and 0 < protocol.repetition_time <= SHORT_TR:
            return Role.T1W, ""
    elif inverted or _T1.search(words) or (0 < echo_time < LONG_T2STAR_TE and protocol.flip_angle >= T1_FLIP):
        return Role.T1W, ""
    return Role.NONE, "no weighting that is used here"
