import hashlib
import io
import urllib.request

import nibabel as nib
import numpy as np
import pytest

from qsmkit.errors import InputError, OutputError
from qsmkit.io.atlas import fetch, read_atlas

URL = "https://example.org/atlas.nii.gz"


def write(path, data):
    nib.save(nib.Nifti1Image(data, np.diag([2.0, 2.0, 2.0, 1.0])), path)


@pytest.fixture
def folder(tmp_path):
    data = np.zeros((6, 6, 6), np.int16)
    data[1:3], data[4:] = 1, 2
    write(tmp_path / "a_dseg.nii.gz", data)
    (tmp_path / "a_dseg.tsv").write_text("index\tname\n0\tUnknown\n1\tL Putamen\n2\tR Putamen\n")
    return tmp_path


def test_a_folder_and_its_file_are_the_same_atlas(folder):
    whole, alone = read_atlas(folder), read_atlas(folder / "a_dseg.nii.gz")
    assert whole.names == alone.names == {1: "L Putamen", 2: "R Putamen"}
    assert np.array_equal(whole.labels.data, alone.labels.data)
    assert whole.template is None
    assert [p.name for p in whole.sources] == ["a_dseg.nii.gz", "a_dseg.tsv"]


def test_the_template_beside_the_labels_is_read(folder):
    write(folder / "a_T1w_brain.nii.gz", np.ones((6, 6, 6), np.float32))
    assert read_atlas(folder).template.data.max() == 1


def test_probabilities_become_labels_where_they_are_sure_enough(tmp_path):
    data = np.zeros((4, 4, 4, 2), np.float32)
    data[0, ..., 0], data[1, ..., 1], data[2, ..., 1] = 0.6, 0.4, 0.2
    write(tmp_path / "p_probseg.nii.gz", data)
    (tmp_path / "p_probseg.tsv").write_text("index\tname\n1\tSTN\n2\tRN\n")
    labels = read_atlas(tmp_path).labels.data
    assert [int(labels[i, 0, 0]) for i in range(4)] == [1, 2, 0, 0]


def test_what_is_missing_or_double_is_said(folder):
    (folder / "a_dseg.tsv").unlink()
    with pytest.raises(InputError, match=r"a_dseg\.tsv"):
        read_atlas(folder)
    write(folder / "b_dseg.nii.gz", np.ones((2, 2, 2), np.int16))
    with pytest.raises(InputError, match=r"a_dseg\.nii\.gz, b_dseg\.nii\.gz"):
        read_atlas(folder)
    with pytest.raises(InputError, match="does not exist"):
        read_atlas(folder / "c_dseg.nii.gz")


@pytest.fixture
def web(monkeypatch):
    """A web that has one file; returns how often it was asked."""
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        if url != URL:
            raise OSError("not found")
        return io.BytesIO(b"content")

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def test_a_file_is_fetched_once_and_only_if_it_is_the_right_one(web, tmp_path):
    right, to = hashlib.sha256(b"content").hexdigest(), tmp_path / "x" / "a.nii.gz"
    with pytest.raises(InputError, match="not the file that was asked for"):
        fetch(URL, "0" * 64, to)
    assert not to.exists()
    assert fetch(URL, right.upper(), to).read_bytes() == b"content"
    fetch(URL, right, to)
    assert len(web) == 2
    to.write_bytes(b"changed")
    with pytest.raises(InputError, match="not the file that was asked for"):
        fetch(URL, right, to)


def test_addresses_and_checksums_are_looked_at_first(web, tmp_path):
    with pytest.raises(InputError, match="https"):
        fetch("http://example.org/a", "0" * 64, tmp_path / "a")
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        fetch(URL, "abc", tmp_path / "a")
    assert web == []
    with pytest.raises(OutputError, match="by hand"):
        fetch("https://example.org/other", "0" * 64, tmp_path / "a")
