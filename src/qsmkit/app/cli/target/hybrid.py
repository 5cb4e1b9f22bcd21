"""`qsmkit target hybrid`: the image that shows a target best."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np

from qsmkit.app import console
from qsmkit.app.cli.flags import Flag
from qsmkit.app.cli.target.flags import Many
from qsmkit.app.cli.target.labelled import parts, together
from qsmkit.arrays import AnyArray
from qsmkit.clinical.target.hybrid import Pair, Values
from qsmkit.clinical.target.mixture import BOTH, Formula, Pairs, Rule, mixture
from qsmkit.errors import GeometryError, InputError
from qsmkit.io.nifti import load_volume, save_volume
from qsmkit.io.sidecar import read_sidecar, write_sidecar

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
    weights: Rule = "fisher",
    share: float = 0.5,
    formula: Formula = "cnr_mean_variance",
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
    structures = list(parts(volumes[0], marks, pair, labels, names, by_side=by_side))
    found = mixture(
        volumes[0].data, volumes[1].data, structures, inside, rule=weights, share=share, formula=formula,
        elsewhere=_elsewhere(fit_on, [(p.pair, p.side) for p in structures]) if fit_on else None,
    )  # fmt: skip
    ratios = {f"{text} {side}".removesuffix(f" {BOTH}"): dict(r) for (text, side), r in found.ratios.items()}
    about: dict[str, Any] = {
        "Description": "Linear combination of T1w and susceptibility, each normalised inside a region",
        "Weights": _named(found.weights), "WeightsFittedHere": _named(found.own),
        **({"WeightsOfOtherSide": {s: _named(w) for s, w in found.swapped.items()}} if by_side else {}),
        "Rule": weights, "Formula": formula, "FittedOn": [str(p) for p in fit_on or [labels]],
        "OutOfSample": bool(fit_on), "ContrastToNoise": ratios,
        "Pairs": [_as_json(*key, p) for key, p in found.pairs.items()],
        "Sources": [str(t1w), str(chi), str(labels)], "Units": "1",
        "Caution": "hybrid_fitted_here is of the voxels its weights were fitted to; so is hybrid unless OutOfSample",
    }  # fmt: skip
    save_volume(out, found.image, volumes[0].grid, overwrite=overwrite)
    write_sidecar(out, about, overwrite=overwrite)
    if json:
        console.print_json(about)
        return
    heads = list(next(iter(ratios.values())))
    rows = [(text, *(f"{v:.3g}" for v in r.values())) for text, r in ratios.items()]
    origin = f"{len(fit_on)} other subjects" if fit_on else "the voxels that are tested"
    title = f"weights: T1w {found.weights[0]:+.3f}, χ {found.weights[1]:+.3f}, from {origin}; {formula}"
    console.print_table(("pair", *heads), rows, title)
    console.disclaim()


def _elsewhere(sidecars: list[Path], here: list[tuple[str, str]]) -> Pairs:
    """Return what the other subjects show of the same pairs and sides, on average."""
    kept = [_read(path) for path in sidecars]
    for path, theirs in zip(sidecars, kept, strict=True):
        missing = [" ".join(key) for key in here if key not in theirs]
        if missing:
            raise InputError(f"{path} does not tell of {missing[0]}; make it with the same --pair and --by-side")
    return {key: Pair.mean([theirs[key] for theirs in kept]) for key in here}


def _read(path: Path) -> Pairs:
    try:
        return {
            (p["Pair"], p["Side"]): Pair(
                *(np.asarray(p[k], np.float64) for k in ("Difference", "RoiCovariance", "BackgroundCovariance"))
            )
            for p in read_sidecar(path)["Pairs"]
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no sidecar of qsmkit target hybrid: {error} is missing or wrong") from error


def _as_json(text: str, side: str, pair: Pair) -> dict[str, object]:
    return {
        "Pair": text, "Side": side, "Difference": pair.difference.tolist(),
        "RoiCovariance": pair.roi_covariance.tolist(), "BackgroundCovariance": pair.background_covariance.tolist(),
    }  # fmt: skip


def _named(weights: Values) -> dict[str, float]:
    return dict(zip(IMAGES, map(float, weights), strict=True))


def _box(labels: AnyArray) -> AnyArray:
    inside = np.zeros(labels.shape, bool)
    at = np.argwhere(labels > 0)
    inside[tuple(slice(lo, hi + 1) for lo, hi in zip(at.min(0), at.max(0), strict=True))] = True
    return inside
