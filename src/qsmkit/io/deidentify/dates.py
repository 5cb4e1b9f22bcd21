"""Dates moved by whole days: intervals stay, the calendar does not."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(?:Z|[+-]\d{2}:?\d{2})?")
_REST = re.compile(r"(?:\d{2,6}(?:\.\d{1,6})?)?(?:[+-]\d{4})?")


def moved_date(text: str, days: int) -> str:
    """Return a DICOM date (YYYYMMDD, or with points) moved back; empty if it is none, or no whole one."""
    digits = text.strip().replace(".", "") if re.fullmatch(r"\d{4}\.\d{2}\.\d{2}", text.strip()) else text.strip()
    try:
        day = datetime.strptime(digits, "%Y%m%d") if re.fullmatch(r"\d{8}", digits) else None
        return "" if day is None else f"{day - timedelta(days):%Y%m%d}".rjust(8, "0")
    except (ValueError, OverflowError):
        return ""


def moved_datetime(text: str, days: int) -> str:
    """Return a DICOM date and time moved back, its time of day and offset kept; empty if it is no such value."""
    text = text.strip()
    day = moved_date(text[:8], days)
    return day + text[8:] if day and _REST.fullmatch(text[8:]) else ""


def kept_time(text: str) -> str:
    """Return a DICOM time of day, or nothing if it is none."""
    return text.strip() if _TIME.fullmatch(text.strip()) else ""


def moved_iso(text: str, days: int) -> str:
    """Return a date, with or without time of day, in the form of ISO 8601 moved back; empty if it is none."""
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return ""
    day = moved_date(match[1].replace("-", ""), days)
    return f"{day[:4]}-{day[4:6]}-{day[6:]}{match[2] or ''}" if day else ""
