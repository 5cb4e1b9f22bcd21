"""R2′, the part of the decay that a spin echo would undo."""

import warnings

import numpy as np

from qsmkit.arrays import BoolArray, FloatArray
from qsmkit.errors import DataWarning
from qsmkit.method import method
from qsmkit.recon.separation.relaxivity import require_per_second


@method("separation", produces="r2prime", cite="Shin2021", rev=1)
def r2prime(r2star: FloatArray, r2: FloatArray, mask: BoolArray) -> FloatArray:
    """Subtract the irreversible from the effective relaxation rate.

    R2′ = max(R2* − R2, 0)

    Parameters
    ----------
    r2star : (X, Y, Z) array
        Effective relaxation rate in 1/s.
    r2 : (X, Y, Z) array
        Irreversible relaxation rate in 1/s, from spin echoes, on the same grid.
    mask : (X, Y, Z) bool array
        Voxels to subtract in.

    Returns
    -------
    (X, Y, Z) array
        R2′ in 1/s, zero outside the mask.

    Raises
    ------
    ScaleError
        A rate seems to be given in 1/ms.

    Warns
    -----
    DataWarning
        R2 exceeds R2* somewhere, which noise can do, but also a shift between the scans or a biased R2.
    """
    require_per_second(r2star, mask, "r2prime", "R2*")
    require_per_second(r2, mask, "r2prime", "R2")
    difference = (r2star - r2) * mask
    clipped = int((difference < 0).sum())
    if clipped:
        warnings.warn(
            f"r2prime: R2 exceeds R2* in {100 * clipped / mask.sum():.2g} % of the mask, where R2′ is set to 0; "
            "beyond a few per cent, check that both maps lie in one place",
            DataWarning,
            stacklevel=3,
        )
    rate: FloatArray = np.maximum(difference, 0)
    return rate
