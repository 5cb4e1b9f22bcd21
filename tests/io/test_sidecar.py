import json

import numpy as np
import pytest

from qsmkit.errors import MetadataError
from qsmkit.io.sidecar import as_json, number, read_inherited, read_sidecar, write_sidecar


def put(path, **keys):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(keys))


def test_nearer_and_more_specific_sidecars_win(tmp_path):
    anat = tmp_path / "sub-01" / "ses-a" / "anat"
    put(tmp_path / "MEGRE.json", a="root", b="root", c="root", d="root")
    put(tmp_path / "part-phase_MEGRE.json", b="phase")
    put(tmp_path / "part-mag_MEGRE.json", b="magnitude")
    put(tmp_path / "T1w.json", a="other suffix")
    put(tmp_path / "sub-01" / "sub-01_MEGRE.json", c="participant")
    put(tmp_path / "sub-01" / "sub-01_run-2_MEGRE.json", c="other run")
    put(anat / "sub-01_ses-a_echo-1_part-phase_MEGRE.json", d="own")
    found = read_inherited(anat / "sub-01_ses-a_echo-1_part-phase_MEGRE.nii.gz", tmp_path)
    assert found == {"a": "root", "b": "phase", "c": "participant", "d": "own"}


def test_without_a_data_set_only_the_own_sidecar_counts(tmp_path):
    put(tmp_path / "MEGRE.json", a=1)
    put(tmp_path / "scan_e1_ph.json", a=2)
    assert read_inherited(tmp_path / "scan_e1_ph.nii.gz") == {"a": 2}
    assert read_inherited(tmp_path / "sub-01_MEGRE.nii.gz") == {}


@pytest.mark.parametrize("content", [b"{", b"[1]", b"3", b"", b'{"a": "\xff"}'])
def test_unusable_json_is_named(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(MetadataError, match=r"x\.json"):
        read_sidecar(path)


def test_byte_order_mark_is_no_obstacle(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + '{"Name": "Öl"}'.encode())
    assert read_sidecar(path) == {"Name": "Öl"}


def test_written_json_is_plain_and_free_of_nan(tmp_path):
    content = {
        "a": np.float32(0.5),
        "b": np.array([1.0, np.nan]),
        "c": (np.int64(2), float("inf")),
        "d": tmp_path,
    }
    write_sidecar(tmp_path / "x.nii.gz", content)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == {"a": 0.5, "b": [1.0, None], "c": [2, None], "d": str(tmp_path)}
    assert "NaN" not in text
    assert text == as_json(content)


@pytest.mark.parametrize("value", ["0.004", True, [0.004], float("nan")])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(MetadataError, match="EchoTime is"):
        number({"EchoTime": value}, "EchoTime", "scan")


def test_absent_number_is_none():
    assert number({}, "EchoTime", "scan") is None
