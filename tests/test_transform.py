"""Transforms: algebra, and the formats of others."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from qsmkit.errors import GeometryError, MetadataError
from qsmkit.grid import Grid
from qsmkit.io.transforms import read_transform, write_transform
from qsmkit.transform import Transform

POINTS = np.random.default_rng(1).uniform(-90, 90, (50, 3))
T = Transform.rigid((12, -7, 30), (4, -9, 11), centre=(5, 6, 7))


def test_rigid_is_a_rotation_about_its_centre():
    assert T.apply((5, 6, 7)) == pytest.approx([9, -3, 18])
    assert T.matrix[:3, :3] == pytest.approx(Rotation.from_euler("xyz", (12, -7, 30), degrees=True).as_matrix())
    assert T.angle == pytest.approx(np.rad2deg(Rotation.from_matrix(T.matrix[:3, :3]).magnitude()))


def test_there_and_back_is_nothing():
    assert np.abs(T.inverse().apply(T.apply(POINTS)) - POINTS).max() < 1e-9
    other = Transform.rigid((1, 2, 3), (4, 5, 6))
    assert T.after(other).apply(POINTS) == pytest.approx(T.apply(other.apply(POINTS)))
    assert T.distance(T, POINTS).max() == 0


@pytest.mark.parametrize("matrix", [np.zeros((4, 4)), np.eye(3), np.full((4, 4), np.nan), np.diag([1, 1, 0, 1])])
def test_what_is_no_transform_is_refused(matrix):
    with pytest.raises(GeometryError):
        Transform(matrix)


@pytest.mark.parametrize("name", ["t.json", "t.tfm", "t.mat"])
@pytest.mark.parametrize("flip", [1, -1])
def test_round_trip_through_every_format(tmp_path, name, flip):
    fixed = Grid((20, 22, 24), Transform.rigid((3, 2, 1), (-9, 8, 7)).matrix @ np.diag([flip * 1.1, 1.2, 1.3, 1]))
    moving = Grid((30, 32, 34), np.diag([0.9, 0.8, 1.7, 1]))
    write_transform(tmp_path / name, T, fixed=fixed, moving=moving)
    back = read_transform(tmp_path / name, fixed=fixed, moving=moving)
    assert back.distance(T, POINTS).max() < 1e-6


def test_itk_reads_what_we_write_and_moves_points_the_same_way(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    write_transform(tmp_path / "t.tfm", T)
    theirs = sitk.ReadTransform(str(tmp_path / "t.tfm"))
    lps = np.array([-1, -1, 1])
    for p in POINTS[:5]:
        assert np.array(theirs.TransformPoint((p * lps).tolist())) * lps == pytest.approx(T.apply(p))


def test_itk_s_centre_of_rotation_is_understood(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    made = sitk.AffineTransform(3)
    made.SetCenter((10, 20, 30))
    made.Rotate(0, 1, 0.3)
    made.SetTranslation((1, 2, 3))
    sitk.WriteTransform(made, str(tmp_path / "t.tfm"))
    ours, lps = read_transform(tmp_path / "t.tfm"), np.array([-1, -1, 1])
    assert ours.apply(POINTS[0]) == pytest.approx(np.array(made.TransformPoint((POINTS[0] * lps).tolist())) * lps)


def test_fsl_identity_means_equal_scaled_voxels():
    fixed = Grid((10, 10, 10), np.diag([-2.0, 2, 2, 1]))
    from qsmkit.io.transforms import _from_fsl

    assert _from_fsl(fixed) @ [2, 4, 6, 1] == pytest.approx([-2, 4, 6, 1])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("t.json", "{}", "'matrix'"), ("t.tfm", "Transform: BSpline_double_3_3\n", "BSpline"),
     ("t.mat", "1 0\n0 1\n", "two images"), ("t.xfm", "", "name it"), ("t.json", '{"matrix": [["a"]]}', "numbers")],
)  # fmt: skip
def test_unusable_files_are_refused(tmp_path, name, content, words):
    (tmp_path / name).write_text(content)
    with pytest.raises((MetadataError, GeometryError), match=words):
        read_transform(tmp_path / name)
