"""`qsmkit monitor add`: a row by hand."""

from qsmkit.app import console
from qsmkit.app.cli.monitor.fill import Cells, app_of
from qsmkit.app.cli.monitor.options import actor_of
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.rows import Row


def _add(made: type[Row], registry: str, cells: Cells, actor: str | None, reason: str | None, json: bool) -> None:
    row = made.read(cells)
    with Registry.open(registry) as opened, opened.change(actor_of(actor), reason) as change:
        change.add(row)
    if json:
        console.print_json(row.plain())
    else:
        console.say(f"{row.table} {row.id} added")


app = app_of("add", "Add a row by hand; tables are filled from files by `import`.", "{meaning}", _add,
             lambda column: False)  # fmt: skip
