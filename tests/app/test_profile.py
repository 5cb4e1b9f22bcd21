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


def test_the_table_that_nuclei_writes_needs_no_columns_named(qsmkit, tmp_path):
    table, norms = tmp_path / "nuclei.tsv", tmp_path / "norms.csv"
    table.write_text(
        "name\tside\tchi_ppm\tchi_low\tchi_high\ngpi\tL\t0.13\t0.12\t0.14\nred_nucleus\tR\t0.1\t0.09\t0.11\n"
    )
    norms.write_text("nucleus,mean,sd,n\nGPi,0.11,0.01,40\n")
    ran = qsmkit("profile", table, "--age", "63", "--norms", norms, "--json")
    assert ran.status == 0, ran.err
    pallidum, red = json.loads(ran.out)["nuclei"]
    assert (pallidum["nucleus"], pallidum["side"], pallidum["chi_high"]) == ("GPi", "left", 0.14)
    assert pallidum["z"] == pytest.approx(2.0)
    assert red["nucleus"] == "RN"
    assert red["iron_ug_per_g"] > 0


def test_a_table_that_is_not_there(qsmkit, tmp_path):
    ran = qsmkit("profile", tmp_path / "nuclei.tsv", "--age", "63")
    assert ran.status == 1
    assert "nuclei.tsv does not exist" in ran.err


def test_the_two_parts_of_the_nigra_are_joined(qsmkit, tmp_path):
    path = tmp_path / "nuclei.tsv"
    path.write_text("name\tside\tvolume_mm3\tchi_ppm\tchi_low\tchi_high\nsnc\tL\t100\t0.1\t0.09\t0.11\n"
                    "snr\tL\t300\t0.2\t0.19\t0.21\nstn\tL\t100\t0.1\t0.09\t0.11\n")  # fmt: skip
    ran = qsmkit("profile", path, "--age", "63", "--json")
    assert ran.status == 0, ran.err
    (whole,) = (row for row in ran.json["nuclei"] if row["nucleus"] == "SN")
    assert whole["chi_ppm"] == pytest.approx(0.175)
    assert whole["chi_low"] == pytest.approx(0.165)
    assert ran.json["ratios"]["SN/STN left"]["value"] == pytest.approx(1.75)
