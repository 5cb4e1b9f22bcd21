"""All visits measured anew from their masks: with one pipeline version and one rule, so that they may be compared."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsmkit.clinical.monitor.region import RegionRule
from qsmkit.errors import GeometryError, InputError
from qsmkit.io.maps import load_map
from qsmkit.io.nifti import load_volume
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Registry
from qsmkit.pipeline.monitor.link import labels_of, with_masks
from qsmkit.pipeline.monitor.masks import Drawn
from qsmkit.pipeline.monitor.measure import Reading, measure_visit
from qsmkit.pipeline.monitor.visit_files import VisitFiles, find_visit
from qsmkit.pipeline.provenance import file_hash


def remeasure(
    registry: Registry, data: Path, masks: Path, patients: list[str], *, rule: RegionRule, actor: str
) -> Iterator[tuple[rows.Session, VisitFiles, int]]:
    """Measure every visit anew and yield each with the number of lesions.

    Parameters
    ----------
    registry : Registry
        The registry; earlier measurements stay.
    data : Path
        Data set with the maps to measure on.
    masks : Path
        Data set with the masks that were measured before; it may be the same.
    patients : list of str
        Whose.
    rule : RegionRule
        Which voxels are measured.
    actor : str
        Who does it.

    Raises
    ------
    InputError
        A map is missing: nothing is measured then, as some visits alone could not be compared.
    GeometryError
        A map lies elsewhere than its mask.
    """
    work = []
    for patient in patients:
        for session in sorted(registry.rows(rows.Session, patient=patient), key=lambda s: s.date):
            if not with_masks(registry, session):
                continue
            labels, grid, lesions = labels_of(registry, session, masks)
            files = find_visit(data, patient, session.visit)
            apart = grid.difference(load_volume(files.chi).grid)
            if apart:
                raise GeometryError(f"{files.chi} does not lie where the masks of {session.visit} do: {apart}; masks "
                                    "stay in the space of the scan they were drawn on")  # fmt: skip
            work.append((session, files, labels, lesions))
    if not work:
        raise InputError("no visit of these patients has masks; measure lesions first (qsmkit monitor measure)")
    for session, files, labels, lesions in work:
        chi = load_map(files.chi)
        kept = np.where(np.isin(labels, list(lesions)), labels, 0)
        how = _how(registry, session)
        drawn = Drawn(kept, dict.fromkeys(lesions, how[1]), [])
        reading = Reading(session.patient, session.visit, actor, rater=how[0], rule=rule, lesions=lesions,
                          day=session.date)  # fmt: skip
        if not _measured(registry, session, files, reading, how[1]):
            measure_visit(registry, files, chi, drawn, reading)
        yield session, files, len(lesions)


def _how(registry: Registry, session: rows.Session) -> tuple[str, str]:
    """Return rater and source of a visit's masks."""
    recons = [r.id for r in registry.rows(rows.Recon, session=session.id)]
    first = registry.rows(rows.Observation, recon=recons)[0]
    return first.rater, first.note or "given"


def _measured(
    registry: Registry, session: rows.Session, files: VisitFiles, reading: Reading, source: str
) -> bool:
    """Return whether just this was measured before."""
    digest = file_hash(files.chi)
    recons = [r.id for r in registry.rows(rows.Recon, session=session.id) if r.sha256 == digest]
    method = f"{source.split()[0].strip(',')}.{reading.rule}"
    return bool(recons) and any(o.method == method for o in registry.rows(rows.Observation, recon=recons))
