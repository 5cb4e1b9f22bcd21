"""Gates of a registration, as a table's rows."""

from collections.abc import Sequence

from qsmkit.clinical.registration.gates import Gate


def gate_rows(gates: Sequence[Gate]) -> list[tuple[str, str, str, str]]:
    """Return name, value with unit, verdict and meaning of each gate."""
    values = [f"{g.value:.3g}" if g.unit == "1" else f"{g.value:.3g} {g.unit}" for g in gates]
    return [(g.name, value, g.verdict, g.text) for g, value in zip(gates, values, strict=True)]
