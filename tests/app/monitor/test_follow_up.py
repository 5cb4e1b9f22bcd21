"""`qsmkit monitor`: measure, link, change, event, rates, report, remeasure, from three scans to a page."""

import json
import shutil

import numpy as np
import pytest

from app.monitor.conftest import spot
from qsmkit.io.nifti import load_volume, save_volume


@pytest.fixture(scope="module")
def registry(qsmkit, patient, tmp_path_factory):
    data, masks, transforms = patient
    path = tmp_path_factory.mktemp("registry") / "registry.sqlite"
    steps = [("init", path)]
    steps += [("measure", path, data, "--patient", "P01", "--visit", v, "--masks", masks[v], "--index", 1)
              for v in ("m00", "m12")]  # fmt: skip
    steps += [
        ("link", path, data, "--patient", "P01", "--visits", "m00", "m12", "--transform", transforms["m00", "m12"]),
        ("link", path, data, "--patient", "P01", "--accept", "all"),
        ("measure", path, data, "--patient", "P01", "--visit", "m24", "--carry-from", "m12", "--transform",
         transforms["m12", "m24"]),
        ("link", path, data, "--patient", "P01", "--visits", "m12", "m24"),
        ("event", path, "--patient", "P01", "--onset", "2024-07", "--symptoms", "--recent-blood", "--lesion", "L01"),
    ]  # fmt: skip
    for step in steps:
        ran = qsmkit("monitor", *step, "--actor", "JD")
        assert ran.status == 0, ran.err
    return path


def test_identity_is_kept_over_three_visits(qsmkit, registry):
    lesions = qsmkit("monitor", "show", registry, "lesion", "--json").json
    assert sorted(x["label"] for x in lesions) == ["L01", "L02", "L05"]
    links = qsmkit("monitor", "show", registry, "link", "--json").json
    assert sorted(k["relation"] for k in links) == ["new", "same", "same", "same", "same", "same"]
    assert {k["decision"] for k in links} == {"accepted"}
    assert all(k["parent"] == k["child"] for k in links if k["relation"] == "same")


def test_changes_are_told_with_their_noise(qsmkit, registry, tmp_path):
    out = tmp_path / "changes.csv"
    rows = qsmkit("monitor", "change", registry, "--out", out, "--json").json
    found = {(r["label"], r["to"]): r for r in rows}
    assert len(rows) == 5
    assert found["L01", "m24"]["percent"] == pytest.approx(20, abs=2)
    assert found["L01", "m24"]["verdict"] == "review: beyond noise"
    assert found["L02", "m12"]["flag"] == ""
    assert found["L01", "m12"]["percent_low"] < 0 < found["L01", "m12"]["percent_high"]
    assert out.read_text().count("\n") == 6
    noisy = qsmkit("monitor", "change", registry, "--wcv", 10, "--json").json
    assert {r["verdict"] for r in noisy if r["flag"]} == {"review: within noise"}
    told = qsmkit("monitor", "change", registry)
    assert "Research use only" in told.out
    assert "review: beyond noise" in told.out


def test_rates_and_the_threshold(qsmkit, registry):
    found = qsmkit("monitor", "rates", registry, "--lesions", "index", "--json").json
    assert found["patient_years"] == pytest.approx(2.01, abs=0.01)
    assert found["rates"]["symptomatic_haemorrhage"]["value"] == pytest.approx(1 / 2.01, rel=0.01)
    assert found["counts"]["by_patient"]["tp"] == 1
    ran = qsmkit("monitor", "rates", registry)
    assert "no mixed model: a model over patients needs 3" in ran.err
    assert "1 of 1 events await adjudication" in ran.err
    assert "sensitivity" in ran.out


def test_reports_are_pages_and_pdf(qsmkit, registry, patient, tmp_path):
    ran = qsmkit("monitor", "report", registry, patient[0], "--patient", "P01", "--out", tmp_path / "one", "--wcv", 2)
    assert ran.status == 0, ran.err
    page = (tmp_path / "one" / "report.html").read_text()
    for words in ("Review 1 of 3 lesions", "does not say haemorrhage", "symptomatic haemorrhage", "Checklist",
                  "Not a medical device", "index lesion"):  # fmt: skip
        assert words in page
    assert page.count("data:image/png") == 3
    assert (tmp_path / "one" / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "one" / "changes.csv").is_file()
    again = qsmkit("monitor", "report", registry, "--patient", "P01", "--out", tmp_path / "one")
    assert again.status == 1
    assert "--overwrite" in again.err
    cohort = qsmkit("monitor", "report", registry, "--out", tmp_path / "all", "--json").json
    assert "patient-years" in (tmp_path / "all" / "report.html").read_text()
    assert cohort["pdf"].endswith("report.pdf")


def test_masks_are_remeasured_with_another_rule(qsmkit, registry, patient, tmp_path):
    copy = tmp_path / "registry.sqlite"
    shutil.copy(registry, copy)
    ran = qsmkit("monitor", "remeasure", copy, patient[0], "--rule", "core-1mm", "--json", "--actor", "JD")
    assert ran.status == 0, ran.err
    assert [(d["visit"], d["lesions"]) for d in ran.json] == [("m00", 2), ("m12", 3), ("m24", 3)]
    rows = qsmkit("monitor", "change", copy, "--json").json
    assert len(rows) == 5
    before = qsmkit("monitor", "show", copy, "observation", "--json").json
    assert qsmkit("monitor", "remeasure", copy, patient[0], "--rule", "core-1mm", "--actor", "JD").status == 0
    assert len(qsmkit("monitor", "show", copy, "observation", "--json").json) == len(before) == 16


def test_another_pipeline_version_is_not_compared(qsmkit, patient, tmp_path):
    data, masks, transforms = patient
    other = tmp_path / "recon"
    shutil.copytree(data, other)
    record = other / "sub-P01_ses-m12_record.json"
    record.write_text(record.read_text().replace('"1.0"', '"2.0"'))
    path = tmp_path / "registry.sqlite"
    for step in (
        ("init", path), *(("measure", path, other, "--patient", "P01", "--visit", v, "--masks", masks[v])
                          for v in ("m00", "m12")),
        ("link", path, other, "--patient", "P01", "--visits", "m00", "m12", "--transform", transforms["m00", "m12"]),
    ):  # fmt: skip
        assert qsmkit("monitor", *step, "--actor", "JD").status == 0
    rows = qsmkit("monitor", "change", path, "--json")
    assert {r["verdict"] for r in rows.json} == {"not comparable"}
    assert "pipeline" in rows.json[0]["notes"]
    assert "3 links are proposals" in rows.err


def test_lesions_are_grown_from_seeds(qsmkit, patient, tmp_path):
    data = tmp_path / "recon"
    shutil.copytree(patient[0], data)
    path = tmp_path / "registry.sqlite"
    qsmkit("monitor", "init", path, "--actor", "JD")
    seeds = [c for number in (0, 1) for c in spot("m00", number)]
    ran = qsmkit("monitor", "measure", path, data, "--patient", "P01", "--visit", "m00", "--seed", *seeds, "--json")
    assert ran.status == 0, ran.err
    assert [o["mean"]["value"] for o in ran.json] == pytest.approx([0.4, 0.3], abs=0.02)
    assert "grown at" in ran.json[0]["source"]
    labels = load_volume(data / "sub-P01/ses-m00/anat/sub-P01_ses-m00_desc-lesions_dseg.nii.gz").data
    truth = load_volume(patient[1]["m00"]).data
    for number in (1, 2):
        one, other = labels == number, truth == number
        assert 2 * (one & other).sum() / (one.sum() + other.sum()) > 0.9


def test_a_table_will_do(qsmkit, tmp_path):
    rows = ["patient,lesion,date,mean,noise,index"]
    for i in range(6):
        rows += [f"P{i},L1,202{year}-03-01,{0.3 * (1 + 0.02 * i) ** year:.4f},0.003,1" for year in range(3)]
    table, events = tmp_path / "table.csv", tmp_path / "events.csv"
    table.write_text("\n".join(rows))
    events.write_text("patient,type,onset\nP5,symptomatic_haemorrhage,2021-07\nP4,growth,2021\n")
    found = qsmkit("monitor", "rates", table, "--events", events, "--lesions", "index", "--json").json
    assert found["counts"]["by_patient"] == {"tp": 2, "fn": 0, "fp": 1, "tn": 3, "mcnemar_p": 1.0}
    assert found["means"]["mean"]["value"] == pytest.approx(5, abs=0.1)
    assert found["models"]["gee"]["low"] < 5 < found["models"]["gee"]["high"]
    ran = qsmkit("monitor", "report", table, "--events", events, "--out", tmp_path / "out")
    assert ran.status == 0, ran.err


BAD_TABLES = {
    "nothing": ("patient,lesion,date,mean\n", "no row"),
    "ppb": ("patient,lesion,date,mean\nP1,L1,2024-01-01,300\n", "ppb? give ppm"),
    "a vague date": ("patient,lesion,date,mean\nP1,L1,2024,0.3\n", "lacks its day"),
    "no date": ("patient,lesion,date,mean\nP1,L1,soon,0.3\n", "is no date"),
    "no patient": ("patient,lesion,date,mean\n,L1,2024-01-01,0.3\n", "patient is missing"),
    "no number": ("patient,lesion,date,mean\nP1,L1,2024-01-01,much\n", "not a number"),
    "no column": ("patient,lesion,date,value\nP1,L1,2024-01-01,0.3\n", "no column 'mean'"),
    "one visit": ("patient,lesion,date,mean\nP1,L1,2024-01-01,0.3\n", "none of 1 patients has two visits"),
    "twice": ("patient,lesion,date,mean\nP1,L1,2024-01-01,0.3\nP1,L1,2024-01-01,0.3\nP1,L1,2025-01-01,0.3\n",
              "measured twice"),
    "a kind": ("patient,lesion,date,mean,kind\nP1,L1,2024-01-01,0.3,tumour\n", "kind 'tumour' is unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_told(qsmkit, tmp_path, name):
    text, words = BAD_TABLES[name]
    (tmp_path / "table.csv").write_text(text)
    ran = qsmkit("monitor", "rates", tmp_path / "table.csv")
    assert ran.status == 1
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert ran.out == ""


BAD_EVENTS = {
    "no such lesion": (("--onset", "2024", "--type", "seizure", "--lesion", "L99"), 1, "has no lesion 'L99'"),
    "no date": (("--onset", "May", "--type", "seizure"), 1, "is no date"),
    "growth alone": (("--onset", "2024", "--type", "symptomatic_haemorrhage", "--no-recent-blood"), 1, "needs sym"),
    "nothing": (("--onset", "2024", "--no-symptoms", "--no-recent-blood", "--rim-only"), 1, "no event"),
    "not said": (("--onset", "2024"), 2, "say what it was"),
    "the future": (("--onset", "2999", "--type", "growth"), 1, "future"),
}


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_bad_events_are_told(qsmkit, registry, name):
    arguments, status, words = BAD_EVENTS[name]
    ran = qsmkit("monitor", "event", registry, "--patient", "P01", *arguments, "--actor", "JD")
    assert (ran.status, ran.out) == (status, "")
    assert words in ran.err


def test_unfit_scans_and_masks_are_told(qsmkit, registry, patient, tmp_path):
    data, masks, transforms = patient
    of = ("--patient", "P01", "--visit", "m00", "--actor", "JD")
    empty = tmp_path / "empty.nii.gz"
    image = load_volume(masks["m00"])
    save_volume(empty, np.zeros_like(image.data), image.grid)
    cases = [
        (("measure", registry, data, *of, "--masks", masks["m12"]), "does not lie where the map does"),
        (("measure", registry, data, *of, "--masks", masks["m00"], masks["m00"]), "share"),
        (("measure", registry, data, *of, "--masks", empty), "is empty"),
        (("measure", registry, data, *of, "--masks", data / "sub-P01/ses-m00/anat/sub-P01_ses-m00_Chimap.nii.gz"),
         "no label image"),
        (("measure", registry, data, *of), "sources of masks"),
        (("measure", registry, data, *of, "--masks", masks["m00"], "--rule", "half"), "rule 'half' is unknown"),
        (("measure", registry, data, *of, "--masks", masks["m00"], "--rule", "fixed"), "say which"),
        (("measure", registry, data, *of, "--masks", masks["m00"], "--rule", "core-20mm"), "leaves no voxel"),
        (("measure", registry, data, *of, "--seed", 0, 0, 20), "no voxel within"),
        (("measure", registry, data, *of, "--carry-from", "m99"), "no visit 'm99'"),
        (("measure", registry, data, "--patient", "P01", "--visit", "m36", "--masks", masks["m00"]), "no map"),
        (("link", registry, data, "--patient", "P01", "--visits", "m12", "m00", "--transform", transforms["m00", "m12"],
          "--actor", "JD"), "swap them"),
        (("link", registry, data, "--patient", "P77"), "links need two"),
        (("link", registry, data, "--patient", "P01", "--accept", "zzz"), "0 proposals begin"),
        (("change", registry, "--patient", "P77"), "is not in the registry"),
        (("change", registry, "--threshold", -1), "threshold"),
        (("change", registry, "--wcv", 300), "wCV"),
        (("remeasure", registry, tmp_path, "--actor", "JD"), "lesions_dseg.nii.gz"),
    ]  # fmt: skip
    for arguments, words in cases:
        ran = qsmkit("monitor", *arguments)
        assert ran.status in (1, 2), arguments
        assert words in ran.err, (arguments, ran.err)
        assert ran.out == ""
    assert len(qsmkit("monitor", "show", registry, "observation", "--json").json) == 8


def test_json_of_a_measurement(qsmkit, registry):
    rows = qsmkit("monitor", "show", registry, "observation", "--json").json
    assert {r["method"] for r in rows} == {"given.whole", "carried.whole"}
    assert all(r["mean_low"] < r["mean"] < r["mean_high"] for r in rows)
    assert json.dumps(rows)


@pytest.mark.parametrize("order", [1, -1, 0])
def test_links_of_three_visits_are_accepted_in_any_order(qsmkit, patient, tmp_path, order):
    data, masks, transforms = patient
    path = tmp_path / "registry.sqlite"
    steps = [("init", path)]
    steps += [("measure", path, data, "--patient", "P01", "--visit", v, "--masks", masks[v]) for v in masks]
    steps += [("link", path, data, "--patient", "P01", "--visits", *pair, "--transform", transforms[pair])
              for pair in (("m00", "m12"), ("m12", "m24"))]  # fmt: skip
    for step in steps:
        assert qsmkit("monitor", *step, "--actor", "JD").status == 0
    before = qsmkit("monitor", "change", path, "--json").json
    links = qsmkit("monitor", "show", path, "link", "--json").json
    ids = [k["id"] for k in sorted(links, key=lambda k: k["after"], reverse=order < 0)]
    for chosen in [[i] for i in ids] if order else [["all"]]:
        assert qsmkit("monitor", "link", path, data, "--patient", "P01", "--accept", *chosen).status == 0
    after = qsmkit("monitor", "change", path, "--json").json
    assert [r["percent"] for r in after] == [r["percent"] for r in before]
    assert len(qsmkit("monitor", "show", path, "lesion", "--json").json) == 3


def test_the_confidence_asked_for_holds_for_models_too_and_is_said(qsmkit, tmp_path):
    table = tmp_path / "table.csv"
    lines = [f"P{p},L1,{2022 + t}-01-01,{0.3 + 0.01 * p + 0.02 * t * (p % 3)}" for p in range(6) for t in (0, 1)]
    table.write_text("patient,lesion,date,mean\n" + "\n".join(lines))
    wide, narrow = (qsmkit("monitor", "rates", table, "--json", "--confidence", c).json["models"]["gee"]
                    for c in ("0.95", "0.5"))  # fmt: skip
    assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]
    assert "50 % interval" in qsmkit("monitor", "rates", table, "--confidence", "0.5").out
