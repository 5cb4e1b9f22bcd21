"""`qsmkit agree` from a table to a report."""

import csv

import numpy as np
import pytest


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(12)
    path = tmp_path / "stn.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "track", "qsm", "mer"])
        for patient in range(25):
            for side in "RL":
                span = rng.normal(6, 0.5)
                writer.writerow([f"P{patient}", f"P{patient}{side}", *(span + rng.normal(0, 1.9 / 2**0.5, 2)).round(3)])
    return path


def test_json_names_every_statistic_with_value_interval_and_n(qsmkit, table):
    ran = qsmkit("agree", table, "--x", "qsm", "--y", "mer", "--cluster", "patient", "--json")
    assert ran.status == 0, ran.err
    names = {"ICC(1,1)", "ICC(A,1)", "ICC(C,1)", "CCC", "bias", "lower_limit", "upper_limit", "sd_between"}
    assert names | {f"fraction_within_{t}" for t in ("0.1", "0.5", "1", "2")} <= ran.json.keys()
    for name, found in ran.json.items():
        assert {"value", "low", "high", "unit", "n", "method"} <= found.keys()
        assert found["low"] <= found["value"] <= found["high"], name
        assert found["n"] == 50


def test_thresholds_and_cases_are_the_user_s(qsmkit, table):
    ran = qsmkit("agree", table, "--x", "qsm", "--y", "mer", "--case", "track", "--thresholds", 0.3, 3)
    assert ran.status == 0, ran.err
    assert "fraction_within_0.3" in ran.out
    assert "fraction_within_0.5" not in ran.out
    assert "within 3 mm of 50 cases" in ran.out


def test_the_report_holds_figures_cases_and_the_disclaimer(qsmkit, table, tmp_path):
    out = tmp_path / "out"
    columns = ("--x", "qsm", "--y", "mer", "--cluster", "patient")
    arguments = ("agree", table, *columns, "--normalise", "minmax", "--out", out)
    ran = qsmkit(*arguments)
    assert ran.status == 0, ran.err
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "cannot tell the cases apart" in page
    assert page.rstrip().endswith("</html>")
    assert "Research use only. Not a medical device." in page
    assert len((out / "cases.csv").read_text().splitlines()) == 51
    assert (out / "statistics.csv").read_text().startswith("statistic,value,low,high,unit,n,method")
    again = qsmkit(*arguments)
    assert again.status == 1
    assert "there already" in again.err
    assert qsmkit(*arguments, "--overwrite").status == 0


def test_excel_and_tsv_say_the_same(qsmkit, table, tmp_path):
    import pandas as pd

    frame = pd.read_csv(table)
    frame.to_excel(tmp_path / "stn.xlsx", index=False)
    frame.to_csv(tmp_path / "stn.tsv", sep="\t", index=False, na_rep="n/a")
    values = [qsmkit("agree", p, "--x", "qsm", "--y", "mer", "--json").json["ICC(A,1)"]["value"]
              for p in (table, tmp_path / "stn.xlsx", tmp_path / "stn.tsv")]  # fmt: skip
    assert values[0] == pytest.approx(values[1]) == pytest.approx(values[2])


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        ("a,b\n1,2\n2,3\n", ("--x", "aa", "--y", "b"), "has no column 'aa'"),
        ("a,b\n1,2\n2,x\n", ("--x", "a", "--y", "b"), "line 3: b is 'x', not a number"),
        ("a;b\n1,5;2\n2;3\n", ("--x", "a", "--y", "b"), "decimal mark"),
        ("a,a\n1,2\n2,3\n", ("--x", "a", "--y", "a"), "twice"),
        ("a,b\n", ("--x", "a", "--y", "b"), "no row"),
        ("id,a,b\nq,1,2\nq,2,3\n", ("--x", "a", "--y", "b", "--case", "id"), "'q' occurs twice"),
        ("a,b\n.5,5\n.6,6\n.7,7.2\n", ("--x", "a", "--y", "b"), "cm and mm"),
        ("a,b\n1,2\n2,n/a\n", ("--x", "a", "--y", "b"), "at least 2"),
    ],
)
def test_bad_tables_get_one_clear_line(qsmkit, tmp_path, content, more, words):
    path = tmp_path / "t.csv"
    path.write_text(content)
    ran = qsmkit("agree", path, *more)
    assert ran.status == 1
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_scale_brings_centimetres_to_millimetres(qsmkit, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n.5,5\n.6,6.1\n.7,7.2\n.8,7.9\n")
    ran = qsmkit("agree", path, "--x", "a", "--y", "b", "--scale-x", 10, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["fraction_within_0.1"]["value"] == 0.75
