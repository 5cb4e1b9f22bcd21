"""`qsmkit target cnr` and `hybrid`: how well an image shows a target, and the image that shows it best."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.maps import load_map
from qsmkit.app.cli.target.flags import Many
from qsmkit.arrays import AnyArray
from qsmkit.clinical.target import hybrid as mixing
from qsmkit.clinical.target.contrast import FORMULAS, contrast
from qsmkit.errors import GeometryError, InputError
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.sidecar import write_sidecar
from qsmkit.io.tables import write_table
from qsmkit.volume import Volume


def cnr(
    images: Annotated[list[Path], Many],
    /,
    *,
    labels: Path,
    pair: Annotated[list[str], Many],
    reference: int | None = None,
    out: Path | None = None,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Compare the contrast of structures across images of one subject, by every named formula.

    Parameters
    ----------
    images
        Images on one grid (T1w, T2w, χ, hybrid); bring them there with qsmkit register --resampled.
    labels
        Label image on that grid.
    pair
        Structure and background as labels, such as 18:23 (GPi against internal capsule); several are allowed.
    reference
        Label of a homogeneous tissue, for cnr_reference.
    out
        CSV or TSV file to write.
    json
        Print JSON on stdout.
    overwrite
        Replace a file that is there.
    """
    volumes, regions = _together(images, labels)
    rows: list[dict[str, object]] = []
    for path, volume in zip(images, volumes, strict=True):
        noise = None if reference is None else _voxels(volume.data, regions, reference)
        for roi, background in map(_pair, pair):
            voxels = (_voxels(volume.data, regions, label) for label in (roi, background))
            found = contrast(*voxels, reference=noise)
            for name, m in {"difference": found.difference, **found.cnr}.items():
                rows.append({"image": path.name, "pair": f"{roi}:{background}", "statistic": name, **m.as_dict()})
    if out:
        write_table(out, rows, overwrite=overwrite)
    if json:
        console.print_json(rows)
        return
    heads = ("image", "pair", "statistic", "value", "low", "high")
    cells = [[f"{r[h]:.4g}" if isinstance(r[h], float) else str(r[h]) for h in heads] for r in rows]
    console.print_table(heads, cells, f"Formulas: {', '.join(FORMULAS)}")
    console.out.print("Contrast-to-noise is a weak surrogate of targeting accuracy.", markup=False)
    console.disclaim()


def hybrid(
    t1w: Path,
    chi: Path,
    /,
    *,
    labels: Path,
    pair: Annotated[list[str], Many],
    region: Path | None = None,
    weights: Literal["fisher", "fixed"] = "fisher",
    share: float = 0.5,
    out: Path,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Combine T1w and χ linearly into the image that shows a target best.

    Weights that are fitted to the same voxels on which contrast is then tested look better than they are: test them on
    other subjects.

    Parameters
    ----------
    t1w
        T1-weighted image on the χ map's grid.
    chi
        Susceptibility (ppm).
    labels
        Label image on that grid.
    pair
        Structure and background as labels; for several the smallest contrast is maximised.
    region
        Mask inside which both images are normalised; the box about the labels if omitted.
    weights
        fisher: the closed-form optimum (one pair) or max–min (several); fixed: --share of T1w, the rest χ.
    share
        Weight of T1w if fixed.
    out
        NIfTI file to write, NaN where χ has no value, with a JSON sidecar that holds the weights.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    volumes, marks = _together([t1w, chi], labels)
    inside = _box(marks) if region is None else load_volume(region).data > 0
    if inside.shape != marks.shape:
        raise GeometryError(f"{region} has shape {inside.shape}, not {marks.shape}; resample it first")
    inside = inside & np.all([np.isfinite(v.data) for v in volumes], axis=0)
    images = [mixing.normalise(v.data, inside) for v in volumes]
    pairs = [
        mixing.Pair(*(np.stack([_voxels(i, marks, label) for i in images], 1) for label in _pair(text)))
        for text in pair
    ]
    if weights == "fixed":
        found = mixing.fixed_weights(pairs[0], share)
    else:
        found = mixing.fisher_weights(pairs[0]) if len(pairs) == 1 else mixing.minimax_weights(pairs)
    made = sum(w * image for w, image in zip(found, images, strict=True))
    single = [(1.0, 0.0), (0.0, 1.0)]
    ratios = {
        text: {"hybrid": p.ratio(found), "t1w": p.ratio(single[0]), "chi": p.ratio(single[1])}
        for text, p in zip(pair, pairs, strict=True)
    }
    about = {
        "Description": "Linear combination of T1w and susceptibility, each normalised inside a region",
        "Weights": {"t1w": found[0], "chi": found[1]}, "Rule": weights, "ContrastToRootMeanVariance": ratios,
        "Sources": [str(t1w), str(chi), str(labels)], "Units": "1",
        "Caution": "ratios are of the voxels that the weights were fitted to",
    }  # fmt: skip
    save_volume(out, np.asarray(made, np.float32), volumes[0].grid, overwrite=overwrite)
    write_sidecar(out, about, overwrite=overwrite)
    if json:
        console.print_json(about)
    else:
        rows = [(text, *(f"{r[k]:.3g}" for k in ("t1w", "chi", "hybrid"))) for text, r in ratios.items()]
        title = f"weights: T1w {found[0]:+.3f}, χ {found[1]:+.3f}; contrast on the fitted voxels"
        console.print_table(("pair", "T1w", "χ", "hybrid"), rows, title)
        console.disclaim()


def _together(images: list[Path], labels: Path) -> tuple[list[Volume], AnyArray]:
    """Read images and labels on one grid; labels are 0 where an image has no value."""
    volumes, marks = [load_map(p) for p in images], load_volume(labels)
    for path, volume in zip([*images[1:], labels], [*volumes[1:], marks], strict=True):
        apart = volumes[0].grid.difference(volume.grid)
        if apart:
            raise GeometryError(f"{path} does not lie where {images[0]} does: {apart}; use qsmkit register --resampled")
    there = np.all([np.isfinite(v.data) for v in volumes], axis=0)
    return volumes, np.where(there, np.rint(marks.data), 0).astype(np.int32)


def _pair(text: str) -> tuple[int, int]:
    try:
        roi, background = (int(part) for part in text.split(":"))
    except ValueError:
        raise InputError(f"pair {text!r} is not two labels such as 18:23") from None
    return roi, background


def _voxels(data: AnyArray, labels: AnyArray, label: int) -> AnyArray:
    inside = labels == label
    if not inside.any():
        known = ", ".join(map(str, np.unique(labels[labels > 0])))
        raise InputError(f"no voxel has the label {label}; labels are {known}")
    voxels: AnyArray = data[inside]
    return voxels


def _box(labels: AnyArray) -> AnyArray:
    inside = np.zeros(labels.shape, bool)
    at = np.argwhere(labels > 0)
    inside[tuple(slice(lo, hi + 1) for lo, hi in zip(at.min(0), at.max(0), strict=True))] = True
    return inside
