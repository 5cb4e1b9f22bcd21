"""New unique identifiers, below 2.25 as UUIDs: random, or the same for the same words."""

import uuid
from collections.abc import Callable

from pydicom.uid import UID

_NAMESPACE = uuid.UUID("5a1f3c52-7a1e-5b7e-9f0c-51d6c1b1c0de")

Uids = Callable[[str], UID]
"""Makes a UID for an object that words describe."""


def uid_maker(seed: str | None = None) -> Uids:
    """Return a maker of UIDs.

    Parameters
    ----------
    seed : str, optional
        With it, the same seed and words give the same UID; without, each call gives a new one.
    """

    def make(words: str) -> UID:
        unique = uuid.uuid4() if seed is None else uuid.uuid5(_NAMESPACE, f"{seed}\n{words}")
        return UID(f"2.25.{unique.int}")

    return make


def tracking_uid(patient_id: str, name: str) -> UID:
    """Return the UID by which a structure of a patient is followed: the same at every visit."""
    return uid_maker(f"tracking\n{patient_id.strip()}")(name)
