import json
import shutil

import numpy as np
import pytest

from qsmkit.errors import DataWarning, InputError
from qsmkit.io.bids import find_scans, load_scan
from qsmkit.units import GAMMA_MHZ_PER_T


def only(dataset, **choice):
    (files,) = find_scans(dataset.root, **choice)
    return files


def test_scan_is_found_and_read(dataset):
    files = only(dataset)
    assert files.stem == "sub-01"
    assert list(files.phase) == dataset.images("phase")
    assert list(files.magnitude) == dataset.images("mag")
    scan = load_scan(files)
    np.testing.assert_allclose(scan.phase, dataset.radians, atol=1e-6)
    np.testing.assert_array_equal(scan.magnitude, dataset.magnitude)
    np.testing.assert_allclose(scan.echo_times, [0.004, 0.009, 0.014])
    assert scan.field_strength == pytest.approx(123.26 / GAMMA_MHZ_PER_T)
    assert dataset.grid.difference(scan.grid) is None
    assert scan.valid is None
    assert scan.phase.dtype == scan.magnitude.dtype == np.float32
    assert scan.phase.flags.c_contiguous
    assert scan.name == "sub-01"
    assert scan.sources[0] == "bids:raw:sub-01/anat/sub-01_echo-1_part-phase_MEGRE.nii.gz"
    assert len(scan.sources) == 6
    assert set(scan.metadata["decisions"]) == {"phase", "echo_times", "field_strength"}
    assert scan.metadata["EchoTime"] == 0.004


def test_one_4d_file_is_read_like_one_file_per_echo(dataset, write):
    reference = load_scan(only(dataset))
    affine = dataset.grid.affine
    stored = np.rint(dataset.radians * (4096 / np.pi)).astype(np.int16)
    shutil.rmtree(dataset.anat)
    for part, data in (("phase", stored), ("mag", dataset.magnitude)):
        write(dataset.anat / f"sub-01_part-{part}_MEGRE.nii.gz", data, affine)
    keys = {"EchoTime": [0.004, 0.009, 0.014], "ImagingFrequency": 123.26}
    (dataset.root / "MEGRE.json").write_text(json.dumps(keys))
    scan = load_scan(only(dataset))
    np.testing.assert_array_equal(scan.phase, reference.phase)
    np.testing.assert_array_equal(scan.magnitude, reference.magnitude)
    np.testing.assert_array_equal(scan.echo_times, reference.echo_times)


def test_echoes_are_sorted_by_time_whatever_their_index(dataset):
    for part in ("phase", "mag"):
        for echo, time in ((1, 0.014), (2, 0.004), (3, 0.009)):
            dataset.edit(dataset.sidecar(echo, part), EchoTime=time)
    scan = load_scan(only(dataset))
    np.testing.assert_array_equal(scan.echo_times, [0.004, 0.009, 0.014])
    np.testing.assert_allclose(scan.phase, dataset.radians[..., [1, 2, 0]], atol=1e-6)
    np.testing.assert_array_equal(scan.magnitude, dataset.magnitude[..., [1, 2, 0]])
    assert scan.metadata["EchoTime"] == 0.004


def test_ten_echoes_keep_the_order_of_their_numbers(dataset):
    for part in ("phase", "mag"):
        dataset.image(1, part).rename(dataset.image(10, part))
    assert [p.name.split("_")[1] for p in only(dataset).phase] == ["echo-2", "echo-3", "echo-10"]


def test_echo_times_in_milliseconds_are_understood_with_a_warning(dataset):
    for echo, time in ((1, 4), (2, 9), (3, 14)):
        for part in ("phase", "mag"):
            dataset.edit(dataset.sidecar(echo, part), EchoTime=time)
    with pytest.warns(DataWarning, match="BIDS wants seconds"):
        scan = load_scan(only(dataset))
    np.testing.assert_allclose(scan.echo_times, [0.004, 0.009, 0.014])


def test_echo_time_may_stand_with_the_magnitude_only(dataset):
    for echo in (1, 2, 3):
        dataset.edit(dataset.sidecar(echo, "phase"), EchoTime=...)
    np.testing.assert_allclose(load_scan(only(dataset)).echo_times, [0.004, 0.009, 0.014])


def test_missing_magnitude_is_a_warning(dataset):
    for path in dataset.images("mag"):
        path.unlink()
    with pytest.warns(DataWarning, match="no magnitude"):
        assert load_scan(only(dataset)).magnitude is None


def test_image_without_part_is_magnitude(dataset):
    for path in dataset.images("mag"):
        path.rename(path.with_name(path.name.replace("_part-mag", "")))
    assert len(only(dataset).magnitude) == 3


def test_voxels_without_value_are_zeroed_masked_and_counted(dataset, write):
    data = dataset.radians[..., 1].astype(np.float32)
    data[2:4, 3, 4] = np.nan
    for echo in (1, 3):
        write(
            dataset.image(echo, "phase"),
            dataset.radians[..., echo - 1].astype(np.float32),
            dataset.grid.affine,
        )
    write(dataset.image(2, "phase"), data, dataset.grid.affine)
    magnitude = dataset.magnitude[..., 0].astype(np.float32)
    magnitude[5, 5, 5] = np.inf
    write(dataset.image(1, "mag"), magnitude, dataset.grid.affine)
    with pytest.warns(DataWarning, match=f"3 of {data.size} voxels"):
        scan = load_scan(only(dataset))
    assert not scan.valid[[2, 3, 5], [3, 3, 5], [4, 4, 5]].any()
    assert (~scan.valid).sum() == 3
    assert scan.phase[2, 3, 4, 1] == 0
    assert scan.magnitude[5, 5, 5, 0] == 0
    assert np.isfinite(scan.phase).all()


def test_phase_is_flipped_on_request(dataset):
    files = only(dataset)
    np.testing.assert_array_equal(load_scan(files, flip_phase=True).phase, -load_scan(files).phase)


def test_ge_data_come_with_a_word_on_the_sign(dataset):
    dataset.edit_all(Manufacturer="GE")
    with pytest.warns(DataWarning, match="opposite sign"):
        load_scan(only(dataset))


def copy_as(dataset, *parts, **replaced):
    """Copy all images and sidecars of participant 01 into another folder under other names."""
    folder = dataset.root.joinpath(*parts, "anat")
    folder.mkdir(parents=True)
    for path in dataset.anat.iterdir():
        name = path.name
        for old, new in replaced.items():
            name = name.replace(old, new)
        shutil.copy(path, folder / name.replace("sub-01", "_".join(parts)))


def test_participants_and_sessions_can_be_chosen(dataset):
    copy_as(dataset, "sub-02", "ses-a")
    copy_as(dataset, "sub-02", "ses-b")
    assert [f.stem for f in find_scans(dataset.root)] == ["sub-01", "sub-02_ses-a", "sub-02_ses-b"]
    assert [f.stem for f in find_scans(dataset.root, participants=["sub-02"])] == [
        "sub-02_ses-a",
        "sub-02_ses-b",
    ]
    assert [f.stem for f in find_scans(dataset.root, participants=["02"], sessions=["b"])] == ["sub-02_ses-b"]
    with pytest.raises(InputError, match="no participant '7'; there are: 01, 02"):
        find_scans(dataset.root, participants=["7"])
    with pytest.raises(InputError, match="session c"):
        find_scans(dataset.root, sessions=["c"])


def test_scans_differ_by_every_entity_but_echo_and_part(dataset):
    for path in list(dataset.anat.iterdir()):
        _, echo, rest = path.name.split("_", 2)
        for before, after in (("acq-hi", ""), ("acq-hi_rec-x", ""), ("dir-AP_run-1", ""), ("run-2", "inv-1")):
            shutil.copy(path, path.with_name("_".join(filter(None, ("sub-01", before, echo, after, rest)))))
    stems = [f.stem for f in find_scans(dataset.root)]
    assert stems == [
        "sub-01",
        "sub-01_acq-hi",
        "sub-01_acq-hi_rec-x",
        "sub-01_dir-AP_run-1",
        "sub-01_run-2_inv-1",
    ]


def test_magnitude_without_phase_is_passed_over(dataset):
    copy_as(dataset, "sub-02")
    for path in (dataset.root / "sub-02" / "anat").glob("*part-phase*"):
        path.unlink()
    with pytest.warns(DataWarning, match=r"sub-02_MEGRE has no part-phase"):
        assert [f.stem for f in find_scans(dataset.root)] == ["sub-01"]


def test_of_two_suffixes_one_is_taken_unless_chosen(dataset):
    for path in list(dataset.anat.iterdir()):
        shutil.copy(path, path.with_name(path.name.replace("MEGRE", "T2starw")))
    with pytest.warns(DataWarning, match=r"sub-01_T2starw is passed over for sub-01_MEGRE"):
        assert only(dataset).name.suffix == "MEGRE"
    assert only(dataset, suffix="T2starw").name.suffix == "T2starw"
    with pytest.raises(InputError, match="suffix 'bold' is unknown"):
        find_scans(dataset.root, suffix="bold")


def test_derivatives_are_not_looked_into(dataset):
    shutil.copytree(dataset.root / "sub-01", dataset.root / "derivatives" / "x" / "sub-09")
    assert [f.stem for f in find_scans(dataset.root)] == ["sub-01"]


def test_missing_description_is_a_warning(dataset):
    (dataset.root / "dataset_description.json").unlink()
    with pytest.warns(DataWarning, match="dataset_description"):
        find_scans(dataset.root)


@pytest.mark.parametrize("where", ["sub-01", "nowhere", "dataset_description.json"])
def test_what_is_no_data_set_is_refused(dataset, where):
    with pytest.raises(InputError, match="folder of a BIDS data set"):
        find_scans(dataset.root / where)


def test_data_set_without_phase_is_refused(dataset):
    for path in dataset.images("phase"):
        path.unlink()
    with pytest.warns(DataWarning, match="passed over"), pytest.raises(InputError, match="has phase images"):
        find_scans(dataset.root)


# --- files by coil


def by_coil(dataset, *labels):
    """Turn the data set's images into those of several coils."""
    for path in sorted(dataset.anat.iterdir()):
        for label in labels:
            place = "_part" if label.startswith("coil") else "_echo"
            shutil.copy(path, path.with_name(path.name.replace(place, f"_{label}{place}")))
        path.unlink()


@pytest.mark.parametrize("labels", [("coil-2", "coil-10"), ("rec-coil02", "rec-coil10")])
def test_files_by_coil_are_one_scan(dataset, labels):
    by_coil(dataset, *labels)
    files = only(dataset)
    assert files.stem == "sub-01"
    assert len(files.coils) == 2
    assert len(files.phase) == 6
    for label, coil in zip(labels, files.coils, strict=True):
        assert all(f"_{label}_" in p.name for p in (*coil.phase, *coil.magnitude))
        np.testing.assert_allclose(load_scan(coil).phase, dataset.radians, atol=1e-6)
    with pytest.raises(InputError, match="by coil"):
        load_scan(files)


def test_coils_must_be_complete(dataset):
    by_coil(dataset, "coil-1", "coil-2")
    (dataset.anat / "sub-01_echo-3_coil-2_part-mag_MEGRE.nii.gz").unlink()
    with pytest.raises(InputError, match="same images"):
        find_scans(dataset.root)


def test_combined_images_are_not_taken_for_a_coil(dataset):
    kept = {p: p.read_bytes() for p in dataset.anat.iterdir()}
    by_coil(dataset, "coil-1", "coil-2")
    for path, content in kept.items():
        path.write_bytes(content)
    with pytest.raises(InputError, match="names no coil"):
        find_scans(dataset.root)


def test_another_reconstruction_is_no_coil(dataset):
    by_coil(dataset, "rec-norm", "rec-coiled")
    assert [f.stem for f in find_scans(dataset.root)] == ["sub-01_rec-coiled", "sub-01_rec-norm"]
