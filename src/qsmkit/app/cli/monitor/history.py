"""`qsmkit monitor history`: who changed what, when and why."""

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import made_of
from qsmkit.io.store.chain import entries
from qsmkit.io.store.registry import Registry


def history(
    registry: str, table: str | None = None, id: str | None = None, /, *, last: int = 20, json: Flag = False  # noqa: A002
) -> None:
    """Show the audit's entries, or those about a row.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    table
        Only this table's: patient, session, lesion, …
    id
        Only this row's.
    last
        How many entries, from the end; 0 for all.
    json
        Print JSON on stdout, with the rows before and after.
    """
    wanted = made_of(table).table if table else None
    with Registry.open(registry, readonly=True) as opened, opened.reading() as connection:
        found = [e for e in entries(connection) if wanted in (None, e.table) and id in (None, e.row)][-last:]
    if json:
        console.print_json([e.plain() for e in found])
        return
    rows = [
        (str(e.seq), e.time[:19], e.actor, e.action, e.table or "", e.row or "", e.told(), e.reason or "")
        for e in found
    ]
    if rows:
        console.print_table(("entry", "time (UTC)", "actor", "action", "table", "row", "what", "reason"), rows)
    else:
        console.say("no entry found")
