"""Pictures of scenes: what stands where, in which colour, in PNG and SVG."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from golden_worlds import archive, golden_scene
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageColor
from reports_scenes import straight_scene, straight_states

from drivelab.errors import DataError
from drivelab.geometry.poses import compose
from drivelab.metrics.metric import Event
from drivelab.reports.bev import Overlay, draw_scene, scene_picture, scene_view
from drivelab.reports.event_words import event_text
from drivelab.reports.motion import states_at, tracks_at
from drivelab.reports.palette import STYLES, Theme, ramp_role
from drivelab.reports.shapes import SIDE
from drivelab.reports.shapes import Path as ShapePath
from drivelab.reports.svg import inline_svg
from drivelab.reports.view import View

TITLE = 42.0  # height of the strip above the map [picture units]
SIZE = 640  # pixels: one per picture unit


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def colour_at(image: np.ndarray, view: View, x: float, y: float) -> tuple[int, ...]:
    """Colour at a map point of a picture drawn at one pixel per unit."""
    column, row = view.points(np.array([x, y]))
    return tuple(int(v) for v in image[round(row + TITLE), round(column)])


def fill(role: str, theme: Theme = Theme.LIGHT) -> tuple[int, ...]:
    return ImageColor.getrgb(STYLES[theme][role].fill)[:3]


@pytest.mark.parametrize("theme", list(Theme))
def test_every_thing_has_its_colour_at_its_place(theme: Theme) -> None:
    scene = straight_scene()
    image = pixels(draw_scene(scene, size_px=SIZE, theme=theme))
    view = scene_view(scene, Overlay())
    # A little aside of centres, where headings and paths are drawn.
    assert colour_at(image, view, -0.6, 0.7) == fill("ego", theme)
    assert colour_at(image, view, 19.2, 3.9) == fill("vehicle", theme)
    assert colour_at(image, view, 15.0, -4.0) == fill("pedestrian", theme)
    assert colour_at(image, view, 12.0, -6.0) == fill("static", theme)
    assert colour_at(image, view, 25.0, -5.0) == fill("carpark", theme)
    assert colour_at(image, view, 30.0, 4.6) == fill("route", theme)
    assert colour_at(image, view, 10.0, 12.0) == fill("ground", theme)


def test_road_without_route_is_grey_and_a_box_that_left_is_not_drawn() -> None:
    scene = straight_scene()
    valid = scene.tracks.valid.copy()
    valid[scene.now, 0] = False
    scene = replace(scene, route=(), tracks=replace(scene.tracks, valid=valid))
    image = pixels(draw_scene(scene, size_px=SIZE))
    view = scene_view(scene, Overlay())
    assert colour_at(image, view, 19.2, 4.3) == fill("road")


def test_plan_and_states_are_drawn_where_they_are() -> None:
    scene = straight_scene()
    plan = np.column_stack([4.0 * np.arange(1, 9), np.full(8, 1.2), np.zeros(8)])
    overlay = Overlay(plan, straight_states())
    image = pixels(draw_scene(scene, plan=plan, states=overlay.states, size_px=SIZE))
    view = scene_view(scene, overlay)
    assert colour_at(image, view, 16.0, 1.2) == fill("plan_dot")
    end = ImageColor.getrgb(STYLES[Theme.LIGHT][ramp_role(0.99)].stroke)
    assert colour_at(image, view, 31.0, 0.0) == end


def test_first_infraction_is_marked_at_its_state_and_not_a_later_one() -> None:
    scene = straight_scene()
    events = (Event("off_road", 35), Event("collision", 20, "car", "side", -0.4))
    overlay = Overlay(states=straight_states(), events=events)
    picture = scene_picture(scene, overlay)
    rings = [shape for shape in picture.shapes if shape.role == "event"]
    where = scene_view(scene, overlay).points(np.array([16.0, 0.0]))
    assert len(rings) == 1
    assert (rings[0].x, rings[0].y) == pytest.approx(tuple(where))
    words = [shape.text for shape in picture.shapes if shape.role == "event_text"]
    assert words == ["collision at 2.0 s", "car", "margin -0.40 m"]
    actor = [s for s in picture.shapes if s.role == "event_actor" and "car" in s.title]
    # The car drives at 4 m/s from x = 20.
    centre = scene_view(scene, overlay).points(np.array([28.0, 3.5]))
    assert np.allclose(actor[0].parts[0].mean(0), centre, atol=0.5)


def test_event_in_words() -> None:
    event = Event("ttc", 7, "car", "ahead_of_us", -0.126)
    assert event_text(event) == (
        "time to collision too short at 0.7 s with car (ahead of us), margin -0.13 m"
    )
    assert event_text(Event("off_road", 23, margin=-0.0034)) == (
        "off the drivable area at 2.3 s, margin -0.003 m"
    )
    assert event_text(Event("red_light", 26, "x0to2")) == "ran a red light at 2.6 s on x0to2"
    assert event_text(Event("new_rule", 0)) == "new rule at 0.0 s"


def test_red_light_is_drawn_only_while_red() -> None:
    scene = straight_scene()
    lights = [()] * scene.frames
    lights[scene.now + 1] = ("right",)
    later = replace(scene, red_lights=tuple(lights))
    assert "red_light" not in scene_picture(later, Overlay()).roles()
    now = replace(scene, red_lights=(*lights[1:], ()))
    red = [s for s in scene_picture(now, Overlay()).shapes if s.role == "red_light"]
    column = scene_view(scene, Overlay()).points(np.zeros(2))[0]
    assert [np.allclose(part[:, 0], column) for part in red[0].parts] == [True]


@pytest.mark.parametrize("index", range(len(archive().scenes)))
def test_svg_of_a_golden_scene_is_small_and_stays_in_its_window(index: int) -> None:
    scene = golden_scene(index)
    picture = scene_picture(scene, Overlay())
    text = inline_svg(picture)
    assert len(text.encode()) < 40_000
    ElementTree.fromstring(text)
    for shape in picture.shapes:
        if isinstance(shape, ShapePath):
            points = np.concatenate(shape.parts)
            assert points.min() > -60
            assert points.max() < SIDE + 60
    assert {"road", "route", "ego"} <= picture.roles()


def test_svg_boxes_stand_where_the_png_has_them() -> None:
    scene = straight_scene()
    root = ElementTree.fromstring(inline_svg(scene_picture(scene, Overlay())))
    car = next(
        path
        for path in root.iter("path")
        if [t.text for t in path.iter("title")] == ["vehicle car"]
    )
    numbers = [float(v) for v in re.findall(r"-?[\d.]+", car.attrib["d"])]
    ring = np.cumsum(np.array(numbers).reshape(-1, 2), axis=0)
    expected = scene_view(scene, Overlay()).points(np.array([20.0, 3.5]))
    assert np.allclose(ring.mean(0), expected, atol=0.15)


def test_svg_escapes_foreign_names() -> None:
    scene = straight_scene("<script>alert(1)</script>")
    text = inline_svg(scene_picture(scene, Overlay()))
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_files_are_written_by_their_ending(tmp_path: Path) -> None:
    scene = straight_scene()
    png, svg = tmp_path / "new" / "a.png", tmp_path / "a.svg"
    assert draw_scene(scene, png) == png.read_bytes()
    draw_scene(scene, svg, theme=Theme.DARK)
    assert Image.open(png).width == 960
    root = ElementTree.parse(svg).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert STYLES[Theme.DARK]["ground"].fill in svg.read_text()


@pytest.mark.parametrize(
    ("name", "array"),
    [("plan", np.zeros((8, 2))), ("states", np.zeros((41, 3))), ("reference", np.zeros((0, 3)))],
)
def test_arrays_of_a_wrong_shape_are_named(name: str, array: np.ndarray) -> None:
    with pytest.raises(DataError, match=rf"scene hand: {name} has shape \({array.shape[0]}, "):
        draw_scene(straight_scene(), **{name: array})


@given(
    x=st.floats(-4e6, 4e6),
    y=st.floats(-4e6, 4e6),
    yaw=st.floats(-3.14, 3.14),
    ahead=st.floats(0, 40),
)
def test_a_moved_world_gives_the_same_picture_coordinates(
    x: float, y: float, yaw: float, ahead: float
) -> None:
    here = View(np.zeros(3), (10.0, 0.0), 60.0)
    there = View(np.array([x, y, yaw]), (10.0, 0.0), 60.0)
    point = np.array([ahead, 3.0, 0.0])
    moved = compose(np.array([x, y, yaw]), point)
    assert np.allclose(here.points(point[:2]), there.points(moved[:2]), atol=1e-5)


def test_forward_is_up_and_left_is_left() -> None:
    view = View(np.array([100.0, 50.0, np.pi / 2]), (0.0, 0.0), 64.0)
    assert np.allclose(view.points(np.array([100.0, 60.0])), [320, 220])
    assert np.allclose(view.points(np.array([90.0, 50.0])), [220, 320])


def test_boxes_and_states_between_frames() -> None:
    scene = straight_scene()
    poses, present = tracks_at(scene, 1.25)
    assert poses[0] == pytest.approx([25.0, 3.5, 0.0])
    assert present.all()
    states = straight_states()
    states[:, 2] = np.linspace(3.1, 3.1 + 0.4, 41)
    states[:, 2] = np.arctan2(np.sin(states[:, 2]), np.cos(states[:, 2]))
    row = states_at(states, 0.45)
    assert row[0] == pytest.approx(3.6)
    assert np.cos(row[2] - 3.145) == pytest.approx(1.0)
    assert states_at(states, 99.0)[0] == pytest.approx(32.0)
