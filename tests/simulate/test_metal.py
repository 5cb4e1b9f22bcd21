import numpy as np
import pytest

from qsmkit.leads.electrodes import electrode, models
from qsmkit.leads.lead import LeadPlan, lead
from qsmkit.simulate.metal import INSULATION, lead_cloud

DIRECTIONAL = [name for name in models() if electrode(name).directional]


def upright(model, rotation=0.0):
    return lead(LeadPlan("one", model, "right", (0, 0, 0), (0, 0, 90), rotation))


@pytest.mark.parametrize("rotation", [0.0, 37.0])
@pytest.mark.parametrize("model", DIRECTIONAL)
def test_metal_lies_where_the_marker_and_the_segments_look(model, rotation):
    """To a tenth of a degree: pieces at an edge count by the share that is metal."""
    placed = upright(model, rotation)
    cloud = lead_cloud(placed)
    outside = np.hypot(*cloud.points[:, :2].T) > 0.65 * placed.electrode.radius
    mass = np.where(outside, cloud.volume * (cloud.hu - INSULATION), 0.0)
    for band in placed.electrode.marker.bands():
        there = np.abs(cloud.points[:, 2] - band.middle) < 0.2
        x, y = (mass[there, None] * cloud.points[there, :2]).sum(0)
        # Upright, angles run from the front (+y) to the patient's left (−x).
        found = np.rad2deg(np.arctan2(-x, y))
        assert abs((found - rotation - band.segments[0].middle + 180) % 360 - 180) < 0.1


@pytest.mark.parametrize("model", ["Medtronic 3387", "DIXI D08-05AM", "Abbott Infinity 6172"])
def test_contacts_hold_as_much_metal_as_they_are_long_about_their_middle(model):
    placed = upright(model)
    cloud = lead_cloud(placed)
    s, outside = cloud.points[:, 2], np.hypot(*cloud.points[:, :2].T) > 0.65 * placed.electrode.radius
    metal = np.where(outside, cloud.volume * (cloud.hu - INSULATION), 0.0)
    masses = []
    for level in placed.electrode.levels[1:]:
        there = np.abs(s - level.middle) < level.length / 2 + 0.2
        assert (metal * s)[there].sum() / metal[there].sum() == pytest.approx(level.middle, abs=0.01)
        masses.append(metal[there].sum() / level.length)
    whole = [m for m, level in zip(masses, placed.electrode.levels[1:], strict=True) if len(level.segments) == 1]
    assert np.ptp(whole) < 0.02 * np.mean(whole)
    if len(whole) < len(masses):
        assert min(masses) == pytest.approx(0.75 * max(masses), rel=0.02)
