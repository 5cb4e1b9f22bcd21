"""A visit's measurements as the table that `qsmkit export sr` reads."""

import uuid
from pathlib import Path

from qsmkit.errors import InputError
from qsmkit.io.store.column import columns
from qsmkit.io.store.flat import measurements
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Observation, Session
from qsmkit.io.tables import write_table

QUANTITIES = {"mean": "chi", "chi_total": "chi_total", "volume": "volume", "mass": "mass"}
"""Columns of a measurement, and what reports call them."""


def export_findings(registry: Registry, session: str, out: Path, *, overwrite: bool = False) -> int:
    """Write a row for each quantity of each lesion and return their number.

    Parameters
    ----------
    registry : Registry
        The registry.
    session : str
        Identifier of the visit.
    out : Path
        CSV or TSV file. A lesion's tracking UID is its UUID, as DICOM writes it.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    InputError
        The visit is not in the registry, or nothing was measured at it.
    OutputError
        The file is there already, or cannot be written.
    """
    if registry.get(Session, session) is None:
        raise InputError(f"session {session!r} is not in the registry; see qsmkit monitor show REGISTRY session")
    units = {c.name: c.unit for c in columns(Observation)}
    with registry.reading() as connection:
        rows = [
            {
                "name": seen["label"], "quantity": quantity, "value": seen[name], "low": seen.get(f"{name}_low"),
                "high": seen.get(f"{name}_high"), "unit": units[name], "n": seen["voxels"],
                "method": f"{seen['method']} by {seen['rater']}, reading {seen['reading']}",
                "tracking_uid": f"2.25.{uuid.UUID(seen['lesion']).int}",
            }
            for seen in measurements(connection, session=session)
            for name, quantity in QUANTITIES.items() if seen[name] is not None
        ]  # fmt: skip
    if not rows:
        raise InputError(f"nothing was measured at session {session}; add observations first")
    write_table(out, rows, overwrite=overwrite)
    return len(rows)
