"""`qsmkit monitor backup`: a copy that verifies."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.io.store.backup import back_up
from qsmkit.io.store.registry import Registry


def backup(registry: str, out: Path, /, *, overwrite: Flag = False, json: Flag = False) -> None:
    """Write a backup while others may go on working; a registry that does not verify is not backed up.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    out
        File to make: *.jsonl is portable and restores into SQLite and PostgreSQL; any other name is a copy of the
        SQLite file.
    overwrite
        Replace a file that is there.
    json
        Print what was written as JSON on stdout.
    """
    with Registry.open(registry) as opened:
        verdict = back_up(opened, out, overwrite=overwrite)
    if json:
        console.print_json({"file": out, "entries": verdict.head.seq, "head": verdict.head.hash, "rows": verdict.rows})
        return
    console.say(f"{verdict.rows} rows, {verdict.head.seq} audit entries → {out}")
    console.say(f"head {verdict.head.hash}")
