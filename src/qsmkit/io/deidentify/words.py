"""Words of the field: text is kept word by word, and only words that describe a scan."""

from __future__ import annotations

import re
from collections.abc import Iterable

VOCABULARY = frozenset("""
    a ab abdomen acq acquisition adc adj advanced anat angio ap arterial asl asset average avg axial ax b0 b1 base
    baseline bipolar bold boost brain breath brainstem bravo bw caipi cat cervical clear coil coils combined
    complex contrast cor coronal corrected cs csf ct cube deep derived dess diff diffusion dir dis2d dis3d
    distortion distribution dixon dti dual dwi dynamic e1 e2 e3 e4 e5 e6 e7 e8 echo echoes enhanced ep2d ep epi
    est factor fast fa fat fgre field fieldmap filtered fine fisp fl2d fl3d fl flair flash flow fmap fmri follow
    followup for fov fp frequency fs fse func gad gd gradient grappa gre grey h1 1h head hemi hf high hires hz
    image images imaginary imag in inv inversion invivo ir iso isotropic knee late left limb linear local
    localiser localizer loc long low lr lumbar mag magnitude map mapping maps mask me med medic mean medium megre
    memp mepi mgre mip mm mmm mono monopolar mosaic motion mp2rage mpr mprage mr mra mri mrv ms mt multi multiecho
    multicoil nd neck norm normal noise none not nucleus off on opp optimised optimized oblique p2 p3 pa para
    parallel part pass pcasl pd perfusion ph phase phantom physio plain planar plus post ppb ppm pre presat
    prescan proc proton protocol qa qc qsm quad quantitative r2 r2star radial rad mrad re real recon ref reference
    region res resolution resting rest rf right rl rot routine run sag sagittal sat scale scan sd se sense
    sequence series session shim shot single slab slice slices smart space spgr spin spine spoiled ssfp standard
    std survey sus susceptibility swan swi swip t1 t1w t2 t2s t2star t2w test tfe tfl thalamus thick thin thoracic
    tir tof tra trace trans transverse transversal tse tsl ttp turbo ute vfa vein venbold venous vibe vol volume
    water wave weighted whole wip wm work xa xyz y z zoom 1d 2d 3d 4d 5d 2echo 3echo 4echo 5echo 6echo 8echo rr
    fcmri rsfmri b mtc mton mtoff ffe t1ffe wfs ide swid fsgre efgre3d value stored values by non processing made
    qsmkit nifti frame research diagnostic use r2map chimap hybrid deviation paramagnetic diamagnetic total from
    intercept slope
""".split())  # noqa: SIM905
"""Words, in lower case, that describe sequences, contrasts, body parts, units and visits."""

MAKERS = (
    "siemens", "siemens healthineers", "philips", "philips medical systems", "philips healthcare", "ge medical systems",
    "ge healthcare", "ge", "canon", "canon_mec", "toshiba", "toshiba_mec", "hitachi", "fujifilm", "fujifilm healthcare",
    "bruker", "bruker biospin mri gmbh", "uih", "united imaging", "agilent", "varian", "mr solutions", "hyperfine",
    "esaote", "neusoft", "time medical systems", "simulated", "qsmkit",
)  # fmt: skip
"""Makers of scanners, in lower case."""

_NUMBER = re.compile(r"\d{1,2}(?:[.p]\d{1,2})?(?:mm|ms|iso|ch|deg|hz|s|x|t)?")
_SEQUENCE = re.compile(r"[a-z]{2,4}[23]d\d{0,3}[a-z]{0,3}")
_VERSION = re.compile(r"[A-Za-z]{0,3}[0-9][0-9A-Za-z._-]{0,24}")
_VERSION_WORDS = frozenset({"syngo", "mr", "ct", "numaris", "lx", "dv", "mx", "rx", "software", "release", "version"})
_MODEL = re.compile(r"[A-Za-z][A-Za-z0-9 ._+/-]{0,40}")


def is_word(word: str) -> bool:
    """Return whether a word may stay: of the vocabulary, a sequence's code, or a number of two digits and decimals."""
    word = word.lower()
    return word in VOCABULARY or any(shape.fullmatch(word) for shape in (_NUMBER, _SEQUENCE))


def cleaned(text: str) -> str:
    """Return the words of a text that may stay, joined by blanks; what stood between them is gone."""
    kept = [word for word in re.split(r"[^0-9A-Za-z.]+", text) if word.strip(".")]
    return " ".join(word for word in kept if is_word(word.strip(".")))


def name_parts(text: str) -> list[str]:
    """Return the parts of a person's name, Family^Given^…=ideographic."""
    return [part for part in re.split(r"[\^=,\s]+", text) if part]


def naming_words(texts: Iterable[str]) -> frozenset[str]:
    """Return those texts, in lower case, that can name someone: two characters or more, and no words of the field."""
    found = {text.strip().lower() for text in texts}
    return frozenset(word for word in found if len(word) >= 2 and not is_word(word) and word not in MAKERS)


def names_someone(text: str, names: frozenset[str]) -> bool:
    """Return whether a text holds one of the names: short ones as words of their own, others anywhere."""
    lower = text.lower()
    words = set(re.split(r"[^0-9a-z]+", lower))
    return any(name in words if len(name) < 4 else name in lower for name in names)


def device_text(keyword: str, text: str) -> str:
    """Return what stays of a device's maker, model or version: all of it if it looks like one, else nothing."""
    text = text.strip()
    if keyword == "Manufacturer":
        return text if text.lower() in MAKERS else ""
    if keyword == "SoftwareVersions":
        words = re.split(r"[\s:]+", text)
        return text if all(w.lower() in _VERSION_WORDS or _VERSION.fullmatch(w) for w in words) else ""
    return text if _MODEL.fullmatch(text) else ""
