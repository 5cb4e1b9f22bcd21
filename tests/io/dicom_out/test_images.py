"""Maps as classic MR images: written once, read by three other programs."""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from pydicom import dcmread
from pydicom.uid import generate_uid

from dicom_phantom import GRIDS, LETTER, cell_centre, grid_of, letter, rotation, scanner_series
from qsmkit.errors import DataWarning, GeometryError, InputError, OutputError, ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.io.dicom_out.encoding import encode, encoding_for, quantity_of
from qsmkit.io.dicom_out.images import write_images
from qsmkit.io.dicom_out.planes import LPS, Planes
from qsmkit.io.dicom_out.series import read_series
from qsmkit.io.dicom_out.study import study_of, study_without_source
from qsmkit.io.dicom_out.uid import uid_maker

WHEN = datetime(2026, 1, 2, 3, 4, 5)


def export(out, chi, grid, *, quantity="chi", study=None, uids=None, cut=None, encoding=None, **how):
    uids = uids or uid_maker("test")
    return write_images(
        out, chi, Planes.cut(grid, **(cut or {})), encode_as(quantity, chi, encoding),
        study or study_without_source("01", uids), uids, when=WHEN, **how,
    )  # fmt: skip


def encode_as(quantity, chi, options):
    return encoding_for(quantity, chi, **(options or {}))


def by_dcm2niix(folder, tmp_path):
    import dcm2niix

    tmp_path.mkdir()
    ran = subprocess.run(
        [dcm2niix.bin, "-f", "x", "-z", "n", "-b", "n", "-o", tmp_path, folder], capture_output=True, text=True
    )
    (made,) = tmp_path.glob("*.nii")
    image = nib.load(made)
    assert ran.returncode == 0, ran.stdout
    return np.asarray(image.dataobj, float), image.affine


def by_simpleitk(folder, _):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    affine = np.eye(4)
    affine[:3, :3] = LPS[:, None] * np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = LPS * image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).T.astype(float), affine


def by_highdicom(folder, _):
    files = [dcmread(p) for p in sorted(folder.iterdir())]
    volume = highdicom.image.get_volume_from_series(files, apply_modality_transform=True)
    return volume.array.astype(float), np.diag((*LPS, 1)) @ volume.affine


READERS = {"dcm2niix": by_dcm2niix, "SimpleITK": by_simpleitk, "highdicom": by_highdicom}


@pytest.fixture(params=GRIDS, scope="session")
def grid(request):
    return GRIDS[request.param]


@pytest.fixture(scope="session")
def exported(grid, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "series"
    chi = letter(grid)
    return folder, chi, export(folder, chi, grid)


@pytest.mark.parametrize("reader", READERS)
def test_other_programs_find_every_value_at_its_place(grid, exported, reader, tmp_path):
    folder, chi, report = exported
    values, affine = READERS[reader](folder, tmp_path / "read")
    read = Grid(values.shape, affine)
    assert sorted(read.shape) == sorted(grid.shape)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T
    found = read.voxel(grid.world(corners))
    assert np.linalg.norm(read.world(np.rint(found)) - grid.world(corners), axis=1).max() < 0.01
    assert report.corner_error < 1e-5
    voxels = np.stack(np.indices(grid.shape), -1)
    i, j, k = np.moveaxis(np.rint(read.voxel(grid.world(voxels))).astype(int), -1, 0)
    assert np.abs(values[i, j, k] - 1000 * chi).max() <= 0.5 + 1e-3


def test_the_letter_at_the_right_ear_is_an_r_there(grid, exported):
    """Looked up with nothing but the header's own vectors: on the patient's right, and no mirror image."""
    folder, _, _ = exported
    slices = sorted((dcmread(p) for p in folder.iterdir()), key=lambda s: s.InstanceNumber)
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    positions = np.array([s.ImagePositionPatient for s in slices], float)
    normal = np.cross(row, column)
    spacing = np.array(slices[0].PixelSpacing, float)
    middle = LPS * grid.world((np.array(grid.shape) - 1) / 2)

    def ink(r, c):
        place = middle + LPS * cell_centre(grid, r, c)
        assert place[0] < middle[0]  # LPS: the patient's right
        image = slices[np.argmin(np.abs((positions - place) @ normal))]
        offset = place - np.array(image.ImagePositionPatient, float)
        stored = image.pixel_array[round(offset @ column / spacing[0]), round(offset @ row / spacing[1])]
        return "1" if stored > 2048 + 400 else "0"

    assert tuple("".join(ink(r, c) for c in range(4)) for r in range(5)) == LETTER


def test_headers_obey_the_rules_for_planning_stations(exported, grid):
    folder, _, report = exported
    slices = sorted((dcmread(p) for p in folder.iterdir()), key=lambda s: s.InstanceNumber)
    assert len(slices) == report.shape[0]
    for key in (
        "ImageOrientationPatient", "PixelSpacing", "WindowCenter", "WindowWidth", "SmallestImagePixelValue",
        "LargestImagePixelValue", "RescaleSlope", "RescaleIntercept", "SeriesInstanceUID", "FrameOfReferenceUID",
        "StudyInstanceUID", "SliceThickness", "SpacingBetweenSlices", "SeriesDescription", "SeriesNumber",
    ):  # fmt: skip
        assert len({str(s[key].value) for s in slices}) == 1, key
    first = slices[0]
    assert first.SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
    assert first.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert first.PixelSpacing[0] == first.PixelSpacing[1]
    assert first.SliceThickness == first.SpacingBetweenSlices
    assert (first.BitsStored, first.PixelRepresentation) == (12, 0)
    assert first.WindowCenter == [0, 2048]
    assert first.WindowWidth == [300, 300]
    assert list(first.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert first.BurnedInAnnotation == "NO"
    assert "NOT FOR DIAGNOSTIC USE" in first.SeriesDescription
    assert "RESEARCH" in first.SeriesDescription
    stored = np.stack([s.pixel_array for s in slices])
    assert first.SmallestImagePixelValue == stored.min()
    assert first.LargestImagePixelValue == stored.max()
    assert len({s.SOPInstanceUID for s in slices}) == len(slices)
    for element in (first["ImagePositionPatient"], first["ImageOrientationPatient"], first["PixelSpacing"]):
        assert all(len(str(v)) <= 16 for v in element.value)
    positions = np.array([s.ImagePositionPatient for s in slices], float)
    steps = np.diff(positions, axis=0)
    row, column = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    assert np.abs(steps - float(first.SpacingBetweenSlices) * np.cross(row, column)).max() < 1e-8
    assert abs(row @ column) < 1e-10


@pytest.mark.parametrize("name", ["axial", "oblique flipped", "sagittal"])
def test_dciodvfy_finds_no_error(name, tmp_path):
    program = Path(sys.executable).with_name("dciodvfy")
    if not program.exists():
        pytest.skip("dciodvfy (dicom3tools) is not installed")
    grid = GRIDS[name]
    scanner_series(tmp_path / "scan", grid)
    study = study_of(read_series(tmp_path / "scan"), grid, uid_maker())
    for quantity in ("chi", "r2star", "swi") if name == "axial" else ("chi",):
        for source in (study, None):
            out, values = tmp_path / f"{quantity}{source is None}", np.abs(letter(grid))
            made = export(out, values, grid, quantity=quantity, study=source)
            said = subprocess.run([program, made.files[1]], capture_output=True, text=True)
            assert "Error" not in said.stdout + said.stderr, said.stderr


# --- whose study, and which space


def test_the_frame_of_reference_is_kept_only_for_the_same_voxels(tmp_path):
    grid = GRIDS["oblique"]
    scanner_series(tmp_path / "scan", grid)
    series = read_series(tmp_path / "scan")
    frame = series[0].headers[0].FrameOfReferenceUID
    turned = Grid(grid.shape[::-1], grid.affine[:, [2, 1, 0, 3]])
    for same in (grid, turned, grid.cropped((3, 4, 5), (9, 8, 7)), grid.cropped((-2, 0, 0), (40, 40, 30))):
        assert study_of(series, same, uid_maker()).frame_uid == frame
    shifted = grid.affine.copy()
    shifted[0, 3] += 0.05
    finer = grid.affine @ np.diag((0.5, 0.5, 0.5, 1))
    for other, why in (
        (Grid(grid.shape, shifted), "0.05 mm beside"),
        (Grid(grid.shape, finer), "of another size"),
        (grid.cropped((100, 0, 0), (9, 8, 7)), "no voxel in common"),
    ):
        study = study_of(series, other, uid_maker())
        assert study.frame_uid != frame
        assert not study.shares_space
        assert why in study.space
        assert study.attributes.StudyInstanceUID == series[0].headers[0].StudyInstanceUID
        assert "PatientPosition" not in study.attributes


def test_patient_and_study_are_the_source_s_and_objects_are_new(tmp_path):
    grid = GRIDS["axial thick"]
    scanner_series(tmp_path / "scan", grid, name="Muñoz^Zoë", spoil=latin)
    series = read_series(tmp_path / "scan")
    source = series[0].headers[0]
    study = study_of(series, grid, uid_maker())
    made = export(tmp_path / "out", letter(grid), grid, study=study, uids=uid_maker())
    image = dcmread(made.files[4])
    for key in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
                "AccessionNumber", "FrameOfReferenceUID", "AcquisitionTime", "PatientPosition"):  # fmt: skip
        assert image[key].value == source[key].value, key
    assert image.SeriesInstanceUID != source.SeriesInstanceUID
    # The two echoes of this very slice, and no other, are what it was made from.
    sources = {r.ReferencedSOPInstanceUID for r in image.SourceImageSequence}
    z = image.ImagePositionPatient[2]
    here = {f.header.SOPInstanceUID for f in series[0].frames if np.isclose(f.position[2], z)}
    assert sources == here
    assert len(here) == 2


def test_every_series_on_these_voxels_is_a_source_and_no_other(tmp_path):
    grid, study = GRIDS["oblique"], generate_uid()
    frame = generate_uid()
    for name, lying in (("magnitude", grid), ("phase", grid), ("survey", GRIDS["axial thick"])):
        scanner_series(tmp_path / name, lying, echoes=1, frame=frame, study=study)
    series = read_series(tmp_path)
    made = export(tmp_path / "out", letter(grid), grid, study=study_of(series, grid, uid_maker()))
    image = dcmread(made.files[0])
    sources = {r.ReferencedSOPInstanceUID for r in image.SourceImageSequence}
    assert len(sources) == 2
    survey = {h.SOPInstanceUID for h in read_series(tmp_path / "survey")[0].headers}
    assert not sources & survey
    elsewhere = study_of(series, GRIDS["diagonal"], uid_maker())
    assert elsewhere.sources == ()


def latin(header):
    header.SpecificCharacterSet = "ISO_IR 100"


def test_a_seed_makes_the_same_objects(tmp_path):
    chi = letter(GRIDS["axial"])
    one, two = (export(tmp_path / n, chi, GRIDS["axial"], uids=uid_maker("seed")) for n in "ab")
    assert [p.read_bytes() for p in one.files] == [p.read_bytes() for p in two.files]
    other = export(tmp_path / "c", chi, GRIDS["axial"], uids=uid_maker())
    assert other.series_uid != one.series_uid


@pytest.mark.parametrize("broken", ["gap", "tilt", "mixed"])
def test_a_source_that_is_no_stack_gives_no_frame(tmp_path, broken):
    grid = GRIDS["axial thick"]

    def spoil(header):
        place = [float(v) for v in header.ImagePositionPatient]
        number = (int(header.InstanceNumber) - 1) % grid.shape[2]
        if broken == "gap" and number > 10:
            place[2] += grid.voxel_size[2]
        if broken == "tilt":
            place[1] += 0.2 * number
        if broken == "mixed" and number > 10:
            header.PixelSpacing = ["1", "1"]
        header.ImagePositionPatient = [f"{v:.6f}" for v in place]

    scanner_series(tmp_path / "scan", grid, spoil=spoil)
    study = study_of(read_series(tmp_path / "scan"), grid, uid_maker())
    assert not study.shares_space
    assert "planes" in study.space


def test_two_patients_are_refused(tmp_path):
    scanner_series(tmp_path / "scan" / "a", GRIDS["axial"], echoes=1)
    scanner_series(tmp_path / "scan" / "b", GRIDS["axial"], echoes=1)
    with pytest.raises(InputError, match="2 different patients or studies"):
        read_series(tmp_path / "scan")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no DICOM image"):
        read_series(tmp_path / "empty")


# --- geometry that cannot be written


def test_pixels_are_square_whatever_the_order_of_the_axes():
    thick = grid_of(rotation(3, 4, 5), (2.0, 0.7, 0.7), (11, 12, 13))
    assert Planes.cut(thick).shape[0] == 11
    isotropic = grid_of(np.eye(3)[:, [1, 2, 0]], (1, 1, 1), (11, 12, 13))
    assert Planes.cut(isotropic).shape[0] == 12
    assert Planes.cut(isotropic, "coronal").shape[0] == 11
    odd = grid_of(np.eye(3), (0.7, 0.8, 2), (11, 12, 13))
    with pytest.raises(GeometryError, match=r"0.7 × 0.8 × 2 mm have no square pixels"):
        Planes.cut(odd)
    assert Planes.cut(odd, anisotropic=True).spacing_text() == ("2.0", ["0.8000000119", "0.6999999881"])


def test_anisotropic_pixels_are_written_where_they_are(tmp_path):
    grid = grid_of(rotation(10, 20, 30), (0.7, 0.8, 2), (11, 12, 13))
    made = export(tmp_path / "x", letter(grid), grid, cut={"anisotropic": True})
    values, affine = by_highdicom(tmp_path / "x", None)
    assert Grid(values.shape, affine).voxel_size == pytest.approx((2, 0.8, 0.7), abs=1e-5)
    assert made.corner_error < 1e-5


def test_shear_is_refused():
    affine = np.diag((1.0, 1, 1, 1))
    affine[0, 1] = 9e-4  # below what a grid takes for shear, but 0.09 mm over 200 voxels
    with pytest.raises(GeometryError, match=r"would misplace a corner by 0.0\d+ mm"):
        Planes.cut(Grid((200, 200, 20), affine))


# --- values


def test_clipping_is_counted(tmp_path):
    grid = GRIDS["axial"]
    chi = np.zeros(grid.shape, np.float32)
    chi[:3], chi[3, 0, 0] = 3.0, np.nan
    with pytest.warns(DataWarning) as warned:
        made = export(tmp_path / "x", chi, grid)
    assert {str(w.message).split(": ")[1].split(" %")[0] for w in warned} == {"10", "0.00377"}
    assert made.clipped == pytest.approx(10)
    assert made.not_finite == pytest.approx(100 / chi.size)
    values, _ = by_highdicom(tmp_path / "x", None)
    assert values.max() == 2047
    assert (values == 0).sum() == chi.size - (chi == 3).sum()


@pytest.mark.parametrize(
    ("quantity", "unit", "step"), [("r2star", "1/s", 0.1), ("t2star", "ms", 0.1), ("chi", "ppb", 1.0)]
)
def test_units_of_the_table(quantity, unit, step):
    values = np.array([0.0, 0.0123, 0.04], np.float64) * (1000 if quantity == "r2star" else 1)
    encoding = encoding_for(quantity, values)
    read = encode(values, encoding).pixels * encoding.slope + encoding.intercept
    assert encoding.unit == unit
    assert encoding.slope == pytest.approx(step)
    assert np.abs(read - values * encoding.per_unit).max() <= step / 2 + 1e-9


@pytest.mark.parametrize(("size", "unit"), [(1.0, "a.u."), (1e-4, "1e-4 a.u."), (1e6, "a.u.")])
def test_arbitrary_units_fill_the_range_and_come_back(rng, size, unit):
    values = (rng.normal(3, 40, 5000) * size).astype(np.float32)
    encoding = encoding_for("hybrid", values)
    stored = encode(values, encoding)
    assert (stored.pixels.min(), stored.pixels.max(), stored.clipped) == (0, 4095, 0)
    read = stored.pixels * encoding.slope + encoding.intercept
    assert np.abs(read - values * encoding.per_unit).max() <= encoding.slope * 0.501
    assert encoding.unit == unit
    assert encoding.shown_window[1] >= 1
    flat = encoding_for("swi", np.zeros(5))
    assert (encode(np.zeros(5), flat).pixels == 0).all()


def test_a_scale_of_one_s_own(tmp_path):
    grid = GRIDS["axial"]
    chi = letter(grid) / 10
    made = export(tmp_path / "x", chi, grid, encoding={"scale": 4000.0, "offset": 400.0, "window": (-50, 100)})
    assert (made.slope, made.intercept, made.window) == (0.25, -100.0, (25, 150))
    raw = export(tmp_path / "y", chi, grid, rescale=False)
    assert "RescaleSlope" not in dcmread(raw.files[0])
    assert dcmread(raw.files[0]).WindowCenter == 2048
    for bad, word in (({"scale": 0.0}, "scale"), ({"offset": -1.0}, "offset"), ({"window": (2.0, 1.0)}, "window")):
        with pytest.raises(ParameterError, match=word):
            encoding_for("chi", letter(grid), **bad)
    with pytest.raises(InputError, match="none of the 4 values is finite"):
        encoding_for("chi", np.full(4, np.nan))


def test_names_say_what_maps_hold():
    assert quantity_of("sub-01_Chimap.nii.gz") == "chi"
    assert quantity_of("sub-01_ses-2_desc-sd_Chimap.nii.gz") == "sigma_chi"
    assert quantity_of("sub-01_R2starmap.nii.gz") == "r2star"
    assert quantity_of("sub-01_swi.nii.gz") == "swi"
    assert quantity_of("sub-01_desc-mine_Chimap.nii.gz") is None
    assert quantity_of("map.nii.gz") is None


# --- folders


def test_nothing_of_the_user_s_is_replaced(tmp_path):
    grid, out = GRIDS["axial"], tmp_path / "x"
    export(out, letter(grid), grid)
    with pytest.raises(OutputError, match="not empty"):
        export(out, letter(grid), grid)
    half = Grid((30, 34, 10), grid.affine)
    export(out, letter(half), half, overwrite=True)
    assert len(list(out.iterdir())) == 10
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"notes.txt, which is not ours"):
        export(out, letter(grid), grid, overwrite=True)
    with pytest.raises(ShapeError, match="do not lie"):
        export(tmp_path / "y", letter(grid)[1:], grid)
    scan = scanner_series(tmp_path / "scan", grid, echoes=1)
    with pytest.raises(OutputError, match=r"dcm, which is not ours"):
        export(scan, letter(grid), grid, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scan", "x"]


def test_sizes_beyond_importers_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("qsmkit.io.dicom_out.images.MOST_SLICES", 20)
    grid = grid_of(np.eye(3), (1, 1, 50), (4, 4, 21))
    with pytest.warns(DataWarning) as warned:
        export(tmp_path / "x", np.zeros(grid.shape), grid)
    assert len(warned) == 2
