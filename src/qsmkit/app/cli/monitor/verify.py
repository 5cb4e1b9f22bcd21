"""`qsmkit monitor verify`: proof that nothing was changed behind the audit."""

from pathlib import Path

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.io.store.heads import add_head, read_heads
from qsmkit.io.store.registry import Registry
from qsmkit.io.store.verify import verify as check


def verify(registry: str, /, *, head: str | None = None, heads: Path | None = None, json: Flag = False) -> int:
    """Prove that the audit's chain holds and that every row is as its last entry left it; exit status 1 if not.

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    head
        Head hash that was written down after an earlier verification: it must be in the chain, or its end was cut off.
    heads
        File of such hashes, better kept away from the registry: all of them must be in the chain, and if the registry
        is sound its head is added.
    json
        Print JSON on stdout.
    """
    with Registry.open(registry, readonly=True) as opened, opened.reading() as connection:
        verdict = check(connection, [*read_heads(heads), *([head] if head else [])])
    if heads and not verdict.problems:
        add_head(heads, verdict.head)
    if json:
        console.print_json({"sound": not verdict.problems, "entries": verdict.head.seq, "head": verdict.head.hash,
                            "rows": verdict.rows, "problems": verdict.problems})  # fmt: skip
    elif verdict.problems:
        for problem in verdict.problems:
            console.say(f"qsmkit: {problem}")
        console.say(f"{len(verdict.problems)} problem(s): do not use this registry before they are explained")
    else:
        console.out.print(f"sound: {verdict.head.seq} audit entries, {verdict.rows} rows as they say", markup=False)
        console.out.print(f"head {verdict.head.hash}", markup=False)
        console.say(
            f"head added to {heads}" if heads else
            "write the head down, away from the registry (--heads FILE does); it shows later that no end was cut off"
        )
    return 1 if verdict.problems else 0
