import numpy as np
import pytest

from qsmkit.errors import MetadataError
from qsmkit.io.echo_times import sidecar_times, to_seconds


@pytest.mark.parametrize("source", ["sidecar", "argument"])
@pytest.mark.parametrize("seconds", [[0.004, 0.009], [0.0005], [0.1], [0.02, 0.001]])
def test_unit_is_told_by_size_and_order_is_kept(source, seconds):
    for factor, unit in ((1, "seconds"), (1000, "milliseconds")):
        times, decision = to_seconds([t * factor for t in seconds], source=source, name="scan")
        np.testing.assert_allclose(times, seconds)
        assert f" {unit}" in decision


def test_a_sidecar_may_hold_ultrashort_and_long_times():
    np.testing.assert_array_equal(to_seconds([7e-5, 0.12], source="sidecar", name="scan")[0], [7e-5, 0.12])
    with pytest.raises(MetadataError, match="plausible neither"):
        to_seconds([7e-5, 0.12], source="argument", name="scan")


@pytest.mark.parametrize("times", [[0.3], [0.004, 8], [150], [4000, 8000], [0.05, 0.9], [1e-4]])
def test_ambiguous_times_are_refused(times):
    with pytest.raises(MetadataError, match="plausible neither"):
        to_seconds(times, source="argument", name="scan")


@pytest.mark.parametrize("times", [[], [0.0], [-0.004, 0.008], [float("nan")], [0.004, float("inf")]])
def test_times_are_positive(times):
    with pytest.raises(MetadataError, match="not all positive"):
        to_seconds(times, source="sidecar", name="scan")


def test_equal_times_are_refused():
    with pytest.raises(MetadataError, match="not all different"):
        to_seconds([4, 8, 8], source="argument", name="scan")


def test_sidecars_hold_one_time_a_file_or_a_list():
    assert sidecar_times([{"EchoTime": 0.004}, {"EchoTime": 0.008}], "scan") == [0.004, 0.008]
    assert sidecar_times([{"EchoTime": [0.004, 0.008]}], "scan") == [0.004, 0.008]
    assert sidecar_times([{"EchoTime": 0.004}, {}], "scan") == []
    with pytest.raises(MetadataError, match="not a number"):
        sidecar_times([{"EchoTime": "4 ms"}], "scan")
