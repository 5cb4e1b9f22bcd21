"""The report is one safe file that holds everything."""

import dataclasses
import json
from html.parser import HTMLParser

import pytest

from qsmkit.errors import OutputError
from qsmkit.grid import Grid
from qsmkit.reports.html import CONVENTION, DISCLAIMER, report_json
from qsmkit.reports.html import report as write_report

VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Collects a page's tags, links and words, and sees that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.words, self.open = [], [], [], []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture(scope="module")
def page(result, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    write_report(result, path, title="A title")
    return Page(path.read_text(encoding="utf-8"))


def test_it_needs_nothing_but_itself(page):
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "script" not in page.tags
    assert "link" not in page.tags


def test_it_says_what_a_reader_must_know(page, result):
    assert page.text.startswith("A title – susceptibility report A title")
    assert page.text.endswith(DISCLAIMER)
    assert page.text.count(CONVENTION) == 8  # once for all, and under each of seven pictures
    for heading in ("Quality", "Reference", "Images", "Processing", "Scan", "Methods,", "Provenance"):
        assert heading in page.words
    for step in result.steps:
        assert step.method in page.text
        for name in step.settings:
            assert f"{name} =" in page.text
    assert "Skipped tkd needs 9 echoes, the scan has 2" in page.text
    assert "Decided: phase radians" in page.text
    assert "Shmueli K" in page.text


def test_every_check_is_in_the_page_and_in_the_json(page, result):
    found = report_json(result)
    assert json.loads(json.dumps(found)) == found
    assert {c["name"] for c in found["checks"]} >= {"coverage", "sign of χ", "field noise", "range of χ"}
    for check in found["checks"]:
        assert check["text"] in page.text
        assert check["unit"]
    assert found["headline"] in page.text
    assert found["reference"]["n"] == result.reference.n


def test_the_sign_is_right_in_the_fixture_and_wrong_when_flipped(result, reconstructed):
    verdicts = {c["name"]: c["verdict"] for c in report_json(result)["checks"]}
    assert verdicts["sign of χ"] == "ok"
    flipped = reconstructed(result.scan.grid, chi=-0.1)
    assert report_json(flipped)["verdict"] == "FAIL"


def test_words_from_files_cannot_become_markup(tmp_path, reconstructed):
    evil = "<script>alert('&')</script>"
    bad = reconstructed(Grid.tilted((30, 30, 30), (2.0, 2.0, 2.0)), name=evil, notes=(evil,))
    bad.scan.metadata["Manufacturer"] = evil
    bad.scan.metadata["decisions"] = {evil: evil}
    write_report(bad, tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count("<script>") >= 4


def test_no_word_about_the_person_leaves_the_sidecar(tmp_path, result):
    about = {"Manufacturer": "Acme", "PatientName": "Doe^Jane", "PatientBirthDate": "19500101"}
    scan = dataclasses.replace(result.scan, metadata=about)
    write_report(dataclasses.replace(result, scan=scan), tmp_path / "r.html")
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "Acme" in text
    assert "Jane" not in text
    assert "19500101" not in text


def test_a_reconstruction_that_stopped_before_chi_is_reported(tmp_path, result):
    fewer = {"phase": result.artifacts["phase"], "total_field": result.artifacts["total_field"]}
    half = dataclasses.replace(result, artifacts=fewer, reference=None)
    found = write_report(half, tmp_path / "r.html")
    assert "coverage" in {c["name"] for c in found["checks"]}
    assert "No susceptibility map was made" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("shape", [(30, 30, 1), (1, 30, 30), (31, 17, 3)])
def test_thin_volumes_are_reported(tmp_path, reconstructed, shape):
    write_report(reconstructed(Grid.tilted(shape, (2.0, 2.0, 2.0), tilt=12)), tmp_path / "r.html")
    assert "turned by 12.0°" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_input_files_are_listed_with_their_hashes(tmp_path, result):
    (tmp_path / "p.nii").write_bytes(b"abc")
    scan = dataclasses.replace(result.scan, sources=("p.nii",))
    write_report(dataclasses.replace(result, scan=scan), tmp_path / "r.html", source=tmp_path)
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" in text


def test_a_report_is_replaced_only_on_request(tmp_path, result):
    path = tmp_path / "r.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        write_report(result, path)
    assert path.read_text() == "mine"
    write_report(result, path, overwrite=True)
    assert DISCLAIMER in path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
