"""`qsmkit monitor init`: a new registry."""

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of
from qsmkit.io.store.registry import Registry


def init(registry: str, /, *, actor: Actor = None, json: Flag = False) -> None:
    """Make a new, empty registry.

    Parameters
    ----------
    registry
        File to make, or URL of an empty PostgreSQL database: postgresql://user@host/name (its password belongs into
        ~/.pgpass or PGPASSWORD).
    actor
        Who makes it, initials or a code; by default the name of the account.
    json
        Print the head of the audit as JSON on stdout.
    """
    with Registry.create(registry, actor=actor_of(actor)) as made:
        head = made.head()
    if json:
        console.print_json({"registry": str(made.place), "seq": head.seq, "head": head.hash})
        return
    console.say(f"new registry → {made.place}")
    console.say(f"next: qsmkit monitor measure {made.place} DATA --patient P001 --visit m00 --masks … (or by hand: "
                "qsmkit monitor add patient, scanner, session, recon, lesion)")  # fmt: skip
