"""`qsmkit monitor remove`: take a row out; the audit keeps what it was."""

from qsmkit.app import console
from qsmkit.app.cli.monitor.options import Actor, actor_of, made_of
from qsmkit.io.store.registry import Registry


def remove(registry: str, table: str, id: str, /, *, reason: str, actor: Actor = None) -> None:  # noqa: A002
    """Remove a row that no other one names; the audit keeps what it was.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    table
        Its table: patient, session, lesion, …
    id
        Its identifier.
    reason
        Why; it is kept with the change.
    actor
        Who removes it, initials or a code; by default the name of the account.
    """
    made = made_of(table)
    with Registry.open(registry) as opened, opened.change(actor_of(actor), reason) as change:
        change.remove(made, id)
    console.say(f"{table} {id} removed; the audit keeps what it was")
