"""Volumes that were measured together: echoes, magnitude and phase, coils, from one series or from several."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from qsmkit.errors import InputError
from qsmkit.io.dicom_in.kind import Kind
from qsmkit.io.dicom_in.role import Role, role_of
from qsmkit.io.dicom_in.stack import Stack, stack_digest

_PARTS = (Kind.MAGNITUDE, Kind.PHASE, Kind.REAL, Kind.IMAGINARY)
_COMPLEX = {Kind.REAL, Kind.IMAGINARY}
_DIFFERENCE = re.compile(r"fm2d2|phase.?diff|field.?map", re.IGNORECASE)
_NAMES_A_PART = re.compile(r"(te|echo|e)\d*(ms)?|\d+ms|pha?|phase|mag(nitude)?|real|imag(inary)?", re.IGNORECASE)

_Slot: TypeAlias = tuple[Kind, float, str]


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """Volumes that were measured together.

    Attributes
    ----------
    stacks : tuple of Stack
        The volumes that are used, none of them refused unless all are.
    role : Role
        What they are for.
    refusal : str
        Why they are not used; empty if they are.
    left : tuple of (Stack, str)
        Volumes that belong to it, but are not needed, and why.
    notes : tuple of str
        What was repaired, or should be known.
    difference : bool
        Whether the phase is that of one echo minus that of another.
    """

    stacks: tuple[Stack, ...]
    role: Role
    refusal: str = ""
    left: tuple[tuple[Stack, str], ...] = ()
    notes: tuple[str, ...] = ()
    difference: bool = False

    @property
    def first(self) -> Stack:
        """The first volume, which speaks for all."""
        return self.stacks[0]

    @property
    def echo_times(self) -> list[float]:
        """Echo times in ms, ascending."""
        return sorted({_time(s) for s in self.stacks})

    @property
    def coils(self) -> list[str]:
        """Names of single coils, in their order; empty if coils were combined.

        Single coils are where every volume is there once for each.
        """
        found = {s.first.coil for s in self.stacks}
        volumes = {(s.first.kind, _time(s)) for s in self.stacks}
        single = len(found) > 1 and len(self.stacks) == len(found) * len(volumes)
        return sorted(found, key=_natural) if single else []

    def of(self, *kinds: Kind) -> list[Stack]:
        """Return the volumes of some kinds, by echo and coil."""
        chosen = [s for s in self.stacks if s.first.kind in kinds]
        return sorted(chosen, key=lambda s: (_time(s), _natural(s.first.coil)))


def measurements(stacks: Iterable[Stack]) -> list[Measurement]:
    """Return what was measured together, in the order in which it was.

    Parameters
    ----------
    stacks : iterable of Stack
        From `gather`, in its order.
    """
    open_groups: list[tuple[tuple[Any, ...], dict[_Slot, Stack]]] = []
    single, twins = _without_twins(map(_with_pixels, stacks))
    for stack in single:
        key, slot = _key(stack), _slot(stack)
        free = [g for other, g in open_groups if other == key and slot not in g and _first(g).lies_with(stack)]
        together = [g for g in free if any(s.first.time == stack.first.time for s in g.values())]
        if together or free:
            (together or free)[0][slot] = stack
        else:
            open_groups.append((key, {slot: stack}))
    found = [_measurement(tuple(group.values())) for _, group in open_groups]
    return found + [Measurement((s,), Role.NONE, "the same voxels are there in another file") for s in twins]


def family(stack: Stack) -> str:
    """Return the protocol's name without what names an echo or a part; of CT the description, for the kernel."""
    protocol = stack.first.protocol
    ct = protocol.modality == "CT"
    name = (protocol.description or protocol.protocol) if ct else (protocol.protocol or protocol.description)
    return " ".join(word for word in re.split(r"[ _.-]+", name) if not _NAMES_A_PART.fullmatch(word))


def _key(stack: Stack) -> tuple[Any, ...]:
    """Return what volumes of one measurement have in common."""
    frame, protocol = stack.first, stack.first.protocol
    if stack.affine is None or frame.kind not in (*_PARTS, Kind.FIELD_HZ):
        return (id(stack),)
    sequence = protocol.sequence & {"GR", "SE", "IR", "EP"}
    how = (family(stack), sequence, round(protocol.repetition_time, 1), round(protocol.flip_angle, 1))
    spin_echo = _time(stack) if "SE" in sequence and "GR" not in sequence else 0.0
    return (frame.patient, frame.study, protocol.modality, protocol.distortion, how, spin_echo)


def _with_pixels(stack: Stack) -> Stack:
    """Refuse a volume whose pixels cannot be read; those of volumes that are never used are not tried."""
    frame = stack.first
    role, _ = role_of(frame.protocol, frame.kind, frame.echo_time, has_phase=True, echoes=2)
    if stack.refusal or role == Role.NONE:
        return stack
    try:
        stack_digest(stack)
    except InputError as error:
        return replace(stack, refusal=str(error))
    return stack


def _without_twins(stacks: Iterable[Stack]) -> tuple[list[Stack], list[Stack]]:
    """Tell volumes from copies of them, e.g. exported both as single slices and as one multi-frame object."""
    single: list[Stack] = []
    twins: list[Stack] = []
    seen: dict[tuple[Any, ...], list[Stack]] = defaultdict(list)
    for stack in stacks:
        alike = seen[stack.first.study, stack.first.kind, _time(stack)]
        twin = any(s.lies_with(stack) and stack_digest(s) == stack_digest(stack) for s in alike)
        (twins if twin else single).append(stack)
        alike += [] if stack.refusal else [stack]
    return single, twins


def _slot(stack: Stack) -> _Slot:
    return stack.first.kind, _time(stack), stack.first.coil if stack.first.kind in _PARTS else ""


def _time(stack: Stack) -> float:
    return round(stack.first.echo_time, 2)


def _natural(text: str) -> tuple[Any, ...]:
    return tuple((0, int(t), "") if t.isdigit() else (1, 0, t) for t in re.findall(r"\d+|\D+", text))


def _is_difference(stacks: Sequence[Stack]) -> bool:
    """Return whether the only phase is the difference of two echoes, as field-map sequences store it."""
    phase, magnitude = ({_time(s) for s in stacks if s.first.kind == k} for k in (Kind.PHASE, Kind.MAGNITUDE))
    if len(phase) != 1 or len(magnitude) == 1:
        return False
    protocols = [s.first.protocol for s in stacks]
    return any(_DIFFERENCE.search(f"{p.sequence_name} {p.description}") for p in protocols)


def _first(group: Mapping[_Slot, Stack]) -> Stack:
    return next(iter(group.values()))


def _measurement(stacks: tuple[Stack, ...]) -> Measurement:
    first = stacks[0].first
    kinds = {s.first.kind for s in stacks}
    times = {_time(s) for s in stacks if s.first.kind in _PARTS}
    role, reason = role_of(
        first.protocol,
        Kind.FIELD_HZ if Kind.FIELD_HZ in kinds else first.kind,
        first.echo_time,
        has_phase=bool(kinds & {Kind.PHASE, *_COMPLEX}),
        echoes=len(times),
    )
    notes = tuple(dict.fromkeys(note for s in stacks for note in s.notes))
    refusal = next((s.refusal for s in stacks if s.refusal), "") if role != Role.NONE else reason
    if refusal:
        return Measurement(stacks, role, refusal, notes=notes)
    if role not in (Role.GRE, Role.FIELD):
        return _weighted(stacks, role, notes)
    volumes = [(s.first.kind, _time(s)) for s in stacks]
    if len(set(volumes)) < len(volumes) and not Measurement(stacks, role).coils:
        return Measurement(stacks, role, "its coils do not all have the same echoes and parts; export all of them")
    if _is_difference(stacks):
        return Measurement(stacks, Role.FIELD, notes=notes, difference=True)
    if role == Role.FIELD:
        return Measurement(stacks, role, notes=notes)
    return _gradient_echo(stacks, notes)


def _weighted(stacks: tuple[Stack, ...], role: Role, notes: tuple[str, ...]) -> Measurement:
    shown = [s for s in stacks if s.first.kind in (Kind.MAGNITUDE, Kind.SWI)]
    if not shown:
        return Measurement(stacks, Role.NONE, f"not the magnitude of a {role.value} image")
    used = min(shown, key=_time)
    left = tuple((s, f"only the magnitude of the first echo is used of {role.value}") for s in stacks if s is not used)
    return Measurement((used,), role, left=left, notes=notes)


def _gradient_echo(stacks: tuple[Stack, ...], notes: tuple[str, ...]) -> Measurement:
    have = {kind: {_slot(s)[1:] for s in stacks if s.first.kind == kind} for kind in _PARTS}
    used, left = {Kind.MAGNITUDE, Kind.PHASE}, "magnitude and phase are there"
    if have[Kind.REAL] != have[Kind.IMAGINARY]:
        if not have[Kind.PHASE]:
            return Measurement(stacks, Role.GRE, "real and imaginary parts do not have the same echoes and coils")
    elif have[Kind.REAL] and not have[Kind.PHASE]:
        used, left = _COMPLEX, "magnitude and phase are made of the real and imaginary parts"
    if used != _COMPLEX and have[Kind.PHASE] and have[Kind.MAGNITUDE]:
        if have[Kind.PHASE] != have[Kind.MAGNITUDE]:
            phase, magnitude = (
                ", ".join(f"{t:g}" for t in sorted({time for time, _ in have[k]}))
                for k in (Kind.PHASE, Kind.MAGNITUDE)
            )
            return Measurement(
                stacks, Role.GRE,
                f"phase has echoes {phase} ms, magnitude {magnitude} ms, or coils differ; export all of them",
            )  # fmt: skip
    elif have[Kind.PHASE]:
        notes = (*notes, "no magnitude with the same geometry and distortion correction")
    return Measurement(
        tuple(s for s in stacks if s.first.kind in used),
        Role.GRE,
        left=tuple((s, left) for s in stacks if s.first.kind not in used),
        notes=notes,
    )
