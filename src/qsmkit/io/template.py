"""The MNI152 template that the nilearn package carries, read without importing that package."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from qsmkit.errors import MissingExtraError
from qsmkit.io.nifti import read
from qsmkit.volume import Volume

FILES = "datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


def load_template() -> dict[str, Volume]:
    """Read the symmetric MNI152 2009a template at 1 mm (`Fonov2011`).

    Returns
    -------
    dict of str to Volume
        "t1": T1-weighted intensity, 0 … 1, zero outside the brain; "gm" and "wm": probability of grey and of white
        matter, 0 … 1. Each (197, 233, 189) float32, stereotactic RAS mm.

    Raises
    ------
    MissingExtraError
        nilearn is not installed, or carries the template no more.
    """
    found = find_spec("nilearn")
    folder = Path(next(iter(found.submodule_search_locations or []), "")) if found else None
    volumes = {}
    for name in ("t1", "gm", "wm"):
        path = folder / FILES.format(name) if folder else None
        if path is None or not path.is_file():
            raise MissingExtraError(
                f"{path.name if path else 'nilearn'} was not found; install the template with: pip install nilearn, "
                'or draw the head from numbers alone with anatomy="parametric"'
            )
        image = read(path)
        volumes[name] = Volume(image.raw.astype(np.float32) / np.float32(255), image.grid, "1")
    return volumes
