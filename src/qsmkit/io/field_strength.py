"""The main field: from the imaging frequency where that is known, for nominal values are up to 4 % off."""

import warnings
from collections.abc import Mapping
from typing import Any

from qsmkit.errors import ContradictionWarning, DataWarning, MetadataError
from qsmkit.io.sidecar import number
from qsmkit.units import field_strength_from_frequency

PLAUSIBLE_T = (0.01, 25.0)
"""Field strengths of MR scanners."""

NOMINAL_TOLERANCE = 0.05
"""Largest relative difference between the nominal field and the imaging frequency's ("3 T" may be 2.89 T)."""

NOTEWORTHY = 0.01
"""Smallest relative difference between a stated field and the imaging frequency's that is reported."""


def find_field_strength(
    metadata: Mapping[str, Any], *, stated: float | None = None, name: str
) -> tuple[float, str]:
    """Return the field strength in T, and how it was found.

    Parameters
    ----------
    metadata : mapping
        Sidecar; `ImagingFrequency` in MHz is believed before `MagneticFieldStrength` in T.
    stated : float, optional
        Field strength in T from the user; it wins.
    name : str
        What to call the scan in messages.

    Raises
    ------
    MetadataError
        No field strength is known, a value is implausible, or frequency and nominal field disagree.
    """
    frequency = number(metadata, "ImagingFrequency", name)
    nominal = number(metadata, "MagneticFieldStrength", name)
    exact = None if frequency is None else field_strength_from_frequency(frequency)
    if stated is not None:
        _check(stated, f"{name}: field strength {stated:g} T", "give it in tesla")
        known = exact or nominal
        if known and abs(stated / known - 1) > NOTEWORTHY:
            warnings.warn(
                f"{name}: field strength {stated:g} T was given, but the sidecar says {known:.4g} T; "
                f"{stated:g} T is used", ContradictionWarning, stacklevel=3,
            )  # fmt: skip
        return stated, f"{stated:g} T, stated by the user"
    if nominal is not None:
        _check(nominal, f"{name}: MagneticFieldStrength {nominal:g} T", "correct the sidecar")
    if exact is not None:
        _check(exact, f"{name}: ImagingFrequency {frequency:g} MHz", "BIDS wants MHz: correct the sidecar")
        if nominal and abs(exact / nominal - 1) > NOMINAL_TOLERANCE:
            raise MetadataError(
                f"{name}: ImagingFrequency {frequency:g} MHz means {exact:.4g} T, but "
                f"MagneticFieldStrength is {nominal:g} T; correct the sidecar"
            )
        return exact, f"{exact:.5g} T, from ImagingFrequency {frequency:g} MHz"
    if nominal is not None:
        warnings.warn(
            f"{name}: no ImagingFrequency; the nominal {nominal:g} T is used, which may be off by a few %",
            DataWarning, stacklevel=3,
        )  # fmt: skip
        return nominal, f"{nominal:g} T, nominal"
    raise MetadataError(
        f"{name}: no field strength is known; add ImagingFrequency (MHz) or MagneticFieldStrength (T) to the "
        "sidecar, or state it with loose files (--b0)"
    )


def _check(tesla: float, what: str, advice: str) -> None:
    low, high = PLAUSIBLE_T
    if not low <= tesla <= high:
        raise MetadataError(f"{what} is no field of an MR scanner ({low:g} to {high:g} T); {advice}")
