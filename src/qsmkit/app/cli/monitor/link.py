"""`qsmkit monitor link`: which lesion of a visit is which of an earlier one."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of, plain_rows
from qsmkit.app.console import UsageError
from qsmkit.errors import InputError
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Registry
from qsmkit.pipeline.monitor.link import decide, propose_links, session_of
from qsmkit.pipeline.monitor.visit_transform import visit_transform

_Ids = Annotated[list[str] | None, Parameter(consume_multiple=True)]


def link(
    registry: str,
    data: Path,
    /,
    *,
    patient: str,
    visits: Annotated[tuple[str, str] | None, Parameter(name="--visits")] = None,
    accept: _Ids = None,
    reject: _Ids = None,
    transform: Path | None = None,
    actor: Actor = None,
    json: Flag = False,
) -> None:
    """Propose which lesions of two visits are the same, new, resolved, split or merged; accept or reject proposals.

    Accepting that two lesions are the same makes them one, under the earlier one's identity. Until then a link counts
    as a proposal in every analysis, and says so. To correct one, reject it and enter another (qsmkit monitor add link).

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    data
        Folder that `qsmkit recon` wrote, with the masks.
    patient
        Participant, without "sub-".
    visits
        Earlier and later visit to link; if omitted, each visit to the one before.
    accept
        Identifiers (or their beginnings) of proposals to accept, or all.
    reject
        Identifiers (or their beginnings) of proposals to reject, or all.
    transform
        From the earlier to the later visit's space, in place of registering the magnitudes.
    actor
        Who decides, initials or a code; by default the name of the account.
    json
        Print JSON on stdout.
    """
    who = actor_of(actor)
    with Registry.open(registry) as opened:
        if accept is None and reject is None:
            for earlier, later in _pairs(opened, patient, visits, transform):
                if not json and transform is None:
                    console.say(f"registering {earlier.visit} to {later.visit} …")
                motion = visit_transform(data, patient, earlier.visit, later.visit, transform)
                propose_links(opened, data, earlier, later, motion, actor=who)
        proposed = [k for k in opened.rows_of_patient(rows.Link, patient) if k.decision == "proposed"]
        if accept:
            decide(opened, _chosen(proposed, accept), "accepted", actor=who)
        if reject:
            decide(opened, _chosen(proposed, reject), "rejected", actor=who)
        links = opened.rows_of_patient(rows.Link, patient)
        labels = {x.id: x.label for x in opened.rows(rows.Lesion, patient=patient)}
        names = {s.id: s.visit for s in opened.rows(rows.Session, patient=patient)}
    if json:
        console.print_json(plain_rows(list(links)))
        return
    if not links:
        console.say(f"no link of {patient} found")
        return
    _print(links, labels, names)


def _pairs(
    opened: Registry, patient: str, visits: tuple[str, str] | None, transform: Path | None
) -> list[tuple[rows.Session, rows.Session]]:
    if visits is not None:
        return [(session_of(opened, patient, visits[0]), session_of(opened, patient, visits[1]))]
    if transform is not None:
        raise UsageError("--transform is of two visits; say which (--visits m00 m12)")
    there = sorted(opened.rows(rows.Session, patient=patient), key=lambda s: s.date)
    measured = {r.session for r in opened.rows(rows.Recon, session=[s.id for s in there])} if there else set()
    kept = [s for s in there if s.id in measured]
    if len(kept) < 2:
        raise InputError(f"{patient} has {len(kept)} visits with measurements; links need two")
    return list(pairwise(kept))


def _chosen(proposed: list[rows.Link], wanted: list[str]) -> list[rows.Link]:
    if wanted == ["all"]:
        return proposed
    found = []
    for start in wanted:
        fit = [k for k in proposed if k.id.startswith(start)]
        if len(fit) != 1:
            raise InputError(f"{len(fit)} proposals begin with {start!r}; list them with: qsmkit monitor link … --json")
        found.append(fit[0])
    return found


def _print(links: list[rows.Link], labels: dict[str, str], names: dict[str, str]) -> None:
    order = sorted(links, key=lambda k: (names[k.after], labels.get(k.child or "", "")))
    cells = [
        (k.id[:8], f"{names.get(k.before or '', '')} → {names[k.after]}", k.relation, labels.get(k.parent or "", "–"),
         labels.get(k.child or "", "–"), _number(k.iou, "{:.2f}"), _number(k.distance, "{:.1f}"),
         _number(k.hausdorff, "{:.1f}"), k.decision)
        for k in order
    ]  # fmt: skip
    heads = ("link", "visits", "relation", "earlier", "later", "IoU", "centres mm", "Hausdorff mm", "decision")
    console.print_table(heads, cells)
    console.disclaim()


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
