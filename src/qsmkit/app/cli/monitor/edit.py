"""`qsmkit monitor edit`: a correction, which the audit keeps beside what it corrects."""

from qsmkit.app import console
from qsmkit.app.cli.monitor.fill import Cells, app_of
from qsmkit.app.cli.monitor.options import actor_of
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Row


def _edit(made: type[Row], registry: str, cells: Cells, actor: str | None, reason: str | None, json: bool) -> None:
    if not reason:
        raise console.UsageError("a correction needs its reason; add --reason")
    changed = made.read_some(cells)
    with Registry.open(registry) as opened, opened.change(actor_of(actor), reason) as change:
        row = change.edit(made, changed.pop("id"), **changed)
    if json:
        console.print_json(row.plain())
    else:
        console.say(f"{row.table} {row.id} changed: {', '.join(changed) or 'nothing'}")


app = app_of("edit", "Correct a row; the audit keeps the old one.",
             "Correct a row of {table}: what is given replaces what was there, an empty value clears it.", _edit,
             lambda column: column.name == "id")  # fmt: skip
