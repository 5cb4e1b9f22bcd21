import warnings

import pytest

from qsmkit.errors import DataWarning, MetadataError
from qsmkit.io.field_strength import find_field_strength
from qsmkit.units import GAMMA_MHZ_PER_T


def test_imaging_frequency_comes_before_the_nominal_field():
    tesla, origin = find_field_strength({"ImagingFrequency": 123.26, "MagneticFieldStrength": 3}, name="scan")
    assert tesla == pytest.approx(123.26 / GAMMA_MHZ_PER_T)
    assert tesla < 2.9
    assert "ImagingFrequency" in origin


def test_nominal_field_alone_is_used_with_a_warning():
    with pytest.warns(DataWarning, match="nominal 7 T"):
        assert find_field_strength({"MagneticFieldStrength": 7}, name="scan")[0] == 7


def test_stated_field_wins_and_a_conflict_is_reported():
    assert find_field_strength({}, stated=3, name="scan")[0] == 3
    with pytest.warns(DataWarning, match=r"3 T was given.*2\.895 T"):
        assert find_field_strength({"ImagingFrequency": 123.26}, stated=3, name="scan")[0] == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        find_field_strength({"ImagingFrequency": 127.74}, stated=3, name="scan")


@pytest.mark.parametrize(
    ("metadata", "match"),
    [
        ({}, "no field strength"),
        ({"ImagingFrequency": 127_740_000}, "BIDS wants MHz"),
        ({"ImagingFrequency": 127.74, "MagneticFieldStrength": 7}, "MagneticFieldStrength is 7 T"),
        ({"ImagingFrequency": 63.9, "MagneticFieldStrength": 3}, "MagneticFieldStrength is 3 T"),
        ({"MagneticFieldStrength": 30000}, "correct the sidecar"),
        ({"MagneticFieldStrength": 0}, "correct the sidecar"),
        ({"ImagingFrequency": -1}, "correct the sidecar"),
        ({"ImagingFrequency": "127 MHz"}, "not a number"),
    ],
)
def test_field_that_makes_no_sense_is_refused(metadata, match):
    with pytest.raises(MetadataError, match=match):
        find_field_strength(metadata, name="scan")


@pytest.mark.parametrize("stated", [0, -3, 3000, float("nan")])
def test_stated_field_must_be_plausible(stated):
    with pytest.raises(MetadataError, match="give it in tesla"):
        find_field_strength({}, stated=stated, name="scan")
