"""Commands that fill a row, one a table: their options are the table's columns."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import App, Parameter

from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, described
from qsmkit.io.store.column import Column, columns
from qsmkit.io.store.rows import ROWS, Row

Cells = dict[str, str]
Do = Callable[[type[Row], str, Cells, str | None, str | None, bool], None]
"""Does something with a table's row: dataclass, registry, cells, actor, reason, whether to print JSON."""

_OWN: dict[str, tuple[Any, Any, str]] = {
    "actor": (Actor, None, "Who makes the change, initials or a code; by default the name of the account."),
    "reason": (str | None, None, "Why; it is kept with the change."),
    "json": (Flag, False, "Print the row as JSON on stdout."),
}


def app_of(name: str, help_text: str, summary: str, do: Do, wanted: Callable[[Column], bool]) -> App:
    """Return a command with a subcommand for every table.

    Parameters
    ----------
    name : str
        Of the command.
    help_text : str
        Of the command.
    summary : str
        Of a subcommand; {table} is the table's name and {meaning} what a row is.
    do : callable
        What a subcommand does.
    wanted : callable
        Whether a column's option must be given.
    """
    app = App(name=name, help=help_text)
    for table, made in ROWS.items():
        meaning = (made.__doc__ or "").partition("\n")[0]
        app.command(_command(made, summary.format(table=table, meaning=meaning), do, wanted), name=table)
    return app


def _command(made: type[Row], summary: str, do: Do, wanted: Callable[[Column], bool]) -> Callable[..., None]:
    by_place, by_name = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("registry", by_place, annotation=str)]
    docs = ["registry\n    File, or URL of a PostgreSQL database."]
    for column in columns(made):
        annotation: Any = Annotated[str | None, Parameter(name=f"--{column.name.replace('_', '-')}")]
        default: Any = inspect.Parameter.empty if wanted(column) else None
        parameters.append(inspect.Parameter(f"row_{column.name}", by_name, annotation=annotation, default=default))
        docs.append(f"row_{column.name}\n    {described(column)}.")
    for own, (kind, without, text) in _OWN.items():
        parameters.append(inspect.Parameter(own, by_name, annotation=kind, default=without))
        docs.append(f"{own}\n    {text}")

    def command(registry: str, **given: Any) -> None:
        cells = {c.name: given[f"row_{c.name}"] for c in columns(made) if given.get(f"row_{c.name}") is not None}
        do(made, registry, cells, given.get("actor"), given.get("reason"), given.get("json", False))

    command.__name__ = made.table
    command.__doc__ = f"{summary}\n\nParameters\n----------\n" + "\n".join(docs)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command
