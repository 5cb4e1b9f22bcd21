"""`qsmkit monitor upgrade`: a registry of another version of the schema."""

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of
from qsmkit.io.store.registry import Registry


def upgrade(registry: str, /, *, to: str | None = None, actor: Actor = None, json: Flag = False) -> None:
    """Bring a registry's schema to this software's version; back it up first.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    to
        Version to go to instead, up or down. Columns that an older version does not have are taken from the rows, but
        the audit keeps their values, and going up puts them back.
    actor
        Who does it, initials or a code; by default the name of the account.
    json
        Print both versions as JSON on stdout.
    """
    before, after = Registry.migrate(registry, actor=actor_of(actor), target=to)
    if json:
        console.print_json({"from": before, "to": after})
        return
    console.say(f"schema {before} → {after}" if before != after else f"schema {after} already; nothing to do")
