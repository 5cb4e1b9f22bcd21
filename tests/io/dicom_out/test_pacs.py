"""A real archive: stored, found, fetched back, compared. Runs where Orthanc and DCMTK are installed."""

import json
import shutil
import socket
import subprocess
import time
from datetime import datetime

import numpy as np
import pytest
from pydicom import dcmread

from dicom_phantom import GRIDS, letter, scanner_series
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.encoding import encoding_for
from qsmkit.io.dicom_out.images import write_images
from qsmkit.io.dicom_out.labels import Labels
from qsmkit.io.dicom_out.measurements import Finding, write_report
from qsmkit.io.dicom_out.planes import Planes
from qsmkit.io.dicom_out.segmentation import write_segmentation
from qsmkit.io.dicom_out.series import read_series
from qsmkit.io.dicom_out.study import study_of
from qsmkit.io.dicom_out.uid import uid_maker
from qsmkit.measure import Measure

WHEN = datetime(2026, 1, 2, 3, 4, 5)
ORTHANC = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
TOOLS = {name: shutil.which(name) for name in ("storescu", "findscu", "movescu", "getscu", "storescp")}

pytestmark = pytest.mark.skipif(
    not ORTHANC or None in TOOLS.values(), reason="a PACS is not installed: apt-get install orthanc dcmtk"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(tool, *arguments):
    ran = subprocess.run([TOOLS[tool], *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """Orthanc on free ports of this machine; its port, and the port to which it moves what is asked for."""
    folder = tmp_path_factory.mktemp("orthanc")
    port, receiver = free_port(), free_port()
    settings = {
        "Name": "TEST", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "HttpServerEnabled": False, "DicomServerEnabled": True, "DicomAet": "PACS", "DicomPort": port,
        "DicomCheckCalledAet": False, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowMove": True,
        "DicomAlwaysAllowGet": True,
        "DicomModalities": {"us": ["US", "127.0.0.1", receiver]}, "Plugins": [],
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], **quiet)
    try:
        for _ in range(150):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield port, receiver
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """A series, a segmentation and a report of one study, as they are exported."""
    folder, grid = tmp_path_factory.mktemp("objects"), GRIDS["oblique flipped"]
    scanner_series(folder / "scan", grid, echoes=1)
    uids, chi = uid_maker(), letter(grid)
    study = study_of(read_series(folder / "scan"), grid, uids)
    write_images(folder / "out" / "chi", chi, Planes.cut(grid), encoding_for("chi", chi), study, uids, when=WHEN)
    (series,) = read_series(folder / "out" / "chi")
    labels = Labels((chi > 0.4).astype(np.int32), grid, {1: "R Letter"})
    write_segmentation(folder / "out" / "seg.dcm", labels, series, uids, when=WHEN)
    finding = Finding("R Letter", "chi", Measure(0.5, 0.49, 0.51, "ppm", 99, "mean"))
    write_report(folder / "out" / "sr.dcm", [finding], series, dcmread(folder / "out" / "seg.dcm"), uids, when=WHEN)
    return folder / "out"


@pytest.fixture(scope="module")
def stored(pacs, objects):
    call("storescu", "-R", "+sd", "+r", "-aec", "PACS", "127.0.0.1", pacs[0], objects)
    return {d.SOPInstanceUID: d for d in map(dcmread, objects.rglob("*.dcm"))}


def test_the_archive_finds_three_series_in_the_scan_s_study(pacs, stored, tmp_path):
    study = next(iter(stored.values())).StudyInstanceUID
    call(
        "findscu", "-S", "-X", "-od", tmp_path, "-aec", "PACS", "-k", "QueryRetrieveLevel=SERIES", "-k",
        f"StudyInstanceUID={study}", "-k", "SeriesInstanceUID", "-k", "Modality", "-k", "SeriesDescription",
        "127.0.0.1", pacs[0],
    )  # fmt: skip
    found = [dcmread(p, force=True) for p in tmp_path.iterdir()]
    assert sorted(f.Modality for f in found) == ["MR", "SEG", "SR"]
    assert all("NOT FOR DIAGNOSTIC USE" in f.SeriesDescription for f in found)
    assert {f.SeriesInstanceUID for f in found} == {d.SeriesInstanceUID for d in stored.values()}


@pytest.mark.parametrize("how", ["getscu", "movescu"])
def test_what_comes_back_is_what_was_sent(pacs, stored, objects, tmp_path, how):
    port, receiver = pacs
    study = next(iter(stored.values())).StudyInstanceUID
    query = ("-aec", "PACS", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}", "127.0.0.1", port)
    if how == "getscu":
        call("getscu", "-S", "-od", tmp_path, *query)
    else:
        listening = subprocess.Popen(
            [TOOLS["storescp"], "-aet", "US", "-od", str(tmp_path), str(receiver)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            time.sleep(0.5)
            call("movescu", "-S", "-aet", "ME", "-aem", "US", *query)
        finally:
            listening.terminate()
            listening.wait(30)
    fetched = {d.SOPInstanceUID: d for d in (dcmread(p) for p in tmp_path.iterdir())}
    assert fetched.keys() == stored.keys()
    for uid, sent in stored.items():
        assert fetched[uid] == sent
    chi = [s for s in read_series(tmp_path) if s.headers[0].Modality == "MR"]
    assert Grid.difference(chi[0].grid(), read_series(objects / "chi")[0].grid(), 1e-6) is None
