import math

import numpy as np
import pytest

from qsmkit.arrays import as_float
from qsmkit.artifacts import ARTIFACTS
from qsmkit.compiled import thread_count
from qsmkit.errors import InputError, MetadataError, MissingExtraError, ParameterError, ShapeError
from qsmkit.extras import require
from qsmkit.grid import Grid
from qsmkit.measure import Measure
from qsmkit.units import field_strength_from_frequency, hz_per_ppm, radians_per_ppm
from qsmkit.volume import Scan, Volume

GRID = Grid.tilted((3, 4, 5))


def scan(**changes):
    good = {
        "phase": np.zeros((3, 4, 5, 2), np.float32),
        "magnitude": np.ones((3, 4, 5, 2), np.float32),
        "echo_times": np.array([0.004, 0.008]),
        "field_strength": 3.0,
        "grid": GRID,
    }
    return Scan(**(good | changes))


def test_one_ppm_at_three_tesla():
    assert hz_per_ppm(3.0) == pytest.approx(127.732, abs=1e-3)
    assert radians_per_ppm(3.0, 0.01) == pytest.approx(2 * math.pi * 1.27732, abs=1e-4)
    assert field_strength_from_frequency(123.25) == pytest.approx(2.8947, abs=1e-4)


def test_precision_is_kept():
    assert as_float(np.zeros(2, np.float64)).dtype == np.float64
    assert as_float(np.zeros(2, np.float32)).dtype == np.float32
    assert as_float(np.zeros(2, np.int16)).dtype == np.float32
    assert as_float(np.zeros(2, np.float16)).dtype == np.float32


def test_artifact_names_are_keys_and_what_is_written_has_its_own_name():
    assert all(name == a.name for name, a in ARTIFACTS.items())
    written = [a.bids for a in ARTIFACTS.values() if a.bids]
    assert len(written) == len(set(written))


def test_measure_prints_its_interval_and_makes_json():
    measure = Measure(0.031, 0.028, 0.034, "ppm", 120, "mean ± SD")
    assert str(measure) == "0.031 [0.028, 0.034] ppm"
    assert Measure(0.5, math.nan, math.nan, "1", 3, "count").as_dict()["low"] is None
    with pytest.raises(InputError, match="does not hold"):
        Measure(1.0, 2.0, 3.0, "ppm", 1, "none")


def test_a_volume_lies_on_its_grid():
    with pytest.raises(ShapeError, match="do not lie"):
        Volume(np.zeros((3, 4, 6)), GRID)


def test_a_missing_extra_is_named():
    with pytest.raises(MissingExtraError, match=r"qsmkit\[fftw\]"):
        require("no_such_module_here", "fftw")


def test_threads_are_as_asked_for_or_refused(monkeypatch):
    monkeypatch.setenv("QSMKIT_THREADS", "1")
    assert thread_count() == 1
    monkeypatch.setenv("QSMKIT_THREADS", "many")
    with pytest.raises(ParameterError, match="'many' is not a number of threads"):
        thread_count()


def test_a_good_scan_passes():
    assert len(scan().echo_times) == 2
    assert scan(magnitude=None).magnitude is None


@pytest.mark.parametrize(
    ("changes", "error", "word"),
    [
        ({"phase": np.zeros((3, 4, 5))}, ShapeError, "one volume per echo time"),
        ({"magnitude": np.zeros((3, 4, 5, 3))}, ShapeError, "magnitude"),
        ({"valid": np.ones((3, 4), bool)}, ShapeError, "valid"),
        ({"echo_times": np.array([0.008, 0.004])}, MetadataError, "ascending"),
        ({"echo_times": np.array([-0.004, 0.004])}, MetadataError, "positive"),
        ({"echo_times": np.array([0.004, np.nan])}, MetadataError, "nan"),
        ({"field_strength": 0.0}, MetadataError, "tesla"),
    ],
)
def test_a_bad_scan_is_refused(changes, error, word):
    with pytest.raises(error, match=word):
        scan(**changes)
