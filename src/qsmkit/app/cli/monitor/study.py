"""What the commands that analyse share: where measurements come from, the rule, and what is known of errors."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from qsmkit.clinical.monitor.change import THRESHOLDS, Basis, Epochs, Rule
from qsmkit.clinical.monitor.error_model import ErrorModel, Scope
from qsmkit.clinical.monitor.observation import Quantity
from qsmkit.io.store.registry import Registry
from qsmkit.pipeline.monitor.from_table import study_of_tables
from qsmkit.pipeline.monitor.gather import Study, study

TABLES = (".csv", ".tsv", ".txt", ".xlsx")

Lesions = Literal["all", "index"]


@Parameter(name="*")
@dataclass(frozen=True)
class Analysis:
    """When to flag, and what is known of errors.

    Attributes
    ----------
    quantity
        What is followed: mean (χ, ppm), total (χ_tot), volume, or permeability as it was supplied.
    threshold
        Rise (%) that is flagged; 6 for the mean, 40 for permeability, none otherwise.
    basis
        Whether the change over the epoch or per year is held against it.
    epochs
        Compare each visit with the one before, or with the first.
    wcv
        Within-subject coefficient of variation (%) of the site, from test–retest scans.
    wcv_scope
        Whether it holds scan noise and reference already (test-retest), or comes on top (beyond noise).
    reference_sd
        SD (ppm) of the reference's mean from scan to scan, beyond its noise.
    confidence
        Of intervals.
    """

    quantity: Quantity = "mean"
    threshold: float | None = None
    basis: Basis = "epoch"
    epochs: Epochs = "consecutive"
    wcv: float | None = None
    wcv_scope: Scope = "test-retest"
    reference_sd: float = 0.0
    confidence: float = 0.95

    def rule(self) -> Rule:
        """Return when lesions are flagged."""
        limit = THRESHOLDS.get(self.quantity) if self.threshold is None else self.threshold
        return Rule(self.quantity, limit, self.basis, self.epochs, self.confidence)

    def errors(self) -> ErrorModel:
        """Return what is known of errors."""
        return ErrorModel(math.nan if self.wcv is None else self.wcv, self.wcv_scope, self.reference_sd)


Patients = Annotated[list[str] | None, Parameter(name="--patient", consume_multiple=True)]


def study_from(source: str, patients: list[str] | None, rater: str | None = None, events: Path | None = None) -> Study:
    """Return what a registry or a table of measurements holds."""
    if Path(source).suffix.lower() in TABLES:
        found = study_of_tables(Path(source), events)
        if patients is None:
            return found
        return Study(
            [o for o in found.observations if o.patient in patients],
            [e for e in found.events if e.patient in patients],
            [v for v in found.visits if v[0] in patients], {}, found.notes,
        )  # fmt: skip
    with Registry.open(source, readonly=True) as opened:
        return study(opened, patients=patients, rater=rater)
