"""`qsmkit methods`: the table of methods."""

from typing import Any

import qsmkit.recon  # noqa: F401  (registers the methods)
from qsmkit.app import console
from qsmkit.errors import ParameterError
from qsmkit.method import METHODS, STAGES, Method, load_plugins


def methods(stage: str | None = None, /, *, json: bool = False) -> None:
    """List the methods: name, stage, needs, products, settings, reference.

    Parameters
    ----------
    stage
        Show only this stage, or only the method of this name.
    json
        Print JSON instead of a table.
    """
    load_plugins()
    chosen = [m for m in METHODS.values() if stage in (None, m.stage, m.name)]
    if not chosen:
        raise ParameterError(f"{stage!r} is neither a stage nor a method; stages are: {', '.join(STAGES)}")
    chosen.sort(key=lambda m: STAGES.index(m.stage))
    if json:
        console.print_json([describe(m) for m in chosen])
        return
    console.print_table(
        ("stage", "name", "what it does", "needs (uses)", "makes", "settings", "reference"),
        [
            (
                m.stage,
                m.name,
                m.summary,
                ", ".join(m.needs) + (f" ({', '.join(m.uses)})" if m.uses else ""),
                ", ".join(m.produces),
                "\n".join(f"{p.name}={p.default}" for p in m.parameters.values()),
                ", ".join(m.cite),
            )
            for m in chosen
        ],
    )


def describe(m: Method) -> dict[str, Any]:
    """Return a method as plain values."""
    return {
        "name": m.name,
        "stage": m.stage,
        "summary": m.summary,
        "needs": m.needs,
        "uses": m.uses,
        "produces": m.produces,
        "settings": {p.name: {"default": p.default, "help": p.help} for p in m.parameters.values()},
        "cite": m.cite,
        "rev": m.rev,
    }
