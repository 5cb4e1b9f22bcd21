"""`qsmkit target hybrid`: the image that shows a target best."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import Many
from qsmkit.app.cli.target.labelled import BOTH, Part, parts, together
from qsmkit.arrays import AnyArray, FloatArray
from qsmkit.clinical.target import hybrid as mixing
from qsmkit.clinical.target.sides import SIDES
from qsmkit.errors import GeometryError, InputError
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.sidecar import read_sidecar, write_sidecar

Pairs = dict[tuple[str, str], mixing.Pair]
"""By name of the pair and side."""

IMAGES = ("t1w", "chi")


def hybrid(
    t1w: Path,
    chi: Path,
    /,
    *,
    labels: Path,
    pair: Annotated[list[str], Many],
    names: Path | None = None,
    region: Path | None = None,
    by_side: Flag = False,
    weights: Literal["fisher", "search", "fixed"] = "fisher",
    share: float = 0.5,
    formula: Literal["cnr_background", "cnr_pooled", "cnr_mean_variance"] = "cnr_mean_variance",
    fit_on: Annotated[list[Path] | None, Many] = None,
    out: Path,
    json: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Combine T1w and χ linearly into the image that shows a target best.

    Weights that are fitted to the same voxels on which contrast is then tested look better than they are: fit them on
    other subjects (--fit-on), and read the ratios of each side with the other side's weights (--by-side). Contrast with
    weights from elsewhere and with the subject's own are both in the sidecar.

    Parameters
    ----------
    t1w
        T1-weighted image on the χ map's grid.
    chi
        Susceptibility (ppm).
    labels
        Label image on that grid.
    pair
        Structure and background as labels or names; for several the smallest contrast is maximised.
    names
        TSV with columns index and name; the one beside the label image if omitted.
    region
        Mask inside which both images are normalised; the box about the labels if omitted.
    by_side
        Left and right apart; the image's weights are fitted to both.
    weights
        fisher: the closed-form optimum (one pair) or max–min (several); search: the largest ratio by --formula; fixed:
        --share of T1w, the rest χ, with the signs that make the first pair's contrasts add.
    share
        Weight of T1w if fixed.
    formula
        Ratio that the search maximises: cnr_background, cnr_pooled or cnr_mean_variance.
    fit_on
        Sidecars (.json) that this command wrote for other subjects: the weights come from them alone.
    out
        NIfTI file to write, NaN where χ has no value, with a JSON sidecar that holds the weights.
    json
        Print JSON on stdout.
    overwrite
        Replace files that are there.
    """
    volumes, marks = together([t1w, chi], labels)
    inside = _box(marks) if region is None else load_volume(region).data > 0
    if inside.shape != marks.shape:
        raise GeometryError(f"{region} has shape {inside.shape}, not {marks.shape}; resample it first")
    inside = inside & np.all([np.isfinite(v.data) for v in volumes], axis=0)
    images = [mixing.normalise(v.data, inside) for v in volumes]
    here = {
        (p.pair, p.side): _seen(images, p) for p in parts(volumes[0], marks, pair, labels, names, by_side=by_side)
    }
    fitted = _elsewhere(fit_on, here) if fit_on else here

    def find(on: Pairs) -> mixing.Values:
        several = [mixing.Pair.mean([p for (name, _), p in on.items() if name == text]) for text in pair]
        if weights == "fixed":
            return mixing.fixed_weights(several[0], share)
        if weights == "search":
            return mixing.searched_weights(several, formula=formula)
        return mixing.best_weights(several)

    found, own = find(fitted), find(here)
    swapped: dict[str, mixing.Values] = (
        {s: find({k: p for k, p in here.items() if k[1] != s}) for s in SIDES} if by_side else {}
    )
    made = sum(w * image for w, image in zip(found, images, strict=True))
    ratios = {
        f"{text} {side}".removesuffix(f" {BOTH}"): {
            "t1w": p.ratio((1, 0), formula), "chi": p.ratio((0, 1), formula), "hybrid": p.ratio(found, formula),
            "hybrid_fitted_here": p.ratio(own, formula),
            **({"hybrid_fitted_on_other_side": p.ratio(swapped[side], formula)} if by_side else {}),
        }
        for (text, side), p in here.items()
    }  # fmt: skip
    about: dict[str, Any] = {
        "Description": "Linear combination of T1w and susceptibility, each normalised inside a region",
        "Weights": _named(found), "WeightsFittedHere": _named(own),
        **({"WeightsOfOtherSide": {s: _named(w) for s, w in swapped.items()}} if by_side else {}),
        "Rule": weights, "Formula": formula, "FittedOn": [str(p) for p in fit_on or [labels]],
        "OutOfSample": bool(fit_on), "ContrastToNoise": ratios,
        "Pairs": [_as_json(*key, p) for key, p in here.items()],
        "Sources": [str(t1w), str(chi), str(labels)], "Units": "1",
        "Caution": "hybrid_fitted_here is of the voxels its weights were fitted to; so is hybrid unless OutOfSample",
    }  # fmt: skip
    save_volume(out, np.asarray(made, np.float32), volumes[0].grid, overwrite=overwrite)
    write_sidecar(out, about, overwrite=overwrite)
    if json:
        console.print_json(about)
        return
    heads = list(next(iter(ratios.values())))
    rows = [(text, *(f"{v:.3g}" for v in r.values())) for text, r in ratios.items()]
    origin = f"{len(fit_on)} other subjects" if fit_on else "the voxels that are tested"
    title = f"weights: T1w {found[0]:+.3f}, χ {found[1]:+.3f}, from {origin}; {formula}"
    console.print_table(("pair", *heads), rows, title)
    console.disclaim()


def _seen(images: list[FloatArray], part: Part) -> mixing.Pair:
    roi, background = (
        np.stack([i[region] for i in images], 1, dtype=np.float64) for region in (part.roi, part.background)
    )
    return mixing.Pair.of(roi, background)


def _elsewhere(sidecars: list[Path], here: Pairs) -> Pairs:
    """Return what the other subjects show of the same pairs and sides, on average."""
    kept = [_read(path) for path in sidecars]
    for path, theirs in zip(sidecars, kept, strict=True):
        missing = [" ".join(key) for key in here if key not in theirs]
        if missing:
            raise InputError(f"{path} does not tell of {missing[0]}; make it with the same --pair and --by-side")
    return {key: mixing.Pair.mean([theirs[key] for theirs in kept]) for key in here}


def _read(path: Path) -> Pairs:
    try:
        return {
            (p["Pair"], p["Side"]): mixing.Pair(
                *(np.asarray(p[k], np.float64) for k in ("Difference", "RoiCovariance", "BackgroundCovariance"))
            )
            for p in read_sidecar(path)["Pairs"]
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no sidecar of qsmkit target hybrid: {error} is missing or wrong") from error


def _as_json(text: str, side: str, pair: mixing.Pair) -> dict[str, object]:
    return {
        "Pair": text, "Side": side, "Difference": pair.difference.tolist(),
        "RoiCovariance": pair.roi_covariance.tolist(), "BackgroundCovariance": pair.background_covariance.tolist(),
    }  # fmt: skip


def _named(weights: mixing.Values) -> dict[str, float]:
    return dict(zip(IMAGES, map(float, weights), strict=True))


def _box(labels: AnyArray) -> AnyArray:
    inside = np.zeros(labels.shape, bool)
    at = np.argwhere(labels > 0)
    inside[tuple(slice(lo, hi + 1) for lo, hi in zip(at.min(0), at.max(0), strict=True))] = True
    return inside
