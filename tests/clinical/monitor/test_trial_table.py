"""The table of trial sizes against reference values kept outside the project."""

import csv
import os
from pathlib import Path

import pytest

from qsmkit.clinical.monitor.trial_table import SCENARIOS, trial_table

REFERENCE = Path(os.environ.get("QSMKIT_DATA", "../shared/data")).parent / "reference" / "trial_sample_sizes.csv"


def test_every_row_is_that_of_the_reference():
    if not REFERENCE.is_file():
        pytest.skip(f"{REFERENCE} is not there")
    with REFERENCE.open() as file:
        reference = list(csv.DictReader(file))
    rows = list(trial_table())
    assert len(rows) == len(reference) == 72
    for row, expected in zip(rows, reference, strict=True):
        assert list(row) == list(expected)
        for name, value in expected.items():
            if name == "scenario":
                assert row[name] == value
            elif name.startswith("n_"):
                assert row[name] == int(value)
            else:
                assert row[name] == pytest.approx(float(value), abs=1e-3)


def test_known_rows_without_the_reference():
    rows = {(r["scenario"], r["rel_reduction"], r["alpha_two_sided"], r["power"]): r for r in trial_table()}
    assert rows["clinical_SH_or_growth_printed_0.31", 0.5, 0.1, 0.9]["n_diggle_pooled"] == 113
    assert rows["biomarker_QSM6pct_printed_0.62", 0.3, 0.05, 0.8]["n_diggle_pooled"] == 101
    assert rows["TR1_SH_21per178.3py", 0.5, 0.05, 0.8]["n_diggle_pooled"] == 328


def test_the_biomarker_needs_about_a_third_of_the_patients():
    rows = {(r["scenario"], r["rel_reduction"]): r["n_diggle_pooled"] for r in trial_table() if r["power"] == 0.9}
    for clinical, biomarker in (SCENARIOS[0:2], SCENARIOS[2:4], SCENARIOS[4:6]):
        for reduction in (0.2, 0.3, 0.5):
            assert 2.3 < rows[clinical.name, reduction] / rows[biomarker.name, reduction] < 3.6
