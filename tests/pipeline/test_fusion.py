"""A fusion on disk knows the images that it was made from."""

import numpy as np
import pytest

from qsmkit.clinical.registration.gates import Gate
from qsmkit.clinical.target.fuse import Fusion, Shift
from qsmkit.errors import InputError, MetadataError, OutputError
from qsmkit.io.transforms import read_transform
from qsmkit.measure import Measure
from qsmkit.pipeline.fusion import read_fusion, write_fusion
from qsmkit.transform import Transform


@pytest.fixture
def found():
    mm = Measure(0.4, 0.1, 0.7, "mm", 6, "parts")
    skull = Transform.rigid((3, 2, 1), (4, 5, 6))
    gates = (Gate("local agreement", 0.4, "mm", "PASS", "text"), Gate("metal", 0.0, "mL", "REVIEW", "no metal"))
    air = {"right": Measure(2.0, 1.0, 3.0, "mL", 900, "threshold")}
    return Fusion(skull.after(Transform.rigid((0, 0, 0), (0.4, 0, 0))), skull, gates, air, Shift(mm, mm, mm, mm))


@pytest.fixture
def images(tmp_path):
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("ct", "mr")}
    for name, path in paths.items():
        path.write_bytes(name.encode())
    return paths


def test_a_fusion_is_read_as_it_was_written(found, images, tmp_path):
    write_fusion(tmp_path / "fusion.json", found, images)
    again = read_fusion(tmp_path / "fusion.json")
    assert np.array_equal(again.transform.matrix, found.transform.matrix)
    assert np.array_equal(again.skull.matrix, found.skull.matrix)
    assert (again.verdict, again.gates, again.shift) == ("REVIEW", found.gates, found.shift)
    assert dict(again.pneumocephalus) == found.pneumocephalus
    assert np.array_equal(read_transform(tmp_path / "fusion.json").matrix, found.transform.matrix)
    with pytest.raises(OutputError, match="there already"):
        write_fusion(tmp_path / "fusion.json", found, images)


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_a_stale_fusion_is_refused(found, images, tmp_path, what):
    write_fusion(tmp_path / "fusion.json", found, images)
    if what == "changed":
        images["ct"].write_bytes(b"another scan")
    else:
        images["ct"].unlink()
    with pytest.raises(InputError, match=r"fusion is stale: its ct image .*ct\.nii\.gz"):
        read_fusion(tmp_path / "fusion.json")


def test_what_is_no_fusion_is_refused(tmp_path):
    (tmp_path / "other.json").write_text('{"matrix": [[1]]}')
    with pytest.raises(MetadataError, match="no fusion"):
        read_fusion(tmp_path / "other.json")
