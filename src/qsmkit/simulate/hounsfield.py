"""CT numbers: of tissue, and as a scanner stores them."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from qsmkit.arrays import FloatArray
from qsmkit.grid import Grid
from qsmkit.simulate.body import Body
from qsmkit.simulate.metal import FWHM_PER_SIGMA
from qsmkit.simulate.tissue import PARENCHYMA, Label, spread
from qsmkit.simulate.transfer import points_per_voxel, transfer

AIR, CEILING, EXTENDED = -1000, 3071, 32767
"""CT numbers of air, and the largest of a 12-bit and of an extended scale, HU."""

FLOOR = -1024
"""Least CT number that a scanner stores, HU."""

HOUNSFIELD = {
    Label.CAUDATE: 38.0, Label.PALLIDUM: 38.0, Label.PUTAMEN: 38.0, Label.RED_NUCLEUS: 36.0, Label.DENTATE: 37.0,
    Label.NIGRA_STN: 36.0, Label.THALAMUS: 36.0, Label.WHITE_MATTER: 29.0, Label.GREY_MATTER: 38.0, Label.CSF: 6.0,
    Label.VEIN: 58.0, Label.FAT: -95.0, Label.BONE: 1350.0, Label.AIR: float(AIR), Label.MUSCLE: 55.0,
    Label.CALCIFICATION: 320.0, Label.GPE: 38.0, Label.GPI: 38.0, Label.STN: 36.0, Label.SNC: 36.0, Label.SNR: 36.0,
    Label.ZONA_INCERTA: 31.0, Label.INTERNAL_CAPSULE: 28.0, Label.DIPLOE: 550.0, Label.SKIN: 65.0,
    Label.VITREOUS: 12.0, Label.CAVERNOMA: 58.0, Label.HAEMOSIDERIN: 45.0, Label.MICROBLEED: 44.0,
    Label.HAEMATOMA: 68.0, Label.ENHANCING: 42.0, Label.DEPOT: 60.0, Label.RIM_LESION: 30.0,
    Label.ACCUMBENS: 38.0,
}
"""CT numbers at 120 kV, HU: typical of adults, rounded (recalled); lesions are modelling choices."""

TEXTURE = 1.5
"""Unevenness of brain tissue, HU."""

GRAIN = 0.7
"""Width of the noise's grain over that of the point-spread function (modelling choice)."""

NECK = 40.0
"""How far the lowest samples of a body are continued downwards, mm."""


def tissue_hu(body: Body, labels: npt.NDArray[np.uint8], source: Grid, grid: Grid, fwhm: float) -> FloatArray:
    """Return the CT numbers of tissue, as blurred as a scanner shows them.

    Parameters
    ----------
    body : Body
        The head; its texture and thin veins are used.
    labels : (X, Y, Z) uint8 array
        What it is made of at the time of the scan.
    source : Grid
        Where the samples are in the scan's RAS mm.
    grid : Grid
        The scan's.
    fwhm : float
        Full width at half maximum of the point-spread function, mm.

    Returns
    -------
    (x, y, z) float32 array
        CT numbers on the scan's grid, HU.
    """
    values = spread(labels, HOUNSFIELD)
    values[labels == 0] = AIR
    values += np.float32(TEXTURE) * body.texture * np.isin(labels, PARENCHYMA)
    if body.veins is not None:
        values += body.veins * np.float32(HOUNSFIELD[Label.VEIN] - HOUNSFIELD[Label.WHITE_MATTER])
    sigma = fwhm / FWHM_PER_SIGMA / np.array(source.voxel_size)
    gaussian_filter(values, sigma, output=values, mode="nearest", truncate=3)
    values, source = _with_neck(values, source)
    return transfer(values, source, grid, outside=float(AIR), points=points_per_voxel(source, grid))


def _with_neck(values: FloatArray, source: Grid) -> tuple[FloatArray, Grid]:
    """Continue the lowest samples downwards, so that a turned head is not cut off obliquely."""
    down = int(np.abs(source.axes[2]).argmax())
    longer = round(NECK / source.voxel_size[down])
    pad = [(0, 0), (0, 0), (0, 0)]
    pad[down] = (longer, 0) if source.axes[2, down] > 0 else (0, longer)
    x, y, z = (-before for before, _ in pad)
    values = np.pad(values, pad, mode="edge")
    a, b, c = values.shape
    return values, source.cropped((x, y, z), (a, b, c))


def stored(
    hu: FloatArray, grid: Grid, rng: np.random.Generator, *, fwhm: float, noise_hu: float, extended: bool
) -> npt.NDArray[np.int16]:
    """Return CT numbers with noise, rounded and cut off as a scanner stores them.

    The noise is coloured within a slice, as filtered back projection leaves it: blurred, and without the lowest
    frequencies.

    Parameters
    ----------
    hu : (X, Y, Z) float32 array
        CT numbers, HU.
    grid : Grid
        The scan's.
    rng : Generator
        Source of the noise.
    fwhm : float
        Full width at half maximum of the point-spread function, mm.
    noise_hu : float
        Standard deviation of the noise, HU.
    extended : bool
        Whether CT numbers above 3071 HU are kept.
    """
    result = np.empty(hu.shape, np.int16)
    sigma = GRAIN * fwhm / FWHM_PER_SIGMA / np.array(grid.voxel_size[:2])
    for k in range(hu.shape[2]):
        part = hu[:, :, k]
        if noise_hu > 0:
            white = rng.standard_normal(part.shape, np.float32)
            noise = gaussian_filter(white, sigma, mode="wrap") - gaussian_filter(white, 5 * sigma, mode="wrap")
            part = part + noise * np.float32(noise_hu / noise.std())
        result[:, :, k] = rounded_hu(part, extended)
    return result


def rounded_hu(hu: FloatArray, extended: bool) -> npt.NDArray[np.int16]:
    """Return CT numbers, HU, as integers cut off at either end of a scanner's scale."""
    whole: npt.NDArray[np.int16] = np.clip(np.rint(hu), FLOOR, EXTENDED if extended else CEILING).astype(np.int16)
    return whole
