"""`qsmkit outcome` from a table to a report."""

import csv
import json

import numpy as np
import pytest


@pytest.fixture
def table(tmp_path):
    rng, path = np.random.default_rng(6), tmp_path / "scores.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "month", "medication", "stimulation", "score", "scale", "error", "ledd"])
        for i in range(12):
            base, error = rng.normal(45, 8), rng.uniform(0.3, 2.5)
            writer.writerow([f"P{i}", 0, "off", "", round(base), "UPDRS-III", round(error, 2), 1000])
            for month in (6, 12):
                score = round(base * 0.5 + rng.normal(0, 3))
                writer.writerow([f"P{i}", month, "off", "on", score, "UPDRS-III", round(error, 2), 600])
    return path


def test_json_has_every_number_with_its_interval(qsmkit, table):
    ran = qsmkit("outcome", table, "--scale", "scale", "--distance", "error", "--ledd", "ledd", "--json")
    assert ran.status == 0, ran.err
    first = ran.json["comparisons"][0]
    assert first["month"] == 6
    assert first["percent_of_means"]["low"] < 50 < first["percent_of_means"]["high"]
    assert len(first["patients"]) == 12
    assert {"pearson", "spearman", "slope"} == first["relation_to_distance"].keys()
    assert ran.json["ledd_change"]["6"]["value"] == -400
    assert [m["month"] for m in ran.json["mixed_model"]] == [6, 12]


def test_report(qsmkit, table, tmp_path):
    out = tmp_path / "out"
    ran = qsmkit("outcome", table, "--scale", "UPDRS-III", "--out", out)
    assert ran.status == 0, ran.err
    page = (out / "report.html").read_text()
    assert "Research use only. Not a medical device." in page
    assert json.loads((out / "outcome.json").read_text())["scale"] == "UPDRS-III"
    assert page.count("data:image/png") == 1
    assert len((out / "changes.csv").read_text().splitlines()) == 25
    assert qsmkit("outcome", table, "--scale", "UPDRS-III", "--out", out).status == 1


def test_two_scales_in_one_table_are_refused(qsmkit, table):
    table.write_text(table.read_text().replace("UPDRS-III", "MDS-UPDRS-III", 3))
    ran = qsmkit("outcome", table, "--scale", "scale")
    assert ran.status == 1
    assert "one scale at a time" in ran.err


def test_a_wrong_state_is_named(qsmkit, table):
    table.write_text(table.read_text().replace(",off,on,", ",off,maybe,", 1))
    ran = qsmkit("outcome", table, "--scale", "UPDRS-III")
    assert ran.status == 1
    assert "'maybe'" in ran.err
