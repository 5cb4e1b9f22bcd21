"""`qsmkit target errors`: how far leads lie from where they were planned."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import AXES
from qsmkit.clinical.target.errors import Errors, placement, summary
from qsmkit.errors import InputError
from qsmkit.io.tables import read_table, write_table


def errors(table: Path, /, *, out: Path | None = None, json: Flag = False, overwrite: Flag = False) -> None:
    """Compare where leads were planned with where they lie, by named definitions, and summarise the cohort.

    Parameters
    ----------
    table
        Columns lead, target_x … z, entry_x … z, reached_x … z (mm, one frame, best AC–PC), optionally
        reached_entry_x … z and offset_x … z.
    out
        CSV or TSV file to write, a row a lead.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    rows = read_table(table)
    points = {
        name: np.stack([rows.numbers(f"{name}_{a}") for a in AXES], 1)
        for name in ("target", "entry", "reached", "reached_entry", "offset")
        if name in ("target", "entry", "reached") or f"{name}_x" in rows.columns
    }
    leads = rows.text("lead")
    twice = next((lead for lead in leads if leads.count(lead) > 1), None)
    if twice is not None:
        raise InputError(f"{table} lists lead {twice!r} twice; name each lead of each patient differently")
    found = {lead: placement(**{n: p[i] for n, p in points.items()}) for i, lead in enumerate(leads)}
    each = [{"lead": lead} | asdict(e) for lead, e in found.items()]
    if out:
        write_table(out, each, overwrite=overwrite)
    names = [n for n in Errors.__dataclass_fields__ if sum(np.isfinite(getattr(e, n)) for e in found.values()) >= 2]
    cohort = {n: summary(list(found.values()), n) for n in names}
    if json:
        plain = {n: {k: v if isinstance(v, float) else v.as_dict() for k, v in s.items()} for n, s in cohort.items()}
        console.print_json({"leads": each, "cohort": plain})
        return
    cells = [[f"{v:.2f}" if isinstance(v, float) else str(v) for v in e.values()] for e in each]
    console.print_table(list(each[0]), cells, "mm; angle in degrees; depth positive if too deep")
    lines = [(n, str(s["mean"]), f"{s['sd']:.3g}", f"{s['sem']:.3g}") for n, s in cohort.items()]
    console.print_table(("error", "mean [95 % interval]", "SD", "SEM"), lines, f"{len(found)} leads")
    console.disclaim()
