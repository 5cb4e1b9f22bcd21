"""Magnetism against tabulated values."""

import pytest

from qsmkit.errors import ParameterError
from qsmkit.physics.magnetism import curie_ppm_per_mm, moment, saturated_iron_ug, saturated_ppm_per_mm


@pytest.mark.parametrize(
    ("mu2", "at_20", "at_37"),
    [(63, 0.3377, 0.3192), (3.78**2, 0.0766, 0.0724), (5.46**2, 0.160, 0.151), (5.8**2, 0.180, 0.170)],
)
def test_curie_s_law_for_gadolinium_ferritin_and_haemoglobin(mu2, at_20, at_37):
    assert curie_ppm_per_mm(mu2, temperature_c=20) == pytest.approx(at_20, rel=4e-3)
    assert curie_ppm_per_mm(mu2) == pytest.approx(at_37, rel=4e-3)


def test_saturated_iron_oxide_falls_with_the_field_and_its_mass_does_not():
    assert [saturated_ppm_per_mm(b) for b in (1.5, 3, 7)] == pytest.approx([5.15, 2.57, 1.10], abs=0.01)
    assert moment(1, 3) == pytest.approx(2.387e-9, rel=1e-3)
    assert saturated_iron_ug(46.1, 3) == pytest.approx(1, abs=0.002)
    assert saturated_iron_ug(46.1 * 2, 1.5) == pytest.approx(1, abs=0.002)


def test_kelvin_given_for_celsius_is_noticed():
    with pytest.raises(ParameterError):
        curie_ppm_per_mm(63, temperature_c=310)
