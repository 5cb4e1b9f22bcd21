"""Pictures show the right voxels in the right place and shade."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from qsmkit.grid import Grid
from qsmkit.reports.display import View
from qsmkit.reports.figures import display_window, histogram, mosaic, pictures, tiles


def pixels(png):
    return imread(io.BytesIO(png))[..., :3]


def drawn(volume, grid, planes=(("axial", 1),), **how):
    """Return a mosaic's pixels without its grey scale, shown from 0 to 1."""
    view = View.of(grid, np.ones(grid.shape, bool), margin=0)
    image = pixels(mosaic([tiles(view, volume, planes, **how)], (0, 1), "ppm", smooth=False))
    return image[:, : int(image.shape[1] - 0.9 * 130)]


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)])
def test_the_patients_left_is_drawn_on_the_right(flip):
    affine = np.diag([*(2.0 * np.array(flip)), 1.0])
    affine[:3, 3] = -affine[:3, :3] @ np.array([19.5, 19.5, 0])
    grid = Grid((40, 40, 1), affine)
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))
    marker = (np.abs(at[..., :2] - (-20, 20)) < 10).all(-1).astype(np.float32)
    image = drawn(marker, grid)
    bright = np.argwhere((image > 0.9).all(-1))
    middle = np.median(bright, axis=0) / image.shape[:2]
    assert middle == pytest.approx([0.25, 0.75], abs=0.05)  # upper right: front, patient's left


def test_anisotropic_voxels_keep_the_shape_of_the_anatomy():
    grid = Grid.tilted((30, 30, 12), (2.0, 2.0, 5.0))
    at = grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))
    ball = (np.linalg.norm(at, axis=-1) < 20).astype(np.float32)
    image = drawn(ball, grid, (("coronal", 1),))
    rows, columns = np.nonzero((image > 0.9).all(-1))
    tall, wide = (np.percentile(v, 95) - np.percentile(v, 5) for v in (rows, columns))
    assert tall / wide == pytest.approx(1, abs=0.15)


def test_what_lies_outside_stays_black_and_the_outline_is_coloured():
    grid = Grid.tilted((30, 30, 1), (2.0, 2.0, 2.0))
    inside = np.zeros(grid.shape, bool)
    inside[10:20, 10:20] = True
    bright = np.ones(grid.shape, np.float32)
    masked = drawn(bright, grid, inside=inside)
    share = (masked > 0.9).all(-1).mean()
    assert share == pytest.approx(1 / 9, abs=0.03)
    outlined = drawn(np.zeros_like(bright), grid, outlines=(inside,))
    red, _, blue = np.moveaxis(outlined, -1, 0)
    rows, columns = np.nonzero(red - blue > 0.5)
    assert np.ptp(rows) / outlined.shape[0] == pytest.approx(1 / 3, abs=0.05)
    assert np.ptp(columns) / outlined.shape[1] == pytest.approx(1 / 3, abs=0.05)


def test_an_outline_of_everything_or_nothing_can_be_drawn():
    grid = Grid.tilted((12, 12, 1))
    volume = np.zeros(grid.shape, np.float32)
    for mask in (np.ones(grid.shape, bool), np.zeros(grid.shape, bool)):
        assert drawn(volume, grid, outlines=(mask,)).size


def test_windows_come_from_the_table_or_the_data(rng):
    assert display_window("chi", rng.normal(size=100)) == (-0.15, 0.15)
    low, high = display_window("magnitude", np.linspace(0, 100, 1001))
    assert (low, high) == pytest.approx((0, 99))
    assert display_window("unwrapped_phase", np.linspace(-100, 100, 1001)) == pytest.approx((-98, 98))
    assert display_window("magnitude", np.zeros(5)) == (0, 1)


def test_all_pictures_of_a_reconstruction(result):
    made = {p.name: p for p in pictures(result)}
    assert list(made) == [
        "magnitude", "phase", "total_field", "field_sd", "local_field", "chi", "histogram", "r2star",
    ]  # fmt: skip
    for p in made.values():
        assert p.png.startswith(b"\x89PNG")
        assert pixels(p.png).std() > 0.02, f"{p.name} is empty"
    assert "-0.15 to 0.15 ppm" in made["chi"].caption
    assert f"{result.artifacts['mask'].sum()} voxels" in made["histogram"].caption


def test_weighted_images_and_separated_sources_are_shown_too(result):
    more = {"swi": result.artifacts["magnitude"][..., 0], "chi_dia": np.maximum(-result.artifacts["chi"], 0)}
    shown = {p.name: p for p in pictures(replace(result, artifacts=result.artifacts | more))}
    assert list(shown)[-3:] == ["r2star", "chi_dia", "swi"]
    assert "0 to 0.15 ppm" in shown["chi_dia"].caption
    assert "arbitrary units" in shown["swi"].caption


def test_the_same_picture_is_the_same_file(result):
    values = result.artifacts["chi"][result.artifacts["mask"]]
    assert histogram(values).png == histogram(values).png
