"""`qsmkit target report`: a step that cannot be done is shown, and the rest is done."""

import json

import pytest


@pytest.fixture(scope="module")
def run(qsmkit, head, tmp_path_factory):
    out = tmp_path_factory.mktemp("target") / "report"
    return qsmkit("target", "report", head, "--out", out, "--target", "GPi", "--recipe", "fast", "--json"), out


def test_without_t1w_and_ct_there_is_still_a_map_and_a_page_that_says_what_failed(run):
    ran, out = run
    assert ran.status == 1
    steps = {s["name"]: s for s in ran.json["Steps"]}
    assert steps["reconstruction"]["verdict"] in ("PASS", "REVIEW")
    assert steps["alignment"]["verdict"] == "FAIL"
    assert "no T1w" in steps["alignment"]["text"]
    assert {steps[n]["verdict"] for n in ("nuclei", "fusion", "leads", "contacts", "errors")} == {"NOT DONE"}
    assert list((out / "recon").rglob("*_Chimap.nii.gz"))
    page = (out / "report.html").read_text()
    assert "alignment failed" in page
    assert "no T1w" in page
    assert "Not a medical device" in page
    content = json.loads((out / "report.json").read_text())
    assert content["Verdict"] == "FAIL"
    assert content["Reconstruction"]["Recipe"]["name"] == "fast"
    assert content["Software"]["qsmkit"]


def test_a_report_is_not_replaced_unasked_and_a_plan_must_be_whole(run, qsmkit, head, tmp_path):
    _, out = run
    ran = qsmkit("target", "report", head, "--out", out, "--target", "GPi")
    assert ran.status == 1
    assert "--overwrite" in ran.err
    plan = tmp_path / "plan.csv"
    heads = "lead,side," + ",".join(f"{p}_{a}" for p in ("target", "entry") for a in "xyz")
    for row, words in (("GPi_L,links,1,2,3,4,5,6", "neither left nor right"), ("GPi_L,left,1,2,,4,5,6", "missing")):
        plan.write_text(f"{heads}\n{row}\n")
        ran = qsmkit("target", "report", head, "--out", tmp_path / "new", "--target", "GPi", "--plan", plan)
        assert ran.status == 1
        assert words in ran.err
