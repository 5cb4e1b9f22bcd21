"""The cohort's page: figures with units, tables, nothing overwritten unasked."""

import json

import numpy as np
import pytest

from qsmkit.clinical.target.cohort import Reading, compare
from qsmkit.errors import OutputError
from qsmkit.reports.contrast_cohort import write_contrast_cohort


def test_the_page_holds_figures_numbers_and_what_was_left_out(tmp_path):
    rng = np.random.default_rng(1)
    some = [
        Reading(f"sub-{s}", side, image, "gpi:gpe", 3 + i + rng.normal(0, 0.5))
        for s in range(8) for side in ("left", "right") for i, image in enumerate(("T1w", "QSM", "hybrid"))
    ]  # fmt: skip
    found = compare(some[:-1], "cnr_pooled")
    page = write_contrast_cohort(found, tmp_path / "report", source=tmp_path / "cohort").read_text()
    assert "sub-7 (right)" in page
    assert "hybrid has more than" in page
    assert "Greenhouse–Geisser" in page
    assert page.count("data:image/png") == 2
    assert "Not a medical device" in page
    numbers = json.loads((tmp_path / "report" / "statistics.json").read_text())
    assert {t["test"] for t in numbers["tests"]} == {"repeated-measures ANOVA", "Friedman", "one-way ANOVA"}
    with pytest.raises(OutputError):
        write_contrast_cohort(found, tmp_path / "report", source=tmp_path / "cohort")
