"""Coils become one scan."""

from dataclasses import replace

import numpy as np
import pytest

from qsmkit.errors import GeometryError, InputError
from qsmkit.grid import Grid
from qsmkit.pipeline.coils import combined
from qsmkit.volume import Scan

GRID = Grid.tilted((20, 22, 18), (2.0, 2.0, 2.0))
X, Y, Z = np.moveaxis(GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1)), -1, 0) / 20
TIMES = np.array([0.004, 0.008, 0.012])


def coil(number, times=TIMES):
    """The scan of one coil: a field that all share, and its own phase and sensitivity."""
    slope = 150 * (X * Y + 0.5 * Z)
    offset = 0.8 * number + 0.5 * X - 0.3 * number * Y
    sensitivity = 100 * np.exp(-((X - number + 1) ** 2) / 4)
    phase = np.angle(np.exp(1j * (slope[..., None] * times + offset[..., None])))
    magnitude = sensitivity[..., None] * np.exp(-20 * times)
    return Scan(phase.astype(np.float32), magnitude.astype(np.float32), times, 3.0, GRID, name="sub-01",
                sources=(f"coil{number}",), metadata={"decisions": {"phase": "radians"}})  # fmt: skip


def read(*scans):
    return [lambda s=s: s for s in scans]


def test_combined_phase_is_that_of_the_field_alone():
    scan = combined(read(coil(0), coil(1), coil(2)))
    expected = 150 * (X * Y + 0.5 * Z)[..., None] * TIMES
    error = np.angle(np.exp(1j * (scan.phase - expected)))
    error -= np.median(error)
    assert np.sqrt(np.mean(error**2)) < 0.05
    assert scan.sources == ("coil0", "coil1", "coil2")
    assert scan.metadata["decisions"] == {"phase": "radians", "coils": "3 coils combined by MCPC-3D-S"}
    assert scan.valid is None


def test_a_voxel_counts_where_it_does_in_every_coil():
    holes = [np.ones(GRID.shape, bool) for _ in range(2)]
    holes[0][1, 2, 3], holes[1][4, 5, 6] = False, False
    scan = combined(read(*(replace(coil(i), valid=v) for i, v in enumerate(holes))))
    np.testing.assert_array_equal(scan.valid, holes[0] & holes[1])


def test_bipolar_echoes_are_combined_from_first_and_third():
    with pytest.raises(InputError):
        combined(read(coil(0, TIMES[:2]), coil(1, TIMES[:2])), bipolar=True)
    assert combined(read(coil(0), coil(1)), bipolar=True).phase.shape == (*GRID.shape, 3)


def test_coils_of_different_scans_are_refused():
    with pytest.raises(InputError, match="magnitude"):
        combined(read(coil(0), replace(coil(1), magnitude=None)))
    with pytest.raises(InputError, match="echo times"):
        combined(read(coil(0), coil(1, TIMES + 0.001)))
    with pytest.raises(GeometryError, match="elsewhere"):
        combined(read(coil(0), replace(coil(1), grid=Grid.tilted(GRID.shape, (2.0, 2.0, 2.0), tilt=9))))
