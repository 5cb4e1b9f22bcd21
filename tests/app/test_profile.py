"""`qsmkit profile` from a table to one page."""

import json

import pytest

TABLE = """nucleus,side,mean,low,high,unit
GPi,left,132,124,140,ppb
GPi,right,128,120,136,ppb
SN,left,170,160,180,ppb
SN,right,128,118,138,ppb
STN,left,80,70,90,ppb
STN,right,82,72,92,ppb
"""
NORMS = """nucleus,mean,sd,n,age_low,age_high,source
SN,0.12,0.02,40,50,80,own controls
RN,0.1,0.02,40,50,80,own controls
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "nuclei.csv"
    path.write_text(TABLE)
    return path


def test_profile_writes_one_page(qsmkit, table, tmp_path):
    norms, out = tmp_path / "norms.csv", tmp_path / "p"
    norms.write_text(NORMS)
    ran = qsmkit("profile", table, "--age", "63", "--norms", norms, "--out", out)
    assert ran.status == 0, ran.err
    assert "norm for RN meets no nucleus" in ran.err
    assert "SN left (z +2.5)" in ran.out
    assert "Not a medical device" in ran.out
    found = json.loads((out / "profile.json").read_text())
    assert found["nuclei"][2]["chi_ppm"] == pytest.approx(0.17)
    assert found["nuclei"][2]["z"] == pytest.approx(2.5)
    assert found["nuclei"][0]["z"] is None
    page = (out / "report.html").read_text()
    assert "SN/STN left" in page
    assert "Not a medical device" in page
    assert qsmkit("profile", table, "--age", "63", "--out", out).status == 1


@pytest.mark.parametrize(
    ("old", "new", "told"), [("left", "links", "'links'"), ("ppb", "Hz", "'Hz'"), ("170", "x", "'x'")]
)
def test_bad_tables_are_refused(qsmkit, table, old, new, told):
    table.write_text(TABLE.replace(old, new))
    ran = qsmkit("profile", table, "--age", "63")
    assert ran.status == 1
    assert told in ran.err
