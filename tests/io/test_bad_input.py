"""Every way in which a scan on disk may be unusable: one clear line each."""

import gzip
import json

import numpy as np
import pytest

from qsmkit.errors import GeometryError, InputError, MetadataError, QsmkitError, ScaleError, ShapeError
from qsmkit.io.bids import find_scans, load_scan
from qsmkit.io.loose import load_scan as load_loose

CASES = {}


def case(error, match):
    """Register a function that spoils a data set."""

    def register(spoil):
        CASES[spoil.__name__] = (spoil, error, match)
        return spoil

    return register


def stored(dataset, echo):
    return np.rint(dataset.radians[..., echo - 1] * (4096 / np.pi)).astype(np.int16)


@case(ScaleError, "no known encoding")
def phase_on_unknown_scale(d, write):
    for e in (1, 2, 3):
        write(d.image(e, "phase"), (d.radians[..., e - 1] * 57).astype(np.float32), d.grid.affine)


@case(ScaleError, "echo 2 spans only")
def one_echo_on_another_scale(d, write):
    write(d.image(2, "phase"), d.radians[..., 1].astype(np.float32), d.grid.affine)


@case(InputError, "echo 2 is constant")
def constant_phase(d, write):
    write(d.image(2, "phase"), np.full(d.grid.shape, 7, np.int16), d.grid.affine)


@case(InputError, "echo 3 has no finite value")
def echo_of_nan(d, write):
    write(d.image(3, "phase"), np.full(d.grid.shape, np.nan, np.float32), d.grid.affine)


@case(InputError, "echo 1 is constant")
def empty_magnitude(d, write):
    write(d.image(1, "mag"), np.zeros(d.grid.shape, np.int16), d.grid.affine)


@case(InputError, "swapped")
def phase_in_place_of_magnitude(d, write):
    for e in (1, 2, 3):
        write(d.image(e, "mag"), stored(d, e), d.grid.affine)


@case(ShapeError, r"shape \(11, 12, 6\)")
def shapes_differ(d, write):
    write(d.image(2, "phase"), stored(d, 2)[..., :6], d.grid.affine)


@case(ShapeError, r"mag.*shape \(11, 11, 7\)")
def magnitude_of_another_shape(d, write):
    for e in (1, 2, 3):
        write(d.image(e, "mag"), d.magnitude[:, :11, :, e - 1], d.grid.affine)


@case(GeometryError, "mm apart")
def affines_differ(d, write):
    moved = d.grid.affine.copy()
    moved[2, 3] += 2
    write(d.image(3, "mag"), d.magnitude[..., 2], moved)


@case(ShapeError, "4-D with 3 volumes, yet one of 3")
def one_of_several_files_is_4d(d, write):
    write(d.image(2, "phase"), np.stack([stored(d, e) for e in (1, 2, 3)], 3), d.grid.affine)


@case(ShapeError, "single slice")
def single_slice(d, write):
    for e in (1, 2, 3):
        write(d.image(e, "phase"), stored(d, e)[..., :1], d.grid.affine)
        write(d.image(e, "mag"), d.magnitude[..., :1, e - 1], d.grid.affine)


@case(GeometryError, "voxel size")
def zero_affine(d, write):
    content = bytearray(gzip.decompress(d.image(1, "phase").read_bytes()))
    content[280:328] = bytes(48)
    d.image(1, "phase").write_bytes(gzip.compress(content))


@case(InputError, "damaged or cut short")
def truncated_file(d, write):
    content = d.image(2, "phase").read_bytes()
    d.image(2, "phase").write_bytes(content[: len(content) // 2])


@case(InputError, "damaged or cut short")
def file_that_is_not_compressed(d, write):
    d.image(2, "phase").write_bytes(b"not an image at all" * 40)


@case(InputError, "no usable NIfTI")
def file_that_is_not_nifti(d, write):
    d.image(2, "phase").write_bytes(gzip.compress(b"not an image at all" * 40))


@case(InputError, "no usable NIfTI")
def empty_file(d, write):
    d.image(2, "phase").write_bytes(gzip.compress(b""))


@case(InputError, "is a folder")
def folder_instead_of_file(d, write):
    d.image(2, "phase").unlink()
    d.image(2, "phase").mkdir()


@case(InputError, "does not exist")
def dangling_link(d, write):
    d.image(2, "phase").unlink()
    d.image(2, "phase").symlink_to(d.root / "nowhere.nii.gz")


@case(InputError, "phase has echoes 1, 3, but magnitude has 1, 2, 3")
def echo_missing(d, write):
    d.image(2, "phase").unlink()


@case(InputError, "an echo twice")
def echo_twice(d, write):
    path = d.image(2, "phase")
    path.with_name(path.name.removesuffix(".gz")).write_bytes(gzip.decompress(path.read_bytes()))


@case(MetadataError, r"has no EchoTime; write it, in s, into sub-01_echo-1_part-phase_MEGRE\.json")
def sidecars_missing(d, write):
    for path in d.anat.glob("*.json"):
        path.unlink()


@case(MetadataError, r"echo-2_part-phase_MEGRE\.nii\.gz has no EchoTime")
def one_echo_time_missing(d, write):
    d.edit(d.sidecar(2, "phase"), EchoTime=...)
    d.edit(d.sidecar(2, "mag"), EchoTime=...)


@case(MetadataError, "not valid JSON")
def broken_sidecar(d, write):
    d.sidecar(2, "phase").write_text('{"EchoTime": 0.009,}')


@case(MetadataError, "not a number")
def echo_time_as_text(d, write):
    d.edit(d.sidecar(2, "phase"), EchoTime="9 ms")


@case(MetadataError, "not all positive")
def negative_echo_time(d, write):
    d.edit(d.sidecar(2, "phase"), EchoTime=-0.009)
    d.edit(d.sidecar(2, "mag"), EchoTime=-0.009)


@case(MetadataError, "not all different")
def equal_echo_times(d, write):
    for part in ("phase", "mag"):
        d.edit(d.sidecar(2, part), EchoTime=0.004)


@case(MetadataError, "plausible neither")
def echo_times_in_microseconds(d, write):
    d.edit_all(EchoTime=...)
    for e, time in ((1, 4000), (2, 9000), (3, 14000)):
        d.edit(d.sidecar(e, "phase"), EchoTime=time)


@case(MetadataError, "for the phase, but .* for the magnitude")
def echo_times_of_phase_and_magnitude_differ(d, write):
    d.edit(d.sidecar(2, "mag"), EchoTime=0.010)


@case(MetadataError, "no field strength")
def no_field_strength(d, write):
    d.edit_all(ImagingFrequency=..., MagneticFieldStrength=...)


@case(MetadataError, "BIDS wants MHz")
def frequency_in_hz(d, write):
    d.edit_all(ImagingFrequency=123_260_000)


@case(MetadataError, "MagneticFieldStrength is 7 T")
def frequency_of_another_field(d, write):
    d.edit_all(MagneticFieldStrength=7)


@case(InputError, "field map in Hz")
def field_map_by_unit(d, write):
    d.edit(d.sidecar(1, "phase"), Units="Hz")


@case(InputError, "field map in Hz")
def field_map_by_image_type(d, write):
    d.edit(d.sidecar(1, "phase"), ImageType=["ORIGINAL", "PRIMARY", "B0 MAP", "B0", "UNSPECIFIED"])


@case(InputError, "phase difference")
def phase_difference(d, write):
    d.edit(d.sidecar(1, "phase"), EchoTime1=0.01, EchoTime2=0.01246)


@case(InputError, "filtered phase")
def filtered_phase(d, write):
    d.edit(d.sidecar(1, "phase"), ImageType=["DERIVED", "PRIMARY", "P", "SWI", "FIL"])


@case(InputError, r"not phase \(ImageType M\)")
def magnitude_in_place_of_phase(d, write):
    d.edit(d.sidecar(1, "phase"), ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])


@case(InputError, r"not phase \(ImageType R, REAL\)")
def real_part_in_place_of_phase(d, write):
    d.edit(d.sidecar(1, "phase"), ImageType="ORIGINAL\\PRIMARY\\R\\REAL")


@case(InputError, r"not magnitude \(ImageType P, PHASE\)")
def phase_in_place_of_magnitude_by_image_type(d, write):
    d.edit(d.sidecar(1, "mag"), ImageType=["ORIGINAL", "PRIMARY", "P", "PHASE"])


@pytest.mark.parametrize("name", CASES)
def test_unusable_scan_is_one_clear_line(dataset, write, name):
    spoil, error, match = CASES[name]
    (files,) = find_scans(dataset.root)
    load_scan(files)
    spoil(dataset, write)
    with pytest.raises(error, match=match) as caught:
        load_scan(find_scans(dataset.root)[0])
    message = str(caught.value)
    assert isinstance(caught.value, QsmkitError)
    assert "\n" not in message
    assert "sub-01" in message
    assert ";" in message, "what is wrong, and what to do about it"


LOOSE = {
    "no phase": (lambda d: ([], [], [4, 9, 14], 3), InputError, "no phase file"),
    "missing echo times": (lambda d: (d.images("phase"), [], None, 3), MetadataError, "--te"),
    "missing field": (lambda d: (d.images("phase"), [], [4, 9, 14], None), MetadataError, "--b0"),
    "too few echo times": (
        lambda d: (d.images("phase"), [], [4, 9], 3),
        ShapeError,
        r"2 echo times \(4, 9 ms\)",
    ),
    "negative echo time": (
        lambda d: (d.images("phase"), [], [-4, 9, 14], 3),
        MetadataError,
        "not all positive",
    ),
    "equal echo times": (lambda d: (d.images("phase"), [], [4, 9, 9], 3), MetadataError, "not all different"),
    "ambiguous echo times": (lambda d: (d.images("phase"), [], [0.2, 0.3, 0.4], 3), MetadataError, "neither"),
    "field in gauss": (lambda d: (d.images("phase"), [], [4, 9, 14], 30000), MetadataError, "in tesla"),
    "no such file": (lambda d: ([d.root / "x.nii"], [], [4], 3), InputError, "does not exist"),
    "folder": (lambda d: ([d.anat], [], [4], 3), InputError, "is a folder, not a NIfTI"),
    "uneven files": (
        lambda d: (d.images("phase"), d.images("mag")[:2], [4, 9, 14], 3),
        InputError,
        "2 of magnitude",
    ),
    "one magnitude": (
        lambda d: (d.images("phase"), d.images("mag")[:1], [4, 9, 14], 3),
        ShapeError,
        "1 magnitude vol",
    ),
    "swapped": (
        lambda d: (d.images("mag"), d.images("phase"), [4, 9, 14], 3),
        ScaleError,
        "no known encoding",
    ),
}


@pytest.mark.parametrize("name", LOOSE)
def test_unusable_loose_files_are_one_clear_line(dataset, name):
    for path in dataset.anat.glob("*.json"):
        path.unlink()
    arguments, error, match = LOOSE[name]
    with pytest.raises(error, match=match) as caught:
        load_loose(*arguments(dataset))
    assert "\n" not in str(caught.value)
    assert ";" in str(caught.value)


@pytest.mark.parametrize(
    "name", ["sub-01_phasediff.nii.gz", "scan_fieldmaphz.nii.gz", "sub-01_fieldmap.nii.gz"]
)
def test_names_that_say_it_is_no_phase_are_heard(dataset, name):
    path = dataset.image(1, "phase").rename(dataset.anat / name)
    with pytest.raises(InputError, match=r"phase difference|field map in Hz"):
        load_loose([path], [], [4], 3)


def test_4d_file_with_one_echo_time_in_its_sidecar(dataset, write):
    path = dataset.anat / "all.nii.gz"
    write(path, np.stack([stored(dataset, e) for e in (1, 2, 3)], 3), dataset.grid.affine)
    (dataset.anat / "all.json").write_text(json.dumps({"EchoTime": 0.004, "ImagingFrequency": 123.26}))
    with pytest.raises(ShapeError, match=r"3 phase volumes, but 1 echo times"):
        load_loose([path])
