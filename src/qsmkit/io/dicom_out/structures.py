"""Names of brain structures ↔ SNOMED CT codes, as far as DICOM's context groups have them."""

from __future__ import annotations

import hashlib
import re

from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

PRIVATE_SCHEME = "99QSMKIT"
"""Designator of codes of our own, where DICOM's groups have none."""

CATEGORY = codes.SCT.AnatomicalStructure

_STRUCTURES: tuple[tuple[str, Code], ...] = (
    ("caudate", codes.SCT.CaudateNucleus),
    ("putamen", codes.SCT.Putamen),
    ("pallid", codes.SCT.GlobusPallidus),
    (r"\bgp[ei]\b", codes.SCT.GlobusPallidus),
    ("accumbens", codes.SCT.NucleusAccumbens),
    ("nigra", codes.SCT.SubstantiaNigra),
    (r"\bsn[cr]\b", codes.SCT.SubstantiaNigra),
    (r"\bthalamus", codes.SCT.Thalamus),
    ("amygdala", codes.SCT.Amygdala),
    ("hippocamp", codes.SCT.Hippocampus),
    ("white matter", codes.SCT.WhiteMatter),
    ("gr[ae]y matter", codes.SCT.GrayMatter),
    (r"\bcsf\b|cerebrospinal", codes.SCT.CerebrospinalFluid),
    ("corpus callosum", codes.SCT.CorpusCallosum),
    ("lateral ventricle", codes.SCT.LateralVentricle),
)
"""Pattern of a name → code, from CID 7151. Subthalamic and red nucleus are not among them."""

_SIDES = ((r"l|left|lh", codes.SCT.Left), (r"r|right|rh", codes.SCT.Right))


def structure_code(name: str) -> CodedConcept:
    """Return the code of the structure that a name means; one of our own where DICOM's groups have none."""
    plain = _words(name)
    for pattern, found in _STRUCTURES:
        if re.search(pattern, plain):
            return concept(found)
    words = plain.split()
    sides = [word for word in (words[:1] + words[-1:]) if any(re.fullmatch(side, word) for side, _ in _SIDES)]
    return own_code(" ".join(word for word in words if word not in sides) or "unnamed")


def side_code(name: str) -> CodedConcept | None:
    """Return left or right if a name begins or ends with it, else None."""
    words = _words(name).split()
    for pattern, found in _SIDES:
        if words and any(re.fullmatch(pattern, word) for word in (words[0], words[-1])):
            return concept(found)
    return None


def concept(found: Code) -> CodedConcept:
    """Return a code as highdicom wants it."""
    return CodedConcept(found.value, found.scheme_designator, found.meaning[:64])


def own_code(words: str) -> CodedConcept:
    """Return a code of our own for words: the same words, the same code."""
    value = hashlib.sha256(words.encode()).hexdigest()[:12]
    meaning = words.replace("±", "+/-").encode("ascii", "replace").decode()
    return CodedConcept(value, PRIVATE_SCHEME, meaning[:64])


def _words(name: str) -> str:
    return " ".join(re.split(r"[\s_.,/-]+", name.lower())).strip()
