"""Repeats with new noise: which steps run again, what they leave, and how they resume."""

import dataclasses
import os
import time

import numpy as np
import pytest

from qsmkit.errors import RecipeError
from qsmkit.pipeline.cache import ABANDONED, Cache
from qsmkit.pipeline.outputs import Outputs, save
from qsmkit.pipeline.plan import make_plan
from qsmkit.pipeline.provenance import provenance
from qsmkit.pipeline.reconstruct import reconstruct
from qsmkit.pipeline.run import plan_keys, run
from qsmkit.pipeline.uncertainty import route_of


@pytest.fixture(scope="module")
def noisy(scan):
    """The scan with noise of 1 % of its signal."""
    rng = np.random.default_rng(3)
    signal = scan.magnitude * np.exp(1j * scan.phase) + rng.normal(0, 1, (*scan.phase.shape, 2)) @ [1, 1j]
    phase, magnitude = np.angle(signal).astype(np.float32), np.abs(signal).astype(np.float32)
    return dataclasses.replace(scan, phase=phase, magnitude=magnitude)


def test_sigma_is_that_of_many_scans(scan, recipe):
    rng = np.random.default_rng(5)
    chis, masks = [], []
    for _ in range(24):
        signal = scan.magnitude * np.exp(1j * scan.phase) + rng.normal(0, 1, (*scan.phase.shape, 2)) @ [1, 1j]
        again = dataclasses.replace(scan, phase=np.angle(signal).astype("f4"), magnitude=np.abs(signal).astype("f4"))
        result = reconstruct(again, recipe)
        chis.append(result.artifacts["chi"])
        masks.append(result.artifacts["mask"])
    result = reconstruct(again, recipe, uncertainty=8)
    inside = np.all(masks, 0)
    assert result.uncertainty.noise == pytest.approx(1, rel=0.15)
    ratio = np.median(result.artifacts["sigma_chi"][inside]) / np.median(np.std(chis, axis=0, ddof=1)[inside])
    assert ratio == pytest.approx(1, abs=0.2)


def test_noise_enters_at_the_signal_and_masks_follow(noisy, recipe):
    plan = make_plan(recipe, noisy)
    route = route_of(plan, noisy)
    assert route.source == ("phase", "magnitude")
    assert [plan.steps[i].method.name for i in route.steps] == [s.method.name for s in plan.steps]
    with_mask = make_plan(recipe, noisy, ["mask"])
    assert [with_mask.steps[i].method.stage for i in route_of(with_mask, noisy, ["mask"]).steps] == [
        "unwrap", "field", "background", "inversion", "reference",
    ]  # fmt: skip


def test_without_magnitude_noise_enters_at_the_field(noisy, recipe):
    bare = dataclasses.replace(noisy, magnitude=None)
    mask = noisy.magnitude[..., 0] > 50
    plan = make_plan(recipe, bare, ["mask"])
    route = route_of(plan, bare, ["mask"])
    assert route.source == ("total_field",)
    assert [plan.steps[i].method.name for i in route.steps] == ["vsharp", "tkd", "reference_brain"]
    result = reconstruct(bare, recipe, given={"mask": mask}, uncertainty=3)
    assert result.uncertainty.methods == ("vsharp", "tkd", "reference_brain")
    assert 0 < result.uncertainty.noise <= 1
    assert np.isfinite(result.uncertainty.deviations).all()


def test_a_given_field_is_where_noise_enters(noisy, recipe):
    made = reconstruct(noisy, recipe).artifacts
    given = {"total_field": made["total_field"], "field_sd": made["field_sd"], "mask": made["mask"]}
    result = reconstruct(noisy, recipe, given=given, uncertainty=2)
    assert result.uncertainty.source == ("total_field",)


def test_a_recipe_that_carries_no_noise_to_chi_is_refused(noisy, recipe):
    field = noisy.phase[..., 0]
    with pytest.raises(RecipeError, match="leads no noise to chi"):
        reconstruct(noisy, recipe, given={"local_field": field, "mask": field > -9}, uncertainty=4)
    with pytest.raises(RecipeError, match="uncertainty = 1 repeats tell no spread"):
        reconstruct(noisy, recipe, uncertainty=1)
    with pytest.raises(RecipeError, match="uncertainty = -2"):
        reconstruct(noisy, recipe, uncertainty=-2)


def test_what_repeats_leave(noisy, recipe, tmp_path):
    result = reconstruct(noisy, recipe, uncertainty=3)
    plain = reconstruct(noisy, recipe)
    np.testing.assert_array_equal(result.artifacts["chi"], plain.artifacts["chi"])
    found = result.uncertainty
    inside = result.artifacts["mask"]
    assert found.deviations.shape == (inside.sum(), 3)
    assert found.deviations.dtype == np.float16
    assert np.nanmax(np.abs(np.nanmean(found.deviations, axis=0, dtype=np.float32))) < 1e-4, "referenced anew"
    assert found.reference_sd > 0
    assert (result.artifacts["sigma_chi"][inside] > 0).all()
    assert plain.uncertainty is None
    assert "sigma_chi" not in plain.artifacts
    assert provenance(result)["Uncertainty"]["Repeats"] == 3
    names = {p.name for p in save(result, tmp_path)}
    assert {"sub-01_desc-sd_Chimap.nii.gz", "sub-01_desc-repeats_Chimap.nii.gz"} <= names
    outputs = Outputs(tmp_path)
    outputs.report_path(noisy).touch()
    assert outputs.holds(noisy, plan_keys(result.plan, noisy))
    assert plan_keys(result.plan, noisy) != plan_keys(plain.plan, noisy)


def test_repeats_are_the_same_every_time_and_resume(noisy, recipe, tmp_path):
    plan = make_plan(recipe.with_uncertainty(4), noisy)

    def broken(number, total, name):
        assert total == len(plan.steps) + 4
        if number == len(plan.steps) + 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, noisy, cache=Cache(tmp_path), progress=broken)
    resumed = run(plan, noisy, cache=Cache(tmp_path))
    assert resumed.uncertainty.cached == 2
    fresh = run(plan, noisy)
    np.testing.assert_array_equal(fresh.uncertainty.deviations, resumed.uncertainty.deviations)
    more = run(make_plan(recipe.with_uncertainty(5), noisy), noisy, cache=Cache(tmp_path))
    assert more.uncertainty.cached == 4
    assert len({c.tobytes() for c in more.uncertainty.deviations.T}) == 5, "every repeat has noise of its own"


def test_the_cache_sweeps_what_killed_runs_left(tmp_path):
    old, new = tmp_path / ".partial-old", tmp_path / ".partial-new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "chi.npy").write_bytes(b"half")
    os.utime(old, (time.time() - 2 * ABANDONED,) * 2)
    Cache(tmp_path)
    assert not old.exists()
    assert new.exists(), "another process may be writing it"
