"""`qsmkit quantify haematoma`: volume and susceptibility of a haematoma, from a mask or from a seed."""

from pathlib import Path

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.clinical.quantify.haematoma import grow
from qsmkit.clinical.quantify.haematoma import haematoma as measure
from qsmkit.clinical.rois import Noise
from qsmkit.io.maps import load_map
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.volume import Volume


def haematoma(
    chi: Path,
    /,
    *,
    mask: Path | None = None,
    seed: tuple[float, float, float] | None = None,
    valid: Path | None = None,
    repeats: Path | None = None,
    b0: float | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Measure volume (mL), mean and total susceptibility of a haematoma. Its stage cannot be told from these.

    Parameters
    ----------
    chi
        Susceptibility (ppm), …_Chimap.nii.gz.
    mask
        The haematoma, on the map's grid.
    seed
        A point of it (RAS mm) instead: it is grown to half its height above the brain.
    valid
        Voxels that have a susceptibility; …_desc-qsm_mask beside the map if omitted.
    repeats
        Deviations of the map in repeats with new noise (recon --uncertainty).
    b0
        Field (T): the magnetic moment is shown too.
    out
        NIfTI file for the mask that was grown.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    if (mask is None) == (seed is None):
        raise console.UsageError("give either --mask or --seed")
    volume = load_map(chi, valid)
    inside = np.isfinite(volume.data)
    if mask is not None:
        marked = _beside(mask, volume, chi) > 0
    else:
        assert seed is not None
        marked = grow(volume.data, inside, volume.grid, seed)
    noise = None if repeats is None else Noise(deviations=_beside(repeats, volume, chi))
    found = measure(volume.data, marked, volume.grid, inside=inside, noise=noise, field_strength=b0)
    if out:
        save_volume(out, marked.astype(np.uint8), volume.grid, overwrite=overwrite)
    measures = found.measures()
    if json:
        console.print_json({name: m.as_dict() for name, m in measures.items()})
        return
    names = {"abc2": "ABC/2", "total": "χ_tot", "mean": "mean χ"}
    rows = [(names.get(name, name), str(m), m.method) for name, m in measures.items()]
    console.print_table(("", "value [95 % interval]", "method"), rows)
    console.out.print("The stage of a haematoma is not told: susceptibility alone does not know it.", markup=False)
    console.disclaim()


def _beside(path: Path, volume: Volume, chi: Path) -> np.ndarray:
    other = load_volume(path)
    volume.grid.require_same(other.grid, path, chi)
    return other.data
