"""`qsmkit monitor event`: something that happened to a patient, with a date as exact as it is known."""

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.monitor.options import Actor, actor_of
from qsmkit.app.console import UsageError
from qsmkit.clinical.monitor.events import DEFINITION, Adjudication, EventType, classify, parse_date
from qsmkit.errors import InputError
from qsmkit.io.store import rows
from qsmkit.io.store.registry import Registry


def event(
    registry: str,
    /,
    *,
    patient: str,
    onset: str,
    type: EventType | None = None,  # noqa: A002  (the column's name)
    symptoms: bool | None = None,
    recent_blood: bool | None = None,
    growth: Flag = False,
    rim_only: Flag = False,
    lesion: str | None = None,
    adjudication: Adjudication = "pending",
    adjudicators: list[str] | None = None,
    actor: Actor = None,
    json: Flag = False,
) -> None:
    """Enter an event, by type or by findings: symptomatic haemorrhage needs symptoms and evidence of recent blood.

    Growth alone, or a rim of haemosiderin alone, is no haemorrhage (Al-Shahi Salman 2008).

    Parameters
    ----------
    registry
        File, or URL of a PostgreSQL database.
    patient
        Pseudonym.
    onset
        2024-05-17, or 2024-05 or 2024 where the day is not known.
    type
        What it was; by the findings if omitted.
    symptoms
        Whether there were acute or subacute symptoms that fit the lesion's place.
    recent_blood
        Whether imaging, pathology, surgery or CSF showed recent blood in or around the lesion.
    growth
        The lesion grew.
    rim_only
        There is a rim of haemosiderin and nothing else.
    lesion
        Its label (L01) or identity.
    adjudication
        Whether judges have confirmed or rejected it.
    adjudicators
        Who judged, initials or codes.
    actor
        Who enters, initials or a code; by default the name of the account.
    json
        Print JSON on stdout.
    """
    day, precision = parse_date(onset)
    told = type or _classified(symptoms, recent_blood, growth=growth, rim_only=rim_only)
    if type == "symptomatic_haemorrhage" and (symptoms is False or recent_blood is False or rim_only):
        raise InputError("a symptomatic haemorrhage needs symptoms and evidence of recent blood; leave out --type to "
                         "have the findings classified")  # fmt: skip
    with Registry.open(registry) as opened:
        there = {x.label: x.id for x in opened.rows(rows.Lesion, patient=patient)}
        if lesion is not None and lesion not in (*there, *there.values()):
            known = ", ".join(sorted(there)) or "none"
            raise InputError(f"{patient} has no lesion {lesion!r} in the registry; it has {known}")
        row = rows.Event(
            patient=patient, lesion=there.get(lesion, lesion) if lesion else None, type=told, onset=day,
            precision=precision, adjudication=adjudication, adjudicators=tuple(adjudicators or ()) or None,
            definition=DEFINITION,
        )  # fmt: skip
        with opened.change(actor_of(actor), "event") as change:
            change.add(row)
    if json:
        console.print_json(row.plain())
    else:
        console.say(f"{patient}: {told.replace('_', ' ')}, {onset} (to the {precision}), {adjudication}")


def _classified(symptoms: bool | None, recent_blood: bool | None, *, growth: bool, rim_only: bool) -> EventType:
    if symptoms is None or recent_blood is None:
        raise UsageError("say what it was (--type), or what was found (--symptoms or --no-symptoms, --recent-blood or "
                         "--no-recent-blood)")  # fmt: skip
    found = classify(symptoms=symptoms, recent_blood=recent_blood, growth=growth, rim_only=rim_only)
    if found is None:
        raise InputError("these findings are no event by the definition of 2008 (no symptoms, no recent blood, no "
                         "growth); nothing is entered")  # fmt: skip
    return found
