"""What an identifier in the registry may look like.

No test can tell a pseudonym from a name with certainty; this one refuses what names, medical record numbers and dates
of birth look like, and says its rule.
"""

import re
import uuid
from collections.abc import Callable

from qsmkit.errors import InputError

Form = Callable[[str], str]
"""Returns a text as it is stored, or raises InputError with what is wrong, in words that follow "name = value"."""

_WORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
_OWN = re.compile(r"Q[A-Z2-7]{12}")
_LETTERS, _DIGITS = 4, 5
"""Most letters and digits in a row: names are longer, and so are record numbers and dates of birth."""

PSEUDONYM_RULE = (
    f"a pseudonym has letters, digits and hyphens, at least one digit, at most {_LETTERS} letters and {_DIGITS} digits "
    "in a row (P012, CCM-0045), or is what `qsmkit deidentify` gives"
)


def pseudonym(text: str) -> str:
    """Return a patient's pseudonym, or refuse what may identify a person."""
    if _OWN.fullmatch(text):
        return text
    runs = re.findall(r"[A-Za-z]+|[0-9]+", text)
    longest = {kind: max((len(r) for r in runs if r.isdigit() == kind), default=0) for kind in (False, True)}
    if (
        not re.fullmatch(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*", text) or len(text) > 32
        or longest[False] > _LETTERS or not 0 < longest[True] <= _DIGITS
    ):  # fmt: skip
        raise InputError(f"may identify a person; {PSEUDONYM_RULE}")
    return text


def label(text: str) -> str:
    """Return a short label of letters, digits, points, hyphens and underscores."""
    if not _WORD.fullmatch(text):
        raise InputError("is no label; use up to 64 letters, digits, points, hyphens and underscores, no blanks")
    return text


def unique(text: str) -> str:
    """Return a UUID in its canonical form."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise InputError("is no UUID; leave it out for a new one") from None


def new() -> str:
    """Return a new UUID."""
    return str(uuid.uuid4())


def digest(text: str) -> str:
    """Return a hexadecimal digest, such as a SHA-256 or a git commit, in lower case."""
    if not re.fullmatch(r"[0-9a-fA-F]{7,128}", text):
        raise InputError("is no digest; write 7 to 128 hexadecimal digits")
    return text.lower()


def dicom_uid(text: str) -> str:
    """Return a DICOM UID."""
    if len(text) > 64 or not re.fullmatch(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", text):
        raise InputError("is no DICOM UID; write numbers with points between them, at most 64 characters")
    return text


def inside(text: str) -> str:
    """Return a path relative to the data set's folder."""
    if text.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", text) or ".." in re.split(r"[/\\]", text):
        raise InputError("leads out of the data set; write a path relative to its folder")
    return text


def plain(text: str) -> str:
    """Return a text without control characters and carets (of person names in DICOM), and which is no formula."""
    if text.startswith(("=", "@")):
        raise InputError("is a formula to spreadsheets; begin with another character")
    if "^" in text or any(not c.isprintable() for c in text):
        raise InputError("holds a caret (as names in DICOM do) or a control character; write plain text on one line")
    return text
