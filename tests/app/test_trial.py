"""`qsmkit trial` on the command line."""

import pytest


def test_the_table_has_a_row_for_every_scenario_reduction_and_test(qsmkit, tmp_path):
    ran = qsmkit("trial", "table", "--json", "--out", tmp_path / "sizes.csv")
    assert ran.status == 0, ran.err
    assert len(ran.json) == 72
    assert list(ran.json[0])[:4] == ["scenario", "p1", "rel_reduction", "p2"]
    assert len((tmp_path / "sizes.csv").read_text().splitlines()) == 73
    assert "per patient-year" in qsmkit("trial", "table").out


def test_a_cohort_s_base_rate_carries_its_own_uncertainty_into_the_size(qsmkit):
    design = ("--reduction", 0.5, "--alpha", 0.1)
    ran = qsmkit("trial", "size", "binary", "--events", 5, "--years-observed", 22, *design, "--dropout", 0.2, "--json")
    assert ran.json["n1"] == 168
    assert ran.json["enrol1"] == 210
    assert list(ran.json["at_ends_of_base_rate"]) == ["0.07379", "0.5304"]
    assert any("per patient-year" in a for a in ran.json["assumptions"])
    other = qsmkit("trial", "size", "binary", "--events", 5, "--patients", 16, *design)
    assert "112 + 112" in other.out
    assert "Wilson 95 % interval 0.1416 … 0.556" in other.out


def test_every_kind_says_what_it_assumes(qsmkit):
    for kind, flags, n in (
        ("rate", ("--rate1", 0.31, "--reduction", 0.5, "--alpha", 0.1), "156 + 156"),
        ("continuous", ("--difference", 30, "--sd", 36.27, "--power", 0.8), "21 + 21"),
        ("icc", ("--icc", 0.6, "--width", 0.3), "71 cases"),
        ("limits", ("--sd", 1.9, "--width", 1.5), "76 cases"),
    ):
        ran = qsmkit("trial", "size", kind, *flags)
        assert ran.status == 0, ran.err
        assert n in ran.out
        assert "assumed:" in ran.out


def test_power_is_simulated_with_its_own_error(qsmkit):
    ran = qsmkit("trial", "power", "--p1", 0.62, "--p2", 0.31, "--n", 39, "--alpha", 0.1, "--json")
    found = ran.json["power"]
    assert 0.885 < found["low"] < found["value"] < found["high"] < 0.925
    assert found["n"] == 10_000


@pytest.mark.parametrize(
    ("flags", "status", "words"),
    [
        (("size", "binary", "--reduction", 0.5), 2, "--events"),
        (("size", "binary", "--events", 5, "--reduction", 0.5), 2, "--patients"),
        (("size", "binary", "--events", 17, "--patients", 16, "--reduction", 0.5), 1, "count a patient once"),
        (("size", "binary", "--events", 0, "--patients", 16, "--reduction", 0.5), 1, "no base rate"),
        (("size", "binary", "--p1", 0.3), 2, "--reduction"),
        (("size", "binary", "--p1", 0.3, "--reduction", 30), 1, "30 % off"),
        (("size", "binary", "--p1", 1.3, "--reduction", 0.3), 1, "between 0 and 1"),
        (("size", "continuous", "--difference", 0, "--sd", 1), 1, "other than 0"),
        (("power", "--p1", 0.3, "--p2", 0.2, "--n", 1), 1, "at least 2 patients"),
    ],
)
def test_bad_designs_get_one_clear_line(qsmkit, flags, status, words):
    ran = qsmkit("trial", *flags)
    assert ran.status == status
    assert words in ran.err
    assert ran.err.count("\n") == 1
