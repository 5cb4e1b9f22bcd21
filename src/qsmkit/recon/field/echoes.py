"""What the echo times alone tell."""

import numpy as np
import numpy.typing as npt

TOLERANCE = 0.02
"""By how much, relative to the mean spacing, spacings may differ and still count as equal: headers round."""


def even_spacing(echo_times: npt.NDArray[np.float64]) -> float | None:
    """Return the spacing in s of two or more equally spaced echoes, or None if they are not."""
    spacing = np.diff(echo_times)
    mean = float(spacing.mean())
    return mean if np.ptp(spacing) <= TOLERANCE * mean else None
