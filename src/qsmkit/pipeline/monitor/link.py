"""Links between the lesions of two visits: proposed from their masks, decided by people, kept in the registry."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from qsmkit.clinical.monitor.match import match
from qsmkit.errors import InputError
from qsmkit.grid import Grid
from qsmkit.io.nifti import load_volume
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Change, Registry
from qsmkit.pipeline.monitor.masks import Labels
from qsmkit.transform import Transform

Decision = Literal["accepted", "rejected"]


def session_of(registry: Registry, patient: str, visit: str) -> rows.Session:
    """Return a visit's row.

    Raises
    ------
    InputError
        It is not there; the message names those that are.
    """
    there = registry.rows(rows.Session, patient=patient)
    found = next((s for s in there if s.visit == visit), None)
    if found is None:
        told = ", ".join(s.visit for s in there) or "none"
        raise InputError(f"{patient} has no visit {visit!r} in the registry; it has {told}")
    return found


def with_masks(registry: Registry, session: rows.Session) -> list[rows.Observation]:
    """Return the measurements of a visit whose masks were kept."""
    recons = [r.id for r in registry.rows(rows.Recon, session=session.id)]
    return [o for o in registry.rows(rows.Observation, recon=recons) if o.mask and "#" in o.mask] if recons else []


def labels_of(registry: Registry, session: rows.Session, data: Path) -> tuple[Labels, Grid, dict[int, str]]:
    """Return the label image of a visit, its grid, and the lesion of each number.

    Raises
    ------
    InputError
        Nothing was measured at the visit, or its masks lie in several files.
    """
    seen = with_masks(registry, session)
    files = sorted({str(o.mask).partition("#")[0] for o in seen})
    if not files:
        raise InputError(f"no lesion with a mask was measured at {session.visit} of {session.patient}; measure it "
                         "first (qsmkit monitor measure)")  # fmt: skip
    if len(files) > 1:
        raise InputError(f"masks of {session.visit} lie in {', '.join(files)}; keep one label image a visit")
    image = load_volume(data / files[0])
    return (np.rint(image.data).astype(np.int32), image.grid,
            {int(str(o.mask).rpartition("#")[2]): o.lesion for o in seen})  # fmt: skip


def propose_links(
    registry: Registry, data: Path, before: rows.Session, after: rows.Session, transform: Transform, *, actor: str
) -> list[rows.Link]:
    """Match the lesions of two visits and enter what is proposed; earlier proposals between them are replaced.

    Parameters
    ----------
    registry : Registry
        Where to.
    data : Path
        Data set that holds the masks.
    before, after : Session
        The visits, of one patient.
    transform : Transform
        From the earlier to the later visit's space.
    actor : str
        Who enters.

    Raises
    ------
    InputError
        The visits are not in order, or have no masks.
    """
    if before.date >= after.date:
        raise InputError(f"{after.visit} ({after.date}) is not later than {before.visit} ({before.date}); swap them")
    earlier, earlier_grid, parents = labels_of(registry, before, data)
    later, later_grid, children = labels_of(registry, after, data)
    found = match(earlier, earlier_grid, later, later_grid, transform)
    between = registry.rows(rows.Link, before=before.id, after=after.id)
    decided = {(k.relation, k.parent, k.child) for k in between if k.decision != "proposed"}
    made = []
    with registry.change(actor, f"links {before.visit} to {after.visit}") as change:
        for old in between:
            if old.decision == "proposed":
                change.remove(rows.Link, old.id)
        for link in found:
            parent = None if link.parent is None else parents.get(link.parent)
            child = None if link.child is None else children.get(link.child)
            known = parent is not None and parent == child
            if (link.relation, parent, child) in decided or not (parent or child):
                continue
            made.append(change.add(rows.Link(
                parent=parent, child=child, before=before.id, after=after.id, relation=link.relation, iou=link.iou,
                distance=link.distance, hausdorff=link.hausdorff, decision="accepted" if known else "proposed",
                decided_by=actor if known else None,
            )))  # fmt: skip
    return made


def decide(registry: Registry, links: Sequence[rows.Link], decision: Decision, *, actor: str) -> None:
    """Accept or reject links. Accepting that two lesions are the same makes them one, under the parent's identity.

    Raises
    ------
    InputError
        A link was decided before.
    """
    with registry.change(actor, f"links {decision}") as change:
        for given in links:
            link = change.get(rows.Link, given.id)
            if link is None or link.decision != "proposed":
                told = "is not there" if link is None else f"was {link.decision} before"
                raise InputError(f"link {given.id} {told}; propose anew (qsmkit monitor link)")
            same = link.relation in ("same", "uncertain") and decision == "accepted"
            change.edit(rows.Link, link.id, decision=decision, decided_by=actor,
                        relation="same" if same else link.relation)  # fmt: skip
            if same and link.parent and link.child and link.parent != link.child:
                _unite(change, link.child, link.parent)


def roots(links: Iterable[rows.Link]) -> dict[str, str]:
    """Return for each lesion that links say is the same as an earlier one, not rejected, which one that is."""
    same = [k for k in links if k.relation == "same" and k.decision != "rejected"]
    above = {k.child: k.parent for k in same if k.parent and k.child and k.parent != k.child}
    found = {}
    for child in above:
        root, passed = child, {child}
        while root in above and above[root] not in passed:
            root = str(above[root])
            passed.add(root)
        found[str(child)] = root
    return found


def _unite(change: Change, child: str, parent: str) -> None:
    for row in change.rows(rows.Observation, lesion=child):
        change.edit(rows.Observation, row.id, lesion=parent)
    for event in change.rows(rows.Event, lesion=child):
        change.edit(rows.Event, event.id, lesion=parent)
    for end in ("parent", "child"):
        for link in change.rows(rows.Link, **{end: child}):
            change.edit(rows.Link, link.id, **{end: parent})
    change.remove(rows.Lesion, child)
