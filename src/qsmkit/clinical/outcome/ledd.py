"""Levodopa equivalent daily dose."""

from collections.abc import Mapping

from qsmkit.errors import InputError

FACTORS: Mapping[str, float] = {
    # Tomlinson 2010, Mov Disord 25:2649; recalled
    "levodopa": 1.0,
    "levodopa_controlled_release": 0.75,
    "levodopa_gel": 1.11,
    "pramipexole_salt": 100.0,
    "ropinirole": 20.0,
    "rotigotine": 30.0,
    "apomorphine": 10.0,
    "selegiline_oral": 10.0,
    "selegiline_sublingual": 80.0,
    "rasagiline": 100.0,
    "amantadine": 1.0,
}
"""Milligrams of levodopa that a milligram of a drug counts for."""

SHARES: Mapping[str, float] = {"entacapone": 0.33, "tolcapone": 0.5, "opicapone": 0.5}
"""Share of the day's levodopa that an inhibitor of COMT adds, at any dose (Tomlinson 2010; opicapone: Schade 2020)."""


def ledd(doses: Mapping[str, float]) -> float:
    """Return the levodopa equivalent daily dose in mg.

    LEDD = Σ factor · dose + share · Σ levodopa, the last term once, for an inhibitor of COMT.

    Parameters
    ----------
    doses : mapping of str to float
        Daily dose in mg by drug; names as in `FACTORS` and `SHARES`.

    Raises
    ------
    InputError
        A drug is not known, a dose is negative, two inhibitors of COMT are given, or one without levodopa.
    """
    unknown = [d for d in doses if d not in FACTORS and d not in SHARES]
    if unknown:
        raise InputError(f"drug {unknown[0]!r} has no conversion factor; known are {', '.join((*FACTORS, *SHARES))}")
    negative = next((d for d, dose in doses.items() if not dose >= 0), None)
    if negative:
        raise InputError(f"{negative}: {doses[negative]} mg is not a daily dose; give 0 or more")
    inhibitors = [d for d in SHARES if doses.get(d, 0) > 0]
    levodopa = sum(FACTORS[d] * dose for d, dose in doses.items() if d.startswith("levodopa"))
    if len(inhibitors) > 1 or (inhibitors and levodopa == 0):
        raise InputError(f"{' and '.join(inhibitors)}: give one inhibitor of COMT, and the levodopa that it prolongs")
    total = sum(FACTORS[d] * dose for d, dose in doses.items() if d in FACTORS)
    return total + (SHARES[inhibitors[0]] * levodopa if inhibitors else 0.0)
