"""Parametric maps, segmentations and reports: read again by their library, judged by dciodvfy."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import dcmread

from dicom_phantom import GRIDS, letter, scanner_series
from qsmkit.errors import DataWarning, GeometryError, InputError, OutputError
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.encoding import encoding_for
from qsmkit.io.dicom_out.images import write_images
from qsmkit.io.dicom_out.labels import Labels, load_labels
from qsmkit.io.dicom_out.measurements import Finding, read_findings, write_report
from qsmkit.io.dicom_out.parametric_map import write_parametric_map
from qsmkit.io.dicom_out.planes import LPS, Planes
from qsmkit.io.dicom_out.segmentation import write_segmentation
from qsmkit.io.dicom_out.series import read_series
from qsmkit.io.dicom_out.structures import side_code, structure_code
from qsmkit.io.dicom_out.study import study_of, study_without_source
from qsmkit.io.dicom_out.uid import uid_maker
from qsmkit.io.nifti import save_volume
from qsmkit.measure import Measure

WHEN = datetime(2026, 1, 2, 3, 4, 5)
NAMES = {3: "L Substantia nigra", 7: "R Substantia nigra", 40: "L STN"}


def labelled(grid):
    """Three structures, none of them symmetric."""
    data = np.zeros(grid.shape, np.int32)
    data[4:9, 6:14, 3:7] = 3
    data[18:25, 20:23, 10:20] = 7
    data[11:13, 3:5, 21] = 40
    return Labels(data, grid, NAMES)


def approved(path):
    program = Path(sys.executable).with_name("dciodvfy")
    if program.exists():
        said = subprocess.run([program, path], capture_output=True, text=True)
        assert "Error" not in said.stdout + said.stderr, said.stderr
    return path


@pytest.fixture(scope="module", params=["axial", "oblique flipped", "permuted oblique flipped"])
def exported(request, tmp_path_factory):
    """A grid and its map as a series, in the study of a scan."""
    folder, grid = tmp_path_factory.mktemp("objects"), GRIDS[request.param]
    scanner_series(folder / "scan", grid)
    study = study_of(read_series(folder / "scan"), grid, uid_maker())
    chi = letter(grid)
    write_images(folder / "chi", chi, Planes.cut(grid), encoding_for("chi", chi), study, uid_maker(), when=WHEN)
    return grid, read_series(folder / "chi")[0], study


# --- Parametric Map


def test_a_parametric_map_keeps_floats_and_places(exported, tmp_path):
    grid, _, study = exported
    chi = letter(grid) * 10  # nothing is clipped
    encoding = encoding_for("chi", chi)
    made = write_parametric_map(tmp_path / "pm", chi, Planes.cut(grid), encoding, study, uid_maker(), when=WHEN)
    image = highdicom.imread(approved(made.files[0]))
    volume = image.get_volume(apply_real_world_transform=False)
    read = Grid(volume.array.shape, np.diag((*LPS, 1)) @ volume.affine)
    voxels = np.rint(read.voxel(grid.world(np.stack(np.indices(grid.shape), -1)))).astype(int)
    assert np.abs(volume.array[tuple(np.moveaxis(voxels, -1, 0))] - 1000 * chi).max() < 1e-3
    assert made.corner_error < 1e-5
    assert image.FrameOfReferenceUID == study.frame_uid
    assert image.ContentQualification == "RESEARCH"
    assert "NOT FOR DIAGNOSTIC USE" in image.SeriesDescription
    (mapping,) = image.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[ppb]"
    (referred,) = image.ReferencedSeriesSequence
    referred = {i.ReferencedSOPInstanceUID for i in referred.ReferencedInstanceSequence}
    assert referred == {h.SOPInstanceUID for h in study.sources[0].headers}


def test_a_parametric_map_without_source_refers_to_nothing(tmp_path):
    grid = GRIDS["axial"]
    chi = letter(grid)
    chi[0, 0, 0] = np.nan
    study = study_without_source("01", uid_maker())
    with pytest.warns(DataWarning, match="no finite value"):
        made = write_parametric_map(
            tmp_path / "pm", chi, Planes.cut(grid), encoding_for("r2star", chi), study, uid_maker("x"), when=WHEN
        )
    image = dcmread(approved(made.files[0]))
    assert "ReferencedSeriesSequence" not in image
    assert str(uid_maker("x")("stand-in")) not in made.files[0].read_bytes().decode("latin-1")


# --- SEG


def test_segments_lie_on_their_voxels(exported, tmp_path):
    grid, series, study = exported
    labels = labelled(grid)
    made = write_segmentation(tmp_path / "seg.dcm", labels, series, uid_maker(), when=WHEN)
    image = highdicom.seg.segread(approved(tmp_path / "seg.dcm"))
    volume = image.get_volume(combine_segments=True)
    read = Grid(volume.array.shape, np.diag((*LPS, 1)) @ volume.affine)
    for segment, value in zip(made.segments, NAMES, strict=True):
        found = read.world(np.argwhere(volume.array == segment["number"]))
        expected = grid.world(np.argwhere(labels.data == value))
        assert len(found) == len(expected) == segment["voxels"]
        assert np.abs(found[np.lexsort(found.round(3).T)] - expected[np.lexsort(expected.round(3).T)]).max() < 0.01
    assert [s.SegmentLabel for s in image.SegmentSequence] == list(NAMES.values())
    nigra = image.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0]
    assert nigra.CodeMeaning == "Substantia nigra"
    assert nigra.SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning == "Left"
    assert image.FrameOfReferenceUID == study.frame_uid
    assert image.PatientName == "Doe^Jane"
    (referred,) = image.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == series.headers[0].SeriesInstanceUID
    with pytest.raises(OutputError, match="is there already"):
        write_segmentation(tmp_path / "seg.dcm", labels, series, uid_maker(), when=WHEN)


def test_labels_elsewhere_are_refused(exported, tmp_path):
    grid, series, _ = exported
    labels = labelled(grid)
    shifted = grid.affine.copy()
    shifted[:3, 3] += 0.4
    moved = replace(labels, grid=Grid(grid.shape, shifted))
    with pytest.raises(GeometryError, match=r"beside those of the source; resample them"):
        write_segmentation(tmp_path / "s.dcm", moved, series, uid_maker(), when=WHEN)
    beyond = Labels(np.ones((40, 34, 26), np.int32), Grid((40, 34, 26), grid.affine), {1: "all"})
    with pytest.raises(GeometryError, match=f"{10 * 34 * 26} labelled voxels lie outside"):
        write_segmentation(tmp_path / "s.dcm", beyond, series, uid_maker(), when=WHEN)
    part = grid.cropped((4, 6, 3), (5, 8, 4))
    small = Labels(labels.data[4:9, 6:14, 3:7], part, {3: NAMES[3]})
    assert np.array_equal(small.on(grid), np.where(labels.data == 3, 3, 0))


def test_a_scanner_s_many_echoes_are_no_reference(tmp_path):
    grid = GRIDS["axial"]
    scanner_series(tmp_path / "scan", grid)
    (series,) = read_series(tmp_path / "scan")
    with pytest.raises(InputError, match="52 images at 26 places"):
        write_segmentation(tmp_path / "s.dcm", labelled(grid), series, uid_maker(), when=WHEN)


def test_label_images_and_their_names(tmp_path):
    grid = GRIDS["axial"]
    image, names = tmp_path / "sub-01_dseg.nii.gz", tmp_path / "sub-01_dseg.tsv"
    save_volume(image, labelled(grid).data, grid)
    assert load_labels(image).names == {3: "label 3", 7: "label 7", 40: "label 40"}
    names.write_text("index\tname\n" + "".join(f"{k}\t{v}\n" for k, v in NAMES.items()))
    assert load_labels(image).names == NAMES
    names.write_text("index\tname\n3\tL STN\n")
    with pytest.raises(InputError, match="does not name label 7"):
        load_labels(image)
    names.write_text("index\tname\n3\tL STN\n7\tL STN\n40\tx\n")
    with pytest.raises(InputError, match="'L STN' to two labels"):
        load_labels(image)
    save_volume(tmp_path / "x.nii.gz", labelled(grid).data + np.float32(0.5), grid)
    with pytest.raises(InputError, match="whole numbers"):
        load_labels(tmp_path / "x.nii.gz")


@pytest.mark.parametrize(
    ("name", "meaning", "side"),
    [
        ("L Caudate", "Caudate Nucleus", "Left"),
        ("right_putamen", "Putamen", "Right"),
        ("Globus Pallidus externa", "Globus Pallidus", None),
        ("GPi-R", "Globus Pallidus", "Right"),
        ("L Subthalamic Nucleus", "subthalamic nucleus", "Left"),
        ("thalamus", "Thalamus", None),
        ("hypothalamus", "hypothalamus", None),
        ("SNr left", "Substantia nigra", "Left"),
        ("Lesion 3", "lesion 3", None),
    ],
)
def test_codes_of_names(name, meaning, side):
    code = structure_code(name)
    assert code.meaning == meaning
    assert (code.scheme_designator == "SCT") == meaning[0].isupper()
    assert (side_code(name).meaning if side else side_code(name)) == side


# --- SR


def findings():
    return [
        Finding("L Substantia nigra", "chi", Measure(0.123456, 0.11, 0.14, "ppm", 160, "mean ± 1.96 SE")),
        Finding("L Substantia nigra", "volume", Measure(160.0, np.nan, np.nan, "mm3", 160, "")),
        Finding("Dentate", "r2star", Measure(31.5, 30.0, np.nan, "1/s", 9, "mean")),
    ]


def test_a_report_says_what_was_measured_where(exported, tmp_path):
    grid, series, _ = exported
    write_segmentation(tmp_path / "seg.dcm", labelled(grid), series, uid_maker(), when=WHEN)
    segmentation = dcmread(tmp_path / "seg.dcm")
    path = write_report(tmp_path / "sr.dcm", findings(), series, segmentation, uid_maker(), when=WHEN)
    report = highdicom.sr.srread(approved(path))
    assert report.PatientName == "Doe^Jane"
    assert report.StudyInstanceUID == series.headers[0].StudyInstanceUID
    (nigra,) = report.content.get_volumetric_roi_measurement_groups()
    assert nigra.tracking_identifier == "L Substantia nigra"
    assert nigra.tracking_uid == segmentation.SegmentSequence[0].TrackingUID
    chi, volume = nigra.get_measurements()
    assert chi.name.meaning == "Magnetic Susceptibility"
    assert (chi.value, chi.unit.value) == (0.123456, "[ppm]")
    said = {c.ConceptNameCodeSequence[0].CodeMeaning: c for c in chi[0].ContentSequence}
    for name, distance in (("+, range of upper", 0.14 - 0.123456), ("-, range of lower", 0.123456 - 0.11)):
        (end,) = said[f"{name} measurement uncertainty"].MeasuredValueSequence
        assert float(end.NumericValue) == pytest.approx(distance)
        assert end.MeasurementUnitsCodeSequence[0].CodeValue == "[ppm]"
    assert (volume.value, volume.unit.value) == (160.0, "mm3")
    (dentate,) = report.content.get_image_measurement_groups()
    assert dentate.tracking_identifier == "Dentate"
    assert [m.value for m in dentate.get_measurements()] == [31.5]


def test_a_structure_is_tracked_by_the_same_uid_at_every_visit(exported, tmp_path):
    _, series, _ = exported
    made = [write_report(tmp_path / f"{k}.dcm", findings(), series, None, uid_maker(), when=WHEN) for k in range(2)]
    groups = [highdicom.sr.srread(p).content.get_image_measurement_groups() for p in made]
    assert [g.tracking_uid for g in groups[0]] == [g.tracking_uid for g in groups[1]]
    assert len({g.tracking_uid for g in groups[0]}) == 2
    assert dcmread(made[0]).SOPInstanceUID != dcmread(made[1]).SOPInstanceUID


def test_a_segmentation_of_another_series_is_refused(exported, tmp_path):
    grid, series, study = exported
    chi = letter(grid)
    write_images(tmp_path / "other", chi, Planes.cut(grid), encoding_for("chi", chi), study, uid_maker(), when=WHEN)
    (other,) = read_series(tmp_path / "other")
    write_segmentation(tmp_path / "seg.dcm", labelled(grid), other, uid_maker(), when=WHEN)
    with pytest.raises(InputError, match="lies on another series"):
        write_report(tmp_path / "sr.dcm", findings(), series, dcmread(tmp_path / "seg.dcm"), uid_maker(), when=WHEN)


def test_measurements_are_read_from_json_and_tables(tmp_path):
    measure = Measure(0.031, 0.028, 0.034, "ppm", 120, "mean").as_dict()
    (tmp_path / "m.json").write_text(json.dumps([{"label": 3, **measure}]))
    assert read_findings(tmp_path / "m.json", NAMES) == [
        Finding("L Substantia nigra", "chi", Measure(0.031, 0.028, 0.034, "ppm", 120, "mean"))
    ]
    (tmp_path / "m.tsv").write_text("name\tvalue\tunit\tlow\thigh\nSTN\t31\t1/s\tn/a\tn/a\n")
    (found,) = read_findings(tmp_path / "m.tsv")
    assert (found.region, found.quantity, found.measure.value) == ("STN", "r2star", 31)
    for text, word in (
        ("name\tvalue\tunit\nSTN\t31\tfurlong\n", "unit 'furlong' is not known"),
        ("name\tvalue\tunit\nSTN\tmany\tppm\n", "value is 'many', not a number"),
        ("name\tvalue\tunit\nSTN\tn/a\tppm\n", "has no value"),
        ("value\tunit\n31\tppm\n", "neither name nor label"),
        ("name\tunit\nSTN\tppm\n", "no column 'value'"),
    ):
        (tmp_path / "m.tsv").write_text(text)
        with pytest.raises(InputError, match=word):
            read_findings(tmp_path / "m.tsv")
