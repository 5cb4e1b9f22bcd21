"""Lesions of a visit, measured and entered in the registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from qsmkit.arrays import BoolArray
from qsmkit.clinical.monitor.observation import Context, Kind, Observation
from qsmkit.clinical.monitor.observe import Named, Visited, observe
from qsmkit.clinical.monitor.region import RegionRule
from qsmkit.clinical.rois import Noise
from qsmkit.errors import InputError
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Change, Registry
from qsmkit.io.tables import write_table
from qsmkit.pipeline.monitor.masks import Drawn, Labels
from qsmkit.pipeline.monitor.visit_files import VisitFiles, pipeline_of
from qsmkit.pipeline.provenance import file_hash
from qsmkit.volume import Volume


@dataclass(frozen=True, slots=True)
class Reading:
    """Who measured what, and how.

    Attributes
    ----------
    patient, visit : str
        Pseudonym and label of the session.
    actor, rater : str
        Who enters, and who drew.
    kind : str
        What lesions that are new to the registry are.
    rule : RegionRule
        Which voxels count.
    day : date or None
        Of the scan, where the data set does not say.
    index : int or None
        Label of the lesion that bled at enrolment.
    lesions : mapping of int to str
        Identity of labels that are already lesions of the registry; the others become new ones.
    permeability : mapping of int to float
        Of each label, as the user supplies it.
    """

    patient: str
    visit: str
    actor: str
    rater: str = "software"
    kind: Kind = "cavernoma"
    rule: RegionRule = RegionRule()  # noqa: RUF009  (frozen)
    day: date | None = None
    index: int | None = None
    lesions: Mapping[int, str] | None = None
    permeability: Mapping[int, float] | None = None


def measure_visit(
    registry: Registry, files: VisitFiles, chi: Volume, drawn: Drawn, reading: Reading, *,
    reference: BoolArray | None = None, noise: Noise | None = None,
) -> tuple[list[Observation], list[str]]:
    """Measure a visit's lesions, keep its label image beside the map, and enter all in one change of the registry.

    Parameters
    ----------
    registry : Registry
        Where to.
    files : VisitFiles
        The visit.
    chi : Volume
        Its map, ppm, NaN where it has no value.
    drawn : Drawn
        Its lesions.
    reading : Reading
        Who measured, and how.
    reference : (X, Y, Z) bool array, optional
        Region whose mean is subtracted.
    noise : Noise, optional
        Errors of the map; those beside it if omitted.

    Raises
    ------
    InputError
        The date of the visit is not known, or as `observe` and the registry say.
    """
    known = registry.rows(rows.Session, patient=reading.patient, visit=reading.visit)
    day = reading.day or (known[0].date if known else files.day)
    if day is None:
        raise InputError(f"the date of {reading.visit} of {reading.patient} is not known; say --date 2024-05-17")
    made = _lesions(registry, drawn, reading, f"{reading.patient}-{reading.visit}")
    named = {n: Named(row.id, row.label, _kind(row.kind), row.index_lesion, drawn.sources[n])
             for n, row in made.items()}  # fmt: skip
    context = Context(
        scanner=str(files.scanner.get("id", "")), protocol=files.protocol,
        pipeline=pipeline_of(files.recipe, files.version, files.parameters),
        reference="own region" if reference is not None else files.reference,
    )  # fmt: skip
    found, notes = observe(
        chi.data, drawn.labels, chi.grid, Visited(reading.patient, reading.visit, day, context), named,
        rule=reading.rule, noise=noise or noise_beside(files), reference=reference,
        reference_spread=files.reference_spread,
    )  # fmt: skip
    _keep_labels(files, drawn.labels, chi, made)
    with registry.change(reading.actor, f"measured {reading.visit}") as change:
        recon = _recon(change, registry, files, reading, day, context.reference)
        for row in made.values():
            if change.get(rows.Lesion, row.id) is None:
                change.add(row)
        numbers = {row.id: n for n, row in made.items()}
        for seen in found:
            change.add(_row(seen, recon, files, numbers[seen.lesion], reading))
    return found, [*drawn.notes, *notes]


def noise_beside(files: VisitFiles) -> Noise | None:
    """Return what is known of a map's errors: repeats rather than a map of σ."""
    if files.repeats:
        return Noise(deviations=load_volume(files.repeats).data)
    return Noise(sigma=load_volume(files.sigma).data) if files.sigma else None


def _kind(kind: str) -> Kind:
    return kind  # type: ignore[return-value]  # the registry's kinds are those of an observation


def _lesions(registry: Registry, drawn: Drawn, reading: Reading, session: str) -> dict[int, rows.Lesion]:
    """Return a lesion for every label: one that is known, or a new one with a label that is not taken."""
    there = {row.id: row for row in registry.rows(rows.Lesion, patient=reading.patient)}
    taken = {row.label for row in there.values()}
    found: dict[int, rows.Lesion] = {}
    for number in drawn.sources:
        identity = (reading.lesions or {}).get(number)
        if identity is not None:
            if identity not in there:
                raise InputError(f"label {number}: {identity} is no lesion of {reading.patient}; see: qsmkit monitor "
                                 "show REGISTRY lesion")  # fmt: skip
            found[number] = there[identity]
            continue
        label = next(name for i in range(1, 10_000) if (name := f"L{i:02d}") not in taken)
        taken.add(label)
        found[number] = rows.Lesion(
            patient=reading.patient, label=label, kind=reading.kind, first_seen=session,
            index_lesion=reading.index == number,
        )
    return found


def _keep_labels(files: VisitFiles, labels: Labels, chi: Volume, made: Mapping[int, rows.Lesion]) -> None:
    save_volume(files.labels, labels.astype(np.uint16), chi.grid, overwrite=True)
    table = [{"index": n, "name": row.label, "lesion": row.id} for n, row in made.items()]
    write_table(files.labels.with_name(files.labels.name.split(".")[0] + ".tsv"), table, overwrite=True)


def _recon(
    change: Change, registry: Registry, files: VisitFiles, reading: Reading, day: date, reference: str
) -> rows.Recon:
    """Return the reconstruction's row; patient, scanner, session and it are added where they are not there yet."""
    if change.get(rows.Patient, reading.patient) is None:
        change.add(rows.Patient(id=reading.patient))
    scanner = files.scanner.get("id")
    if scanner and change.get(rows.Scanner, scanner) is None:
        change.add(rows.Scanner(**files.scanner))
    session = f"{reading.patient}-{reading.visit}"
    there = registry.rows(rows.Session, patient=reading.patient, visit=reading.visit)
    if there:
        session = there[0].id
    else:
        change.add(rows.Session(patient=reading.patient, visit=reading.visit, date=day, scanner=scanner,
                                protocol=files.protocol or None))  # fmt: skip
    digest = file_hash(files.chi)
    same = [r for r in registry.rows(rows.Recon, session=session) if r.sha256 == digest and r.reference == reference]
    return same[0] if same else change.add(rows.Recon(
        session=session, pipeline=files.recipe or "unknown", version=files.version or "unknown",
        parameters=files.parameters, reference=reference or None, path=files.inside(files.chi), sha256=digest,
    ))  # fmt: skip


def _row(seen: Observation, recon: rows.Recon, files: VisitFiles, number: int, reading: Reading) -> rows.Observation:
    half = 1.96 * seen.noise
    permeability = (reading.permeability or {}).get(number)
    return rows.Observation(
        lesion=seen.lesion, recon=recon.id, rater=reading.rater, method=f"{_word(seen.source)}.{reading.rule}",
        mask=f"{files.inside(files.labels)}#{number}", mask_sha256=file_hash(files.labels), voxels=seen.voxels,
        volume=seen.volume, mean=seen.mean.value, mean_low=seen.mean.value - half, mean_high=seen.mean.value + half,
        median=seen.median, maximum=seen.maximum, p95=seen.p95, sd=seen.sd, chi_total=seen.total,
        chi_background=seen.background, reference_sd=seen.reference_spread, permeability=permeability,
        note=seen.source,
    )  # fmt: skip


def _word(source: str) -> str:
    """Return how a mask came about as a label: given, grown, carried."""
    return source.split()[0].strip(",")
