"""Measurements that tests make up."""

from datetime import date, timedelta

from qsmkit.clinical.monitor.observation import Context, Observation
from qsmkit.measure import Measure

SAME = Context("scanner", "protocol", "pipeline", "brain", "whole")
BEGIN = date(2022, 3, 1)


def seen(value, years=0.0, *, patient="P1", lesion="L01", noise=0.002, **changes):
    """Return a measurement of a mean χ (ppm) some years after the first visit."""
    values = {
        "patient": patient, "visit": f"m{round(12 * years):02d}", "day": BEGIN + timedelta(days=round(365.25 * years)),
        "lesion": f"{patient}-{lesion}", "label": lesion, "noise": noise, "context": SAME,
        "mean": Measure(value, float("nan"), float("nan"), "ppm", 100, "mean"), "total": 500 * value, "volume": 500.0,
    }  # fmt: skip
    return Observation(**(values | changes))
