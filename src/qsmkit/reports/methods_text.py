"""The methods paragraph for a paper: each step with all its settings, the reference of χ, and the literature.

It says what the consensus asks a paper to report (Bilgic 2024, Table 5). Its words come from the methods
themselves: the summary line, the settings and the citations of each.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

import qsmkit.method
from qsmkit.method import Stage
from qsmkit.pipeline.provenance import software
from qsmkit.pipeline.run import Result
from qsmkit.pipeline.step import StepRecord
from qsmkit.recon.uncertainty.repeats import POOLING
from qsmkit.reports.bibliography import Reference, bibliography
from qsmkit.reports.display import View

_STAGE_TITLES: dict[Stage, str] = {
    "unwrap": "Phase unwrapping",
    "field": "Field estimation",
    "mask": "Masking",
    "background": "Background field removal",
    "inversion": "Dipole inversion",
    "uncertainty": "Uncertainty",
    "reference": "Referencing",
    "relaxometry": "Relaxometry",
    "separation": "Source separation",
    "weighting": "Susceptibility weighting",
}


@dataclass(frozen=True, slots=True)
class MethodsText:
    """A paragraph whose numbers in brackets point into the list of references.

    Attributes
    ----------
    paragraph : str
        Plain text.
    references : tuple of Reference
        In the order in which they are cited, from [1].
    """

    paragraph: str
    references: tuple[Reference, ...]

    def __str__(self) -> str:
        listed = [f"[{number}] {reference}" for number, reference in enumerate(self.references, 1)]
        return "\n".join([self.paragraph, "", *listed]) + "\n"


def methods_text(result: Result) -> MethodsText:
    """Write the methods paragraph of a reconstruction.

    A citation that is not in the bibliography (that of another package's method) is listed by its key.
    """
    citations = _Citations()
    recipe = result.plan.recipe
    sentences = [
        f"Quantitative susceptibility maps were made with qsmkit {software()['qsmkit']}, recipe "
        f"“{recipe.name}”{citations(recipe.cite)}, from {_scan_words(result)}."
    ]
    combined = [step.combine for step in result.plan.steps]
    numbered = list(zip(result.steps, combined, strict=True))
    for stage, steps in itertools.groupby(numbered, key=lambda pair: pair[0].stage):
        words = "; then ".join(_step_words(record, combine, citations) for record, combine in steps)
        sentences.append(f"{stage_title(stage)}: {words}.")
    sentences.append(_reference_words(result))
    if result.uncertainty:
        sentences.append(
            f"Standard deviations of χ come from {result.uncertainty.repeats} repeats of the reconstruction with new "
            f"noise added to the {' and the '.join(n.replace('_', ' ') for n in result.uncertainty.source)}, each "
            f"variance averaged over a Gaussian of {POOLING:g} mm; they hold random error only."
        )
    return MethodsText(" ".join(sentences), tuple(citations.references))


def stage_title(stage: str) -> str:
    """Return the name of a stage as a heading has it."""
    return _STAGE_TITLES.get(stage, stage.capitalize())  # type: ignore[call-overload, no-any-return]


def setting_text(value: Any) -> str:
    """Return a setting as one writes it: short numbers, "yes" and "no"."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(map(setting_text, value)) + ")"
    return "none" if value is None else str(value)


def signed(value: float) -> str:
    """Return a susceptibility in ppm with its sign and four decimals, and no minus before zero."""
    return f"{round(value, 4) + 0.0:+.4f}"


def whole_brain_is_reference(result: Result) -> bool:
    """Return whether χ is relative to the mean of all voxels that have one."""
    region, mask = result.artifacts.get("reference_mask"), result.artifacts.get("mask")
    return result.reference is not None and np.array_equal(region, mask)  # type: ignore[arg-type]


def referencing(result: Result) -> dict[str, float] | None:
    """Return what a reader needs to refer χ to the whole brain instead, in ppm; None without χ.

    `brain_mean` and `brain_sd` describe the map as it is; `region_mean` and `region_sd` the reference region,
    had the whole brain been the reference (NaN if nothing was referenced).
    """
    chi, mask = result.artifacts.get("chi"), result.artifacts.get("mask")
    if chi is None or mask is None:
        return None
    brain = chi[mask]
    mean = float(brain.mean(dtype=np.float64))
    region = result.artifacts.get("reference_mask")
    values = chi[region] if region is not None else np.full(1, np.nan)
    return {
        "brain_mean": mean,
        "brain_sd": float(brain.std(dtype=np.float64)),
        "region_mean": float(values.mean(dtype=np.float64)) - mean,
        "region_sd": float(values.std(dtype=np.float64)),
    }


def uncertainty(result: Result) -> dict[str, Any] | None:
    """Return what repeats with new noise say of the whole map, as plain values for JSON; None without repeats.

    `SD_ppm` holds the 5th, 50th and 95th percentile of σ of χ over voxels.
    """
    if result.uncertainty is None:
        return None
    values = result.artifacts["sigma_chi"][result.uncertainty.mask]
    percentiles = [float(v) for v in np.percentile(values, (5, 50, 95))]
    return {**result.uncertainty.as_dict(), "SD_ppm": dict(zip(("p5", "median", "p95"), percentiles, strict=True))}


class _Citations:
    """Numbers references in the order in which they are first cited."""

    def __init__(self) -> None:
        self.references: list[Reference] = []

    def __call__(self, keys: Iterable[str]) -> str:
        numbers = []
        for key in keys:
            reference = bibliography().get(key, Reference(key, {}))
            if reference not in self.references:
                self.references.append(reference)
            numbers.append(self.references.index(reference) + 1)
        return f" [{', '.join(map(str, numbers))}]" if numbers else ""


def _scan_words(result: Result) -> str:
    scan = result.scan
    times = [f"{1000 * t:.4g}" for t in scan.echo_times]
    voxel = " × ".join(f"{v:.3g}" for v in scan.grid.voxel_size)
    several = len(times) > 1
    facts = [
        f"a {len(times) if several else 'single'}-echo gradient-echo scan at {scan.field_strength:.4g} T",
        f"echo time{'s' if several else ''} {_listed(times)} ms",
    ]
    facts += [
        f"{name} {scale * scan.metadata[key]:.4g}{unit}"
        for key, name, scale, unit in (
            ("RepetitionTime", "repetition time", 1000, " ms"),
            ("FlipAngle", "flip angle", 1, "°"),
            ("PixelBandwidth", "bandwidth", 1, " Hz/pixel"),
        )
        if isinstance(scan.metadata.get(key), int | float)
    ]
    facts.append(f"{'bipolar' if scan.bipolar else 'monopolar'} readout" if several else "")
    facts.append(f"voxels of {voxel} mm")
    tilt = View.of(scan.grid, result.brain_mask).obliquity
    facts.append(f"volume turned by {tilt:.1f}° against the scanner's axes" if tilt >= 0.1 else "")
    return "; ".join(filter(None, facts))


def _step_words(record: StepRecord, combine: str | None, citations: _Citations) -> str:
    entry = qsmkit.method.get(record.method)
    summary = entry.summary
    words = summary if summary[1:2].isupper() else summary[:1].lower() + summary[1:]
    settings = [f"{name} = {setting_text(value)}" for name, value in record.settings.items()]
    return (
        f"{entry.name}{citations(entry.cite)} was used to {words}"
        + (f", with {_listed(settings)}" if settings else "")
        + (f", and combined with the mask so far ({combine})" if combine else "")
    )


def _reference_words(result: Result) -> str:
    numbers = referencing(result)
    if numbers is None:
        return "No susceptibility map was made."
    if result.reference is None:
        return "Susceptibility is given in ppm and was not referenced to any region."
    if whole_brain_is_reference(result):
        return (
            "Susceptibility is given in ppm relative to the mean of the whole reconstructed brain "
            f"({result.reference.n} voxels, SD {numbers['brain_sd']:.4f} ppm)."
        )
    return (
        "Susceptibility is given in ppm relative to the mean of the reference region "
        f"({result.reference.n} voxels), which is {signed(numbers['region_mean'])} ± "
        f"{numbers['region_sd']:.4f} ppm (mean ± SD) when the whole reconstructed brain is the reference."
    )


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
