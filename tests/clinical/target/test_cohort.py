"""Contrasts over a cohort: what is compared, what is left out, what is said."""

import numpy as np
import pytest

from qsmkit.clinical.target.cohort import Reading, compare
from qsmkit.errors import InputError

GAIN = {"T1w": 0.0, "QSM": 1.0, "hybrid": 2.0}


def readings(n=12, gain=GAIN, sides=("left", "right"), seed=1):
    rng = np.random.default_rng(seed)
    for s in range(n):
        head = rng.normal(0, 1)
        for side in sides:
            half = rng.normal(0, 0.3)
            for image, more in gain.items():
                yield Reading(f"sub-{s:02d}", side, image, "gpi:gpe", 4 + head + half + more + rng.normal(0, 0.3))


def test_the_better_image_is_found_and_sides_are_of_one_head():
    (found,) = compare(list(readings()), "cnr_pooled").pairs
    assert found.table.values.shape == (12, 3)
    assert found.favourite == "hybrid"
    assert found.nested.differences["T1w"].value == pytest.approx(2, abs=0.3)
    assert found.nested.differences["T1w"].n == 12
    (gain,) = (c for c in found.comparisons if {c.first, c.second} == {"QSM", "hybrid"})
    assert gain.difference.high < 0
    words = " ".join(found.sentences(0.95))
    assert "hybrid has more than T1w, QSM" in words


def test_no_difference_is_not_called_one():
    (found,) = compare(list(readings(gain=dict.fromkeys(GAIN, 0.0), seed=3)), "cnr_pooled").pairs
    words = " ".join(found.sentences(0.95))
    assert "not shown to differ" in words
    assert "no difference is shown between hybrid and T1w, QSM" in words
    assert "hybrid has" not in words


def test_a_side_without_an_image_is_left_out_and_told():
    some = [r for r in readings() if (r.subject, r.side, r.image) != ("sub-03", "left", "QSM")]
    (found,) = compare(some, "cnr_pooled").pairs
    assert found.left_out == ("sub-03 (left)",)
    right = [r.value for r in some if (r.subject, r.side) == ("sub-03", "right")]
    assert found.table.values[3].tolist() == pytest.approx(right)
    one_sided = compare(list(readings(sides=("both",))), "cnr_pooled").pairs[0]
    assert one_sided.nested is None


def test_tables_hold_every_number_with_its_interval():
    rows = compare(list(readings()), "cnr_pooled").rows()
    assert [len(rows[k]) for k in ("means", "tests", "comparisons", "mixed_model", "assumptions")] == [3, 4, 3, 2, 3]
    for kind in ("means", "tests", "comparisons", "mixed_model"):
        assert all(r["low"] <= r["value"] <= r["high"] and r["method"] for r in rows[kind])


def test_bad_cohorts():
    some = list(readings())
    with pytest.raises(InputError, match="twice"):
        compare([*some, some[0]], "cnr_pooled")
    with pytest.raises(InputError, match="no image is called"):
        compare(some, "cnr_pooled", favourite="FLAIR")
    with pytest.raises(InputError, match="no reading"):
        compare([], "cnr_pooled")
    with pytest.raises(InputError, match="of 2 subjects"):
        compare(list(readings(2)), "cnr_pooled")
