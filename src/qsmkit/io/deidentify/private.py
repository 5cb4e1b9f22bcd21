"""Private elements that images cannot be scaled or sorted without, by creator: what is not here goes.

Numbers and code strings only. The scaling of Philips is in PS3.15 Table E.3.10-1 of safe private attributes; the other
rows are the numbers that converters read, with the meanings of pydicom's private dictionary.
"""

from __future__ import annotations

SAFE: dict[tuple[str, int], frozenset[int]] = {
    # b-factor, phase number, slice number, orientation, EPI factor, echoes, slices, water-fat shift
    ("Philips Imaging DD 001", 0x2001): frozenset({0x03, 0x08, 0x0A, 0x0B, 0x13, 0x14, 0x18, 0x22}),
    # scale intercept and slope, image type (M, P, R, I), repetition time, duration, data type, scan sequence, diffusion
    ("Philips MR Imaging DD 001", 0x2005): frozenset({0x0D, 0x0E, 0x11, 0x30, 0x33, 0x35, 0x6E, 0xB0, 0xB1, 0xB2}),
    # rescale intercept and slope again, and the sequence of old-style attributes that enhanced objects carry
    ("Philips MR Imaging DD 005", 0x2005): frozenset({0x09, 0x0A, 0x0F}),
    # images in mosaic, b value, directionality, direction, bandwidth per pixel along phase, slice times
    ("SIEMENS MR HEADER", 0x0019): frozenset({0x0A, 0x0C, 0x0D, 0x0E, 0x28, 0x29}),
    # the sequences of old-style attributes that enhanced objects carry; in them: scanning sequence and variant; time in
    # the acquisition, sign of phase encoding, dwell time, image type with its distortion correction
    ("SIEMENS MR SDS 01", 0x0021): frozenset({0x5A, 0x5B, 0xFE}),
    ("SIEMENS MR SDI 02", 0x0021): frozenset({0x04, 0x1C, 0x42, 0x75, 0x78, 0x79, 0xFE}),
    # image type (0 magnitude, 1 phase, 2 real, 3 imaginary), b value
    ("GEMS_PARM_01", 0x0043): frozenset({0x2F, 0x39}),
    # locations in acquisition
    ("GEMS_RELA_01", 0x0021): frozenset({0x4F}),
}
"""(creator, group) → elements within the creator's block."""

VALUES = frozenset({"DS", "IS", "FL", "FD", "SL", "SS", "SV", "UL", "US", "UV", "CS", "SQ"})
"""Value representations that are kept."""
