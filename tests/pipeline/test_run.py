from dataclasses import replace

import numpy as np
import pytest

from qsmkit.errors import MaskError, OutputError
from qsmkit.pipeline import step as step_module
from qsmkit.pipeline.cache import Cache, content_key
from qsmkit.pipeline.outputs import Outputs, save
from qsmkit.pipeline.plan import make_plan
from qsmkit.pipeline.provenance import provenance
from qsmkit.pipeline.reconstruct import reconstruct
from qsmkit.pipeline.run import plan_keys, run


def test_a_scan_becomes_a_referenced_map(scan, recipe):
    result = reconstruct(scan, recipe)
    chi, mask = result.artifacts["chi"], result.artifacts["mask"]
    assert chi.dtype == np.float32
    assert abs(chi[mask].mean()) < 1e-6
    assert chi[14, 15, 13] > 0.05
    assert mask.sum() < result.brain_mask.sum()
    assert result.reference.unit == "ppm"
    assert not result.warnings


def test_running_again_resumes_and_gives_the_same(scan, recipe, tmp_path):
    first = reconstruct(scan, recipe, cache=tmp_path)
    again = reconstruct(scan, recipe, cache=tmp_path)
    assert not any(s.cached for s in first.steps)
    assert all(s.cached for s in again.steps)
    np.testing.assert_array_equal(first.artifacts["chi"], again.artifacts["chi"])
    assert again.reference == first.reference


def test_a_change_makes_anew_what_depends_on_it_and_nothing_else(scan, recipe, tmp_path):
    reconstruct(scan, recipe, cache=tmp_path)
    changed = reconstruct(scan, recipe, cache=tmp_path, settings={"vsharp": {"threshold": 0.07}})
    fresh = [s.method for s in changed.steps if not s.cached]
    assert fresh == ["vsharp", "tkd", "reference_brain"]


def test_a_run_that_breaks_goes_on_where_it_stopped(scan, recipe, tmp_path, monkeypatch):
    plan = make_plan(recipe, scan)

    def broken(number, total, name):
        if name == "tkd":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, scan, cache=Cache(tmp_path), progress=broken)
    resumed = run(plan, scan, cache=Cache(tmp_path))
    assert [s.cached for s in resumed.steps] == [True] * 5 + [False] * 2


def test_damaged_entries_are_made_anew(scan, recipe, tmp_path):
    first = reconstruct(scan, recipe, cache=tmp_path)
    for path in tmp_path.rglob("*.npy"):
        path.write_bytes(b"broken")
    again = reconstruct(scan, recipe, cache=tmp_path)
    assert not any(s.cached for s in again.steps)
    np.testing.assert_array_equal(first.artifacts["chi"], again.artifacts["chi"])


def test_keys_are_known_before_the_run(scan, recipe):
    plan = make_plan(recipe, scan)
    result = run(plan, scan)
    assert [s.key for s in result.steps] == plan_keys(plan, scan)
    assert plan_keys(plan, scan) != plan_keys(plan, replace(scan, field_strength=2.9))


def test_keys_of_masks_tell_where_the_scan_is_finite(scan, recipe):
    plan = make_plan(recipe, scan)
    valid = np.ones(scan.grid.shape, bool)
    valid[14, 15, 13] = False
    whole, holed = plan_keys(plan, scan), plan_keys(plan, replace(scan, valid=valid))
    assert not set(whole) & set(holed)  # each step here makes, or needs, a mask


def test_content_keys_see_type_shape_and_value():
    x = np.arange(6, dtype=np.float32)
    keys = {content_key(v) for v in (x, x.astype(np.float64), x.reshape(2, 3), x[::-1], x + 1)}
    assert len(keys) == 5
    assert content_key(x[::-1].copy()) == content_key(x[::-1])


def test_voxels_without_a_value_leave_every_mask(scan, recipe):
    valid = np.ones(scan.grid.shape, bool)
    valid[14, 15, 13] = False
    result = reconstruct(replace(scan, valid=valid), recipe)
    assert not result.brain_mask[14, 15, 13]
    with pytest.raises(MaskError, match="no voxel with a finite measurement"):
        reconstruct(replace(scan, valid=valid & False), recipe, given={"mask": valid})


def test_masks_combine(scan, recipe, monkeypatch):
    half = np.zeros(scan.grid.shape, bool)
    half[:14] = True
    steps = [s.model_dump(exclude_defaults=True) for s in recipe.step]
    steps.insert(2, {"method": "threshold_mask", "fraction": 0.5, "combine": "and"})
    both = reconstruct(scan, type(recipe).model_validate({"name": "b", "description": "c", "step": steps}))
    assert both.brain_mask.any()
    monkeypatch.setattr(step_module, "restricted", lambda mask, _: mask & ~half)
    assert not reconstruct(scan, recipe).brain_mask[:14].any()


def test_results_are_written_with_their_record(scan, recipe, tmp_path):
    result = reconstruct(scan, recipe)
    paths = {p.name for p in save(result, tmp_path)}
    assert "sub-01_Chimap.nii.gz" in paths
    assert {"sub-01_desc-brain_mask.nii.gz", "sub-01_desc-qsm_mask.nii.gz"} <= paths
    record = Outputs(tmp_path).record(scan)
    assert [s["Method"] for s in record["Steps"]][-1] == "reference_brain"
    assert record["Steps"][0]["Settings"]["fraction"] == 0.3
    assert record["Software"]["qsmkit"]
    with pytest.raises(OutputError, match="holds results of sub-01"):
        save(result, tmp_path)
    save(result, tmp_path, overwrite=True)
    outputs = Outputs(tmp_path)
    outputs.report_path(scan).touch()
    assert outputs.holds(scan, plan_keys(result.plan, scan))


def test_results_of_other_settings_are_not_replaced_unasked(scan, recipe, tmp_path):
    plan = make_plan(recipe, scan)
    keys = plan_keys(plan, scan)
    outputs = Outputs(tmp_path)
    assert not outputs.holds(scan, keys)
    outputs.prepare()
    outputs.finish(run(plan, scan), keys, {})
    assert not outputs.holds(scan, keys)  # the report is missing
    outputs.report_path(scan).touch()
    assert outputs.holds(scan, keys)
    with pytest.raises(OutputError, match="other settings"):
        outputs.holds(scan, [*keys, "more"])
    assert not Outputs(tmp_path, overwrite=True).holds(scan, [*keys, "more"])


def test_provenance_is_plain(scan, recipe):
    record = provenance(reconstruct(scan, recipe))
    assert record["Scan"]["echo_times_s"] == [0.005, 0.010, 0.015]
    assert record["Reference"]["unit"] == "ppm"
    assert record["Skipped"][0]["Method"] == "single_echo"
