"""`qsmkit monitor import`: tables and REDCap records, shown before they are entered."""

from dataclasses import asdict
from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of, made_of
from qsmkit.io.store.given import read_import
from qsmkit.io.store.merge import STATUSES, counts, merge
from qsmkit.io.store.registry import Registry

SHOWN = 40
"""Most rows that are printed."""


def import_rows(
    registry: str,
    path: Path,
    /,
    *,
    table: str | None = None,
    apply: Flag = False,
    reason: str | None = None,
    actor: Actor = None,
    json: Flag = False,
) -> int:
    """Show what importing files would change; with --apply enter it, all of it or nothing.

    Exit status is 1 if a row cannot be read or is in conflict: with the registry, with another row, or because the
    registry's row was changed after the files were exported from it.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    path
        CSV file of a table, REDCap's records, or a folder of such files as `export tables` and `export redcap` make.
    table
        Table of the file, if its name does not say it: site, scanner, patient, session, series, recon, lesion,
        observation, link, event, clinical or qc.
    apply
        Enter the rows. Without it nothing is written.
    reason
        Why; it is kept with each change.
    actor
        Who imports, initials or a code; by default the name of the account.
    json
        Print every row as JSON on stdout.
    """
    given = read_import(path, made_of(table).table if table else None)
    with Registry.open(registry) as opened:
        found = merge(opened, given, actor=actor_of(actor), reason=reason or f"import of {path.name}", apply=apply)
    stands = [d for d in found if d.status in ("bad", "conflict")]
    if json:
        console.print_json({"applied": apply and not stands, "rows": [asdict(d) for d in found]})
    else:
        totals = counts(found)
        rows = [(name, *(str(of[s]) for s in STATUSES)) for name, of in totals.items()]
        console.print_table(("table", *STATUSES), rows)
        told = [d for d in found if d.status != "unchanged"]
        told.sort(key=lambda d: d.status not in ("bad", "conflict"))
        lines = [(d.source, str(d.line), d.status, d.table, d.row, d.what) for d in told[:SHOWN]]
        if lines:
            console.print_table(("file", "line", "", "table", "row", "what"), lines)
        if len(told) > SHOWN:
            console.say(f"and {len(told) - SHOWN} more rows; --json lists all")
    if not found:
        console.say(f"{path} holds no row; nothing to do")
    elif stands:
        console.say(f"qsmkit: {len(stands)} of {len(found)} rows cannot be entered; nothing was written: correct them")
    elif apply:
        console.say(f"{sum(d.status != 'unchanged' for d in found)} rows entered")
    else:
        console.say("dry run, nothing was written; add --apply to enter it")
    return 1 if stands else 0
