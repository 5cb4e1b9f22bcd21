"""`qsmkit monitor show`: what is in a registry."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import made_of, plain_rows, print_rows
from qsmkit.io.store.registry import Registry
from qsmkit.io.tables import write_table


def show(
    registry: str,
    table: str | None = None,
    /,
    *,
    patient: str | None = None,
    out: Path | None = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Show how many rows there are, or the rows of a table.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    table
        patient, session, lesion, …; all of them are counted if omitted.
    patient
        Only this patient's rows.
    out
        CSV or TSV file to write.
    overwrite
        Replace a file that is there.
    json
        Print JSON on stdout.
    """
    with Registry.open(registry, readonly=True) as opened:
        if table is None:
            head = opened.head()
            told = {"rows": opened.counts(), "entries": head.seq, "head": head.hash}
            if json:
                console.print_json(told)
            else:
                console.print_table(("table", "rows"), [(n, str(k)) for n, k in opened.counts().items()])
                console.say(f"{head.seq} audit entries, head {head.hash}")
            return
        made = made_of(table)
        rows = opened.rows(made) if patient is None else opened.rows_of_patient(made, patient)
    if out and rows:
        write_table(out, plain_rows(rows), overwrite=overwrite)
    if json:
        console.print_json(plain_rows(rows))
    elif rows:
        print_rows(made, rows)
    else:
        console.say(f"no {table} found")
