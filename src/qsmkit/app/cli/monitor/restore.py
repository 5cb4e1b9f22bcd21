"""`qsmkit monitor restore`: a registry from a backup."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of
from qsmkit.io.store import backup


def restore(
    copy: Path,
    registry: str,
    /,
    *,
    head: str | None = None,
    actor: Actor = None,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Make a registry from a backup, if its chain holds and its rows are as the chain says.

    Parameters
    ----------
    copy
        The backup.
    registry
        File to make, or URL of an empty PostgreSQL database.
    head
        Head hash that was written down: it must be in the backup's chain.
    actor
        Who restores, initials or a code; by default the name of the account.
    overwrite
        Replace a registry file that is there.
    json
        Print what was restored as JSON on stdout.
    """
    verdict = backup.restore(copy, registry, actor=actor_of(actor), head=head, overwrite=overwrite)
    if json:
        console.print_json({"entries": verdict.head.seq, "head": verdict.head.hash, "rows": verdict.rows})
        return
    console.say(f"{verdict.rows} rows, {verdict.head.seq} audit entries restored")
    console.say(f"head {verdict.head.hash}")
