"""JSON in one form only: the same values give the same bytes, and so the same hash."""

import json
from typing import Any


def canonical(value: Any) -> str:
    """Return a value as JSON with sorted keys and without blanks; floats are written so that they read back exactly.

    Raises
    ------
    ValueError
        A number is not finite.
    TypeError
        JSON has no such value.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def parsed(text: str) -> Any:
    """Return the value that JSON text holds.

    Raises
    ------
    ValueError
        It is not JSON.
    """
    return json.loads(text)
