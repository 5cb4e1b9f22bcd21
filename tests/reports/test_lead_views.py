"""Leads in pictures and in three dimensions."""

import base64
import json

import numpy as np
import pytest
from matplotlib.image import imread

from qsmkit.grid import Grid
from qsmkit.io.dicom_out.surface import Surface
from qsmkit.leads.lead import LeadPlan, lead
from qsmkit.reports.html import environment
from qsmkit.reports.lead_views import Backdrop, lead_pictures
from qsmkit.reports.scene import scene, scene_markup, tube
from qsmkit.volume import Volume

GRID = Grid((50, 50, 50), np.array([[1.0, 0, 0, -25], [0, 1, 0, -25], [0, 0, 1, -25], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def right_lead():
    model = "Boston Scientific Vercise Directed DB-2202"
    return lead(LeadPlan("STN_R", model, "right", (8, -2, -6), (30, 30, 55), 40.0, 1.0, 30.0))


@pytest.fixture(scope="module")
def structures():
    places = GRID.world(np.moveaxis(np.indices(GRID.shape), 0, -1))
    balls = {"stn": ((10, 0, -3), 5), "nigra": ((8, -6, -9), 4)}
    return {name: np.linalg.norm(places - middle, axis=-1) < radius for name, (middle, radius) in balls.items()}


def test_both_pictures_are_drawn_and_say_what_grey_means(right_lead, structures):
    image = np.where(structures["stn"], 0.12, 0.0).astype(np.float32)
    image[:5] = np.nan
    backdrop = Backdrop.of(Volume(image, GRID, "ppm"), "Susceptibility", structures)
    through, eye = lead_pictures(backdrop, right_lead, planned=right_lead)
    for picture in (through, eye):
        path = picture.png
        assert path.startswith(b"\x89PNG")
        assert "ppm" in picture.caption
        assert "Green: planned" in picture.caption
    assert "STN_R" in through.title


def test_an_arrow_of_red_contacts_lies_where_the_lead_is(right_lead, structures, tmp_path):
    dark = Backdrop(np.zeros(GRID.shape, np.float32), GRID, "none", "1", (0, 1), {})
    eye = list(lead_pictures(dark, right_lead))[1]
    (tmp_path / "eye.png").write_bytes(eye.png)
    pixels = imread(tmp_path / "eye.png")
    red = (pixels[..., 0] > 0.8) & (pixels[..., 1] < 0.4) & (pixels[..., 2] < 0.4)
    first = np.argwhere(red[: pixels.shape[0] // 2, : pixels.shape[1] // 4])
    assert len(first) > 50, "a circle about the lead in the first view"


def test_a_tube_has_the_lead_s_width_and_faces_outwards(right_lead):
    made = tube(right_lead, 1.0, 20.0)
    assert made.volume == pytest.approx(np.pi * right_lead.electrode.radius**2 * 19, rel=0.03)
    patch = tube(right_lead, 1.0, 2.5, first=-45, width=90)
    (contact,) = (c for c in right_lead.contacts if c.name == "2A")
    level = right_lead.electrode.levels[contact.level]
    patch = tube(right_lead, level.bottom, level.top, first=level.segments[0].start, width=level.segments[0].width)
    outwards = (patch.vertices[:-2].mean(0) - right_lead.curve.at(level.middle)) @ contact.normal
    assert outwards > 0.7 * right_lead.electrode.radius


def test_the_scene_keeps_places_and_sides(right_lead, structures):
    content = scene(structures, GRID, [right_lead], [right_lead])
    names = [p["name"] for p in content["parts"]]
    assert names[:2] == ["stn", "nigra"]
    assert {"STN_R, lead", "STN_R, contacts", "STN_R, orientation marker", "STN_R, planned"} <= set(names)
    part = content["parts"][0]
    vertices = np.frombuffer(base64.b64decode(part["vertices"]), "<f4").reshape(-1, 3) + content["centre"]
    triangles = np.frombuffer(base64.b64decode(part["triangles"]), "<u4").reshape(-1, 3)
    assert vertices.mean(0) == pytest.approx((10, 0, -3), abs=0.3)
    volume = Surface(vertices.astype(float), triangles.astype(np.int64)).volume
    assert volume == pytest.approx(structures["stn"].sum(), rel=0.02)


def test_the_page_carries_the_viewer_and_no_markup_of_names(right_lead, structures):
    content = scene({"</script><b>": structures["stn"]}, GRID, [right_lead])
    page = environment().get_template("scene.html.j2").render(scene=scene_markup(content))
    assert page.count("</script>") == 2
    assert "http" not in page
    start = page.index('class="scene-data">') + len('class="scene-data">')
    assert json.loads(page[start : page.index("</script>")])["parts"][0]["name"] == "</script><b>"
    for letter in "RLAPSI":
        assert f"{letter}: [" in page
