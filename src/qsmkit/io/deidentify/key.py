"""Pseudonyms, UIDs and days of shift from a secret: the same for the same patient at every visit, to no one else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import UID

from qsmkit.errors import InputError, OutputError

BITS = 256
"""Length of a new secret."""

SHORTEST = 16
"""Fewest bytes of a secret that is accepted."""

FEWEST_DAYS, RANGE_OF_DAYS = 40177, 3653
"""Dates move back by 110 to 120 years: before 1925, where BIDS asks for shifted dates, so that none passes for real."""


@dataclass(frozen=True)
class Key:
    """A secret from which everything that replaces an identifier is derived by HMAC-SHA256.

    Attributes
    ----------
    secret : bytes
        At least 16 bytes.
    """

    secret: bytes

    def __post_init__(self) -> None:
        if len(self.secret) < SHORTEST:
            raise InputError(f"a key of {len(self.secret)} bytes can be guessed; give at least {SHORTEST}")

    def __repr__(self) -> str:
        return "Key(secret=…)"

    def pseudonym(self, patient: str) -> str:
        """Return the name that stands for a patient: a letter and twelve characters."""
        return "Q" + base64.b32encode(self._digest("patient", _plain(patient))[:8]).decode().rstrip("=")[:12]

    def days(self, patient: str) -> int:
        """Return by how many days the dates of a patient move back."""
        number = int.from_bytes(self._digest("days", _plain(patient))[:8], "big")
        return FEWEST_DAYS + number % RANGE_OF_DAYS

    def uid(self, uid: str) -> UID:
        """Return the UID that stands for another."""
        unique = bytearray(self._digest("uid", uid.strip())[:16])
        unique[6] = unique[6] & 0x0F | 0x80  # version 8: of the maker's own making (RFC 9562)
        unique[8] = unique[8] & 0x3F | 0x80
        return UID(f"2.25.{uuid.UUID(bytes=bytes(unique)).int}")

    def short(self, text: str) -> str:
        """Return eight characters that stand for any other text, such as a file's name."""
        return base64.b32encode(self._digest("text", text)[:5]).decode().lower()

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.digest(self.secret, f"{purpose}\n{text}".encode(), hashlib.sha256)


def load_key(path: Path) -> tuple[Key, bool]:
    """Read the secret from a file, or make one that only its owner can read.

    Parameters
    ----------
    path : Path
        Its bytes are the secret, blanks at both ends apart.

    Returns
    -------
    Key
        The key.
    bool
        Whether the file was made.

    Raises
    ------
    InputError
        The file cannot be read, or is too short.
    OutputError
        It cannot be made.
    """
    try:
        return Key(path.read_bytes().strip()), False
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the key file") from error
    secret = secrets.token_hex(BITS // 8).encode()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secret + b"\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); choose another place for the key") from error
    return Key(secret), True


def _plain(patient: str) -> str:
    return " ".join(patient.split()).casefold()
