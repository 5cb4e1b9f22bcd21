"""Surfaces: closed, of the right size, outside out, and in the right place."""

import json

import numpy as np
import pytest

from dicom_phantom import GRIDS, grid_of, rotation, scanner_series
from qsmkit.errors import InputError
from qsmkit.io.dicom_out.labels import Labels
from qsmkit.io.dicom_out.planes import LPS
from qsmkit.io.dicom_out.series import read_series
from qsmkit.io.dicom_out.stl import write_surfaces
from qsmkit.io.dicom_out.study import study_of
from qsmkit.io.dicom_out.surface import surface_of
from qsmkit.io.dicom_out.uid import uid_maker


def ball(grid, radius, centre=(0.0, 0.0, 0.0)):
    middle = grid.world((np.array(grid.shape) - 1) / 2) + centre
    return np.linalg.norm(grid.world(np.stack(np.indices(grid.shape), -1)) - middle, axis=-1) < radius


@pytest.mark.parametrize("name", ["axial", "oblique", "flipped x", "oblique flipped"])
@pytest.mark.parametrize("smooth", [0, 0.7, 2])
def test_the_surface_of_a_ball(name, smooth):
    grid = GRIDS[name]
    region = ball(grid, 8.0)
    surface = surface_of(region, grid, smooth=smooth)
    assert surface.volume == pytest.approx(region.sum() * grid.voxel_volume, rel=1e-3)
    middle = grid.world((np.array(grid.shape) - 1) / 2)
    distance = np.linalg.norm(surface.vertices - middle, axis=1)
    assert np.abs(distance - 8).max() < max(grid.voxel_size)
    assert np.linalg.norm(surface.vertices.mean(0) - middle) < 0.1 * max(grid.voxel_size)


@pytest.mark.parametrize("smooth", [0, 0.7])
def test_surfaces_are_closed_and_face_outwards(rng, smooth):
    grid = grid_of(rotation(10, 20, 30), (0.7, 0.7, 1.4), (14, 13, 12))
    region = rng.random(grid.shape) > 0.6  # as ragged as can be, up to the border
    surface = surface_of(region, grid, smooth=smooth)
    edges = np.concatenate([surface.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    there, back = (np.sort(e[:, 0] * len(surface.vertices) + e[:, 1]) for e in (edges, edges[:, ::-1]))
    assert np.array_equal(there, back)
    assert surface.volume > 0


def test_a_single_voxel_has_a_surface():
    grid = GRIDS["axial"]
    region = np.zeros(grid.shape, bool)
    region[0, 33, 25] = True
    surface = surface_of(region, grid)
    assert np.abs(surface.vertices.mean(0) - grid.world((0, 33, 25))).max() < 1e-9
    assert surface.volume == pytest.approx(1, rel=0.05)
    with pytest.raises(InputError, match="without voxels"):
        surface_of(np.zeros(grid.shape, bool), grid)
    with pytest.raises(InputError, match="smooth = -1"):
        surface_of(region, grid, smooth=-1)


def test_files_say_their_frame(tmp_path):
    grid = GRIDS["oblique"]
    labels = Labels(ball(grid, 4, (6, 0, 0)).astype(np.int32) * 5, grid, {5: "R Red nucleus"})
    scanner_series(tmp_path / "scan", grid)
    study = study_of(read_series(tmp_path / "scan"), grid, uid_maker())
    (said,) = write_surfaces(tmp_path / "out", labels, study)
    path = tmp_path / "out" / "005_R-Red-nucleus.stl"
    content = path.read_bytes()
    count = int(np.frombuffer(content[80:84], "<u4")[0])
    assert len(content) == 84 + 50 * count
    rows = np.frombuffer(content[84:], np.dtype([("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")]))
    expected = LPS * (grid.world((np.array(grid.shape) - 1) / 2) + np.array([6, 0, 0]))
    assert np.abs(rows["c"].reshape(-1, 3).mean(0) - expected).max() < 0.2
    outward = np.einsum("ij,ij->i", rows["n"], rows["c"].mean(1) - expected)
    assert (outward > 0).all()
    sidecar = json.loads(path.with_suffix(".json").read_text())
    assert sidecar == said
    assert (sidecar["CoordinateSystem"], sidecar["Units"]) == ("LPS", "mm")
    assert sidecar["FrameOfReferenceUID"] == study.frame_uid
    assert write_surfaces(tmp_path / "two", labels, None)[0]["FrameOfReferenceUID"] is None
