import dataclasses

import numba
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, label, map_coordinates
from scipy.signal import find_peaks
from scipy.spatial import cKDTree

from ellipsoid_head import ellipsoid_head
from qsmkit.errors import ParameterError, ShapeError
from qsmkit.grid import Grid
from qsmkit.leads.electrodes import models
from qsmkit.leads.lead import LeadPlan, lead
from qsmkit.simulate.bearings import Bearings, Shell
from qsmkit.simulate.ct import CtProtocol, add_metal, head_ct, implant
from qsmkit.simulate.hounsfield import HOUNSFIELD, stored
from qsmkit.simulate.metal import lead_cloud, splat
from qsmkit.simulate.stereotactic import Localiser
from qsmkit.simulate.targeting import plan_lead
from qsmkit.simulate.tissue import Label
from qsmkit.simulate.transfer import rigid_motion, transfer_labels

POSE = rigid_motion((8, -5, 12), (4, -7, 20))
COARSE = CtProtocol(
    voxel_size=(1.1, 1.1, 1.2), rotation=(3, -4, 6), translation=(5, -30, 70), gantry_tilt=8.0, extended=True
)
METAL = 1000


@pytest.fixture(scope="module")
def body():
    return ellipsoid_head(pose=POSE)


@pytest.fixture(scope="module")
def plans(body):
    return [
        plan_lead(body, "STN_R", "Boston Scientific Vercise Directed DB-2202", rotation=30.0, rng=2),
        plan_lead(body, "STN_L", "Medtronic 3387", sag=2.0, rng=3),
    ]


@pytest.fixture(scope="module")
def scan(body, plans):
    return head_ct(body, plans, COARSE, shift=(3.0, 2.0), rng=5)


def values(hu, grid, points):
    return hu[tuple(np.rint(grid.voxel(points)).astype(int).T)]


@pytest.mark.parametrize("sign", [1, -1], ids=["right", "left"])
@pytest.mark.parametrize("model", models())
def test_contacts_and_marker_lie_in_the_metal_of_a_tilted_scan(model, sign):
    """Curved leads in either hemisphere, on slices that are oblique to everything."""
    side = "right" if sign > 0 else "left"
    shape, size = (40, 44, 44), (0.6, 0.6, 0.6)
    affine = rigid_motion((0, 0, 25 * sign), (sign * 13, 0, 3)) @ Grid.tilted(shape, size, tilt=17).affine
    grid = Grid(shape, affine)
    plan = LeadPlan("one", model, side, (sign * 9, -6, -8), (sign * 36, 32, 66), 25.0, 3.0, -70.0 * sign)
    placed = lead(plan)
    hu = np.full(grid.shape, 35, np.float32)
    add_metal([lead_cloud(placed)], grid, hu, fwhm=0.9, streaks=1.0, rng=np.random.default_rng(1))
    centres = np.array([c.centre for c in placed.contacts])
    inside = (grid.voxel(centres) > 1).all(1) & (grid.voxel(centres) < np.array(grid.shape) - 2).all(1)
    assert inside.sum() >= 4
    assert values(hu, grid, centres[inside]).min() > METAL
    blobs, _ = label(hu > 500, np.ones((3, 3, 3)))
    shaft = np.arange(placed.electrode.levels[0].middle, placed.electrode.levels[3].middle, 0.5)
    assert len(np.unique(values(blobs, grid, placed.curve.at(shaft)))) == 1
    if placed.marker is not None and (grid.voxel(placed.marker) < np.array(grid.shape) - 2).all():
        assert values(hu, grid, placed.marker[None])[0] > METAL


@pytest.fixture(scope="module")
def bowed():
    """A curved, oblique lead in noise on a tilted grid, on an extended scale."""
    plan = LeadPlan("one", "Medtronic 3387", "left", (-9, -6, -20), (-30, 26, 46), 0.0, 3.0, 120.0)
    straight = Grid.tilted((72, 76, 70), (0.5, 0.5, 0.6))
    grid = Grid(straight.shape, rigid_motion((0, 9, -20), (-14, 3, 0)) @ straight.affine)
    hu = np.full(grid.shape, 35, np.float32)
    add_metal([lead_cloud(lead(plan))], grid, hu, fwhm=0.9, streaks=1.0, rng=np.random.default_rng(1))
    whole = stored(hu, grid, np.random.default_rng(2), fwhm=0.9, noise_hu=10.0, extended=True)
    return lead(plan), grid, whole.astype(np.float64)


def test_the_centroid_of_metal_follows_the_curved_trajectory(bowed):
    placed, grid, hu = bowed
    s = np.arange(2.0, 26.0, 0.5)
    offset = np.arange(-2.0, 2.01, 0.2)
    u, v = (placed.direction(s, np.full(len(s), angle))[:, None, None] for angle in (0.0, 90.0))
    plane = placed.curve.at(s)[:, None, None] + offset[:, None, None] * u + offset[None, :, None] * v
    seen = map_coordinates(hu, grid.voxel(plane.reshape(-1, 3)).T, order=1).reshape(plane.shape[:3])
    weight = np.clip(seen - 800, 0, None)
    off = [(weight * x).sum((1, 2)) / weight.sum((1, 2)) for x in (offset[:, None], offset[None, :])]
    assert np.hypot(*off).max() < 0.12
    assert abs(np.mean(off)) < 0.02


def test_the_profile_along_the_lead_peaks_at_the_contacts(bowed):
    placed, grid, hu = bowed
    s = np.arange(0.0, 15.0, 0.05)
    profile = map_coordinates(hu, grid.voxel(placed.curve.at(s)).T, order=3)
    profile = gaussian_filter1d(profile, 0.4 / 0.05)
    peaks, _ = find_peaks(profile, prominence=300)
    middles = [level.middle for level in placed.electrode.levels]
    np.testing.assert_allclose(s[peaks], middles, atol=0.25)


def test_contacts_are_brighter_than_the_gaps_between_them():
    placed = lead(LeadPlan("one", "Medtronic 3387", "right", (0, 0, -8), (0, 0, 70)))
    grid = Grid.tilted((30, 30, 60), (0.5, 0.5, 0.5))
    hu = np.full(grid.shape, 35, np.float32)
    splat(lead_cloud(placed), grid, 0.9, hu)
    middles = np.array([level.middle for level in placed.electrode.levels])
    contact, gap = (values(hu, grid, placed.curve.at(s)) for s in (middles, middles[:-1] + 1.5))
    assert contact.min() > 2 * gap.max()
    assert gap.min() > 1000


def test_splatting_keeps_what_the_lead_adds_and_its_centre():
    placed = lead(LeadPlan("one", "Medtronic 3389", "left", (1, 2, -20), (6, 9, 16)))
    grid = Grid.tilted((60, 60, 90), (0.5, 0.6, 0.5), tilt=12)
    hu = np.full(grid.shape, 35, np.float32)
    cloud = lead_cloud(placed)
    splat(cloud, grid, 0.9, hu)
    weight = (cloud.hu - 35) * cloud.volume
    added = (hu - 35).astype(np.float64)
    assert added.sum() * grid.voxel_volume == pytest.approx(weight.sum(), rel=3e-3)
    centre = (added[..., None] * grid.world(np.moveaxis(np.indices(grid.shape), 0, -1))).sum((0, 1, 2)) / added.sum()
    np.testing.assert_allclose(centre, (weight[:, None] * cloud.points).sum(0) / weight.sum(), atol=0.02)


def profile(placed, s, radius):
    """Return CT numbers on a circle about an upright lead, one a degree from the front, right-handed."""
    grid = Grid.tilted((48, 48, 64), (0.5, 0.5, 0.5))
    hu = np.full(grid.shape, 35, np.float32)
    add_metal([lead_cloud(placed)], grid, hu, fwhm=0.8, streaks=1.0, rng=np.random.default_rng(1))
    around = np.arange(360.0)
    heights = s + np.linspace(-0.6, 0.6, 5)
    points = [placed.curve.at(h) + radius * placed.direction(np.full(360, h), around) for h in heights]
    return np.mean([map_coordinates(hu, grid.voxel(p).T, order=1) for p in points], axis=0)


@pytest.mark.parametrize("rotation", [0.0, 35.0, 110.0, 200.0])
def test_streaks_about_the_marker_are_bright_along_its_direction(rotation):
    """The second harmonic of the circular profile, by which orientation is read from a CT, turns with the lead."""
    model = "Boston Scientific Vercise Directed DB-2202"
    placed = lead(LeadPlan("one", model, "right", (0, 0, -11), (0, 0, 70), rotation))
    around = profile(placed, placed.electrode.marker.centre, 3.0)
    harmonic = np.mean(around * np.exp(-2j * np.deg2rad(np.arange(360))))
    error = (-np.rad2deg(np.angle(harmonic)) / 2 - rotation + 90) % 180 - 90
    assert abs(error) < 8
    assert abs(harmonic) > 10


@pytest.mark.parametrize("rotation", [0.0, 35.0])
def test_three_segments_leave_three_wings(rotation):
    placed = lead(LeadPlan("one", "Abbott Infinity 6173", "right", (0, 0, -8), (0, 0, 70), rotation))
    around = profile(placed, placed.electrode.levels[1].middle, 1.0)
    harmonic = np.mean(around * np.exp(-3j * np.deg2rad(np.arange(360))))
    error = (-np.rad2deg(np.angle(harmonic)) / 3 - rotation + 60) % 120 - 60
    assert abs(error) < 8
    assert abs(harmonic) > 10


def test_streaks_are_dark_along_the_line_through_two_leads_and_stay_away_from_far_tissue():
    grid = Grid.tilted((120, 60, 24), (0.5, 0.5, 0.6))
    leads = [lead(LeadPlan(str(x), "Medtronic 3389", "right", (x, 0, -8), (x, 0, 70))) for x in (-12, 12)]
    hu = np.zeros(grid.shape, np.float32)
    for one in leads:
        splat(lead_cloud(one), grid, 0.9, hu)
    clean = hu.copy()
    hu = np.zeros(grid.shape, np.float32)
    add_metal([lead_cloud(one) for one in leads], grid, hu, fwhm=0.9, streaks=1.0, rng=np.random.default_rng(1))
    streak = hu - clean
    k = int(np.rint(grid.voxel(leads[0].level_centres[0])[2]))
    between, beside = streak[50:70, 29:31, k - 1 : k + 2], streak[50:70, 40:50, k - 1 : k + 2]
    assert between.mean() < -20
    assert abs(beside.mean()) < 0.5 * abs(between.mean())


def test_contacts_of_a_whole_head_lie_in_metal(scan):
    for placed in scan.truth.leads_in_ct:
        centres = np.array([contact.centre for contact in placed.contacts])
        assert map_coordinates(scan.hu.astype(float), scan.grid.voxel(centres).T, order=1).min() > METAL


def test_truth_in_the_ct_is_the_truth_in_the_head_moved(scan, plans):
    to_ct = scan.truth.to_ct
    for placed, seen, plan in zip(scan.truth.leads, scan.truth.leads_in_ct, plans, strict=True):
        assert placed.plan == plan
        np.testing.assert_allclose(placed.tip, plan.target)
        np.testing.assert_allclose(seen.tip, to_ct[:3, :3] @ np.array(plan.target) + to_ct[:3, 3])
    np.testing.assert_allclose(to_ct[:3, :3] @ to_ct[:3, :3].T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(scan.grid.axes[:, 2], (0, -np.sin(np.deg2rad(8)), np.cos(np.deg2rad(8))), atol=1e-9)


def test_every_label_has_its_number():
    assert set(HOUNSFIELD) == set(Label)


def test_tissues_have_their_numbers_and_the_noise_is_as_asked(body):
    plain = head_ct(body, (), dataclasses.replace(COARSE, streaks=0.0, noise_hu=8.0))
    to_ct = Grid(body.grid.shape, plain.truth.to_ct @ body.grid.affine)
    seen = transfer_labels(body.labels, to_ct, plain.grid, outside=Label.AIR)
    for tissue, hu in ((Label.WHITE_MATTER, 29), (Label.AIR, -1000)):
        assert np.median(plain.hu[seen == tissue]) == pytest.approx(hu, abs=1)
    x, y, z = (n // 2 for n in plain.grid.shape)
    core = plain.hu[x - 15 : x + 15, y - 15 : y + 15, z - 8 : z + 8]
    assert core.std() == pytest.approx(8, rel=0.08)
    assert plain.hu[seen == Label.BONE].mean() > 700
    assert plain.hu.min() >= -1024


def test_noise_has_its_spread_and_is_correlated_in_the_slice_only():
    grid = Grid.tilted((128, 128, 12), (0.5, 0.5, 0.6))
    even = np.full(grid.shape, 30, np.float32)
    noise, other = (
        stored(even, grid, np.random.default_rng(seed), fwhm=0.9, noise_hu=9.0, extended=False) - 30.0
        for seed in (4, 5)
    )
    assert noise.std() == pytest.approx(9, rel=0.01)
    beside, above = (np.mean(noise * np.roll(noise, 1, axis)) / noise.var() for axis in (0, 2))
    assert beside > 0.2
    assert abs(above) < 0.05
    assert abs(np.mean(other * noise)) < 1
    smooth = noise.reshape(8, 16, 8, 16, 12).mean((1, 3))
    assert smooth.std() < 9 / 16  # less than white noise would leave: low frequencies are missing


def test_same_seed_same_bytes_on_any_number_of_threads(body, plans, scan):
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        again = head_ct(body, plans, COARSE, shift=(3.0, 2.0), rng=5)
    finally:
        numba.set_num_threads(threads)
    assert again.hu.tobytes() == scan.hu.tobytes()


def test_air_is_black_and_its_volume_known(scan):
    volume = scan.truth.air.sum() * scan.grid.voxel_volume
    assert volume == pytest.approx(scan.truth.air_volume, rel=0.05)
    assert np.median(scan.hu[scan.truth.air]) < -600


def test_twelve_bits_cut_metal_off(body, plans):
    cut = head_ct(body, plans[:1], dataclasses.replace(COARSE, extended=False, noise_hu=0.0, streaks=0.0))
    assert cut.hu.max() == 3071
    assert (cut.hu == 3071).sum() > 5


def test_thick_slices_average(body, plans):
    thick = head_ct(body, plans, dataclasses.replace(COARSE, voxel_size=(1.1, 1.1, 3.0)))
    for placed in thick.truth.leads_in_ct:
        assert np.median(values(thick.hu, thick.grid, placed.level_centres)) > METAL


def test_the_headrest_lies_below_the_head_and_can_be_left_out(body):
    bare = dataclasses.replace(COARSE, noise_hu=0.0, streaks=0.0, gantry_tilt=0.0, headrest=False)
    without, with_rest = (head_ct(body, (), p) for p in (bare, dataclasses.replace(bare, headrest=True)))
    assert with_rest.grid.shape[1] > without.grid.shape[1]
    for scan, least, most in ((without, -1000, -900), (with_rest, -800, -300)):
        x, _, z = (n // 2 for n in scan.grid.shape)
        behind = scan.hu[x, : int(np.argmax(scan.hu[x, :, z] > -200)) - 3, z]
        assert least <= behind.max() < most


def test_rods_of_the_localiser_show_where_they_are(body):
    localiser = Localiser(POSE @ rigid_motion((2, 1, -3), (0, 5, 12)))
    framed = head_ct(body, (), COARSE, localiser=localiser)
    to_ct = framed.truth.to_ct
    along = np.linspace(0.1, 0.9, 25)[:, None]
    for start, end in localiser.ends @ to_ct[:3, :3].T + to_ct[:3, 3]:
        rod = start + along * (end - start)
        index = framed.grid.voxel(rod)
        seen = (index[:, 2] > 1) & (index[:, 2] < framed.grid.shape[2] - 2)
        assert seen.sum() > 10
        assert values(framed.hu, framed.grid, rod[seen]).min() > 350


def test_frame_coordinates_of_its_corners():
    localiser = Localiser(rigid_motion((2, 1, -3), (0, 5, 12)))
    right, left = localiser.coordinates(localiser.ends)[[0, 3], 0]
    np.testing.assert_allclose(right, (5, 160, 160), atol=1e-9)
    np.testing.assert_allclose(left, (195, 160, 160), atol=1e-9)


def test_a_real_ct_gets_leads_and_keeps_the_rest(shared_data):
    nib = pytest.importorskip("nibabel")
    image = nib.load(shared_data / "head-phantom-ct" / "S2030_bone_1mm_cropped_airclamped.nii.gz")
    hu = np.asarray(image.dataobj)[::3, ::3]
    grid = Grid(hu.shape, image.affine @ np.diag((3, 3, 1, 1)))
    middle = grid.world(np.argwhere(hu[::4, ::4, ::4] > 300).mean(0) * 4)
    shell, plans = Shell(hu > 300, grid, middle), []
    for side, sign in (("right", 1), ("left", -1)):
        target = middle + np.array([sign * 12, 0, -10])
        entry = shell.exit(target, Bearings(middle, *np.eye(3)).direction(sign * 0.3, 0.4, 0.85))
        plans.append(LeadPlan(side, "Medtronic 3389", side, tuple(target), tuple(entry)))
    result, leads = implant(hu, grid, plans, extended=True)
    for one in leads:
        seen = map_coordinates(result.astype(float), grid.voxel(one.level_centres).T, order=1)
        assert seen.min() > 500  # the phantom is filled with air
    far = np.argwhere(np.ones(hu.shape, bool))[::97]
    away = np.min([cKDTree(one.curve.points).query(grid.world(far))[0] for one in leads], axis=0) > 60
    np.testing.assert_array_equal(result[tuple(far[away].T)], hu[tuple(far[away].T)])


@pytest.mark.parametrize(("settings", "message"), [
    ({"voxel_size": (0.5, 0.5, -0.6)}, "voxel size .* -0.6"), ({"voxel_size": (0.5, 0.5)}, "voxel_size"),
    ({"fwhm": 0.0}, "fwhm = 0.0"), ({"noise_hu": -1.0}, "noise_hu"), ({"gantry_tilt": 50.0}, "gantry_tilt"),
    ({"rotation": (0.0, np.nan, 0.0)}, "rotation"), ({"streaks": np.inf}, "streaks"),
])
def test_a_hostile_protocol_is_named(settings, message):
    with pytest.raises(ParameterError, match=message):
        CtProtocol(**settings)


def test_crossing_leads_are_refused(body, plans):
    twin = dataclasses.replace(plans[0], name="twin")
    with pytest.raises(ParameterError, match="'STN_R' and 'twin' cross"):
        head_ct(body, [plans[0], twin], COARSE)


def test_a_volume_off_its_grid_or_without_bone_is_refused():
    grid = Grid.tilted((8, 8, 8))
    with pytest.raises(ShapeError, match="its grid is"):
        implant(np.zeros((4, 4, 4), np.int16), grid, ())
    with pytest.raises(ParameterError, match="no voxel above 300 HU"):
        implant(np.zeros(grid.shape, np.int16), grid, ())
