import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import fresnel
from xodr_text import document, geometry, lane, road, section

from drivelab.maps.opendrive import OpenDriveMap, parse_opendrive
from drivelab.maps.opendrive.geometry import ReferencePoses, reference_poses

REACH = 1e-6  # the accuracy that the geometry promises [m]


def one_road(shape: str, length: float, *, hdg: float = 0.0, sections: str = "") -> OpenDriveMap:
    sections = sections or section(right=lane(-1))
    plan = geometry(shape, length=length, hdg=hdg)
    return parse_opendrive(document(road("1", sections, plan, length=length)), "one")


def reference(found: OpenDriveMap, *s: float) -> ReferencePoses:
    return reference_poses(found.network.geometry, np.zeros(len(s), int), np.array(s))


def test_a_line_runs_along_its_heading() -> None:
    poses = reference(one_road("<line/>", 100.0, hdg=np.pi / 6), 0.0, 50.0)
    np.testing.assert_allclose(poses.x, [0.0, 50.0 * np.sqrt(3) / 2], atol=1e-12)
    np.testing.assert_allclose(poses.y, [0.0, 25.0], atol=1e-12)


def test_a_quarter_circle_ends_at_its_radius() -> None:
    poses = reference(one_road('<arc curvature="0.02"/>', 25 * np.pi), 25 * np.pi)
    values = [poses.x[0], poses.y[0], poses.heading[0], poses.curvature[0]]
    np.testing.assert_allclose(values, [50.0, 50.0, np.pi / 2, 0.02], atol=1e-9)


def test_a_spiral_from_straight_follows_the_fresnel_integrals() -> None:
    end, length = 0.05, 60.0
    s = np.linspace(0.0, length, 7)
    poses = reference(one_road(f'<spiral curvStart="0" curvEnd="{end}"/>', length), *s)
    scale = np.sqrt(np.pi * length / end)
    sine, cosine = fresnel(s / scale)
    np.testing.assert_allclose(poses.x, scale * cosine, atol=REACH)
    np.testing.assert_allclose(poses.y, scale * sine, atol=REACH)
    np.testing.assert_allclose(poses.heading, end * s**2 / (2 * length), atol=1e-12)


def test_a_spiral_that_winds_many_times_stays_exact() -> None:
    length, end = 400.0, 0.5
    poses = reference(one_road(f'<spiral curvStart="0" curvEnd="{end}"/>', length), length)
    scale = np.sqrt(np.pi * length / end)
    sine, cosine = fresnel(length / scale)
    np.testing.assert_allclose([poses.x[0], poses.y[0]], [scale * cosine, scale * sine], atol=REACH)


@pytest.mark.parametrize("curvature", [0.0, 1e-9, -0.03])
def test_a_spiral_of_constant_curvature_is_an_arc(curvature: float) -> None:
    s = (0.0, 10.0, 37.5)
    arc = reference(one_road(f'<arc curvature="{curvature}"/>', 40.0), *s)
    shape = f'<spiral curvStart="{curvature}" curvEnd="{curvature}"/>'
    spiral = reference(one_road(shape, 40.0), *s)
    np.testing.assert_allclose([spiral.x, spiral.y], [arc.x, arc.y], atol=1e-9)


def parabola_length(u: np.ndarray) -> np.ndarray:
    """Arc length of v = 0.01 u^2 from 0."""
    w = 0.02 * u
    return (w * np.hypot(1, w) + np.arcsinh(w)) / 0.04


@pytest.mark.parametrize(
    "shape",
    [
        '<poly3 a="0" b="0" c="0.01" d="0"/>',
        '<paramPoly3 aU="0" bU="50" cU="0" dU="0" aV="0" bV="0" cV="25" dV="0"/>',
        '<paramPoly3 pRange="normalized" aU="0" bU="50" cU="0" dU="0" '
        'aV="0" bV="0" cV="25" dV="0"/>',
        '<paramPoly3 pRange="arcLength" aU="0" bU="{b}" cU="0" dU="0" '
        'aV="0" bV="0" cV="{c}" dV="0"/>',
    ],
)
def test_cubics_are_measured_by_their_arc_length(shape: str) -> None:
    u = np.array([0.0, 10.0, 33.0, 50.0])
    s = parabola_length(u)
    length = float(s[-1])
    shape = shape.format(b=50 / length, c=25 / length**2)
    poses = reference(one_road(shape, length), *s)
    np.testing.assert_allclose(poses.x, u, atol=REACH)
    np.testing.assert_allclose(poses.y, 0.01 * u**2, atol=REACH)
    np.testing.assert_allclose(poses.heading, np.arctan(0.02 * u), atol=1e-7)
    np.testing.assert_allclose(poses.curvature, 0.02 / np.hypot(1, 0.02 * u) ** 3, atol=1e-7)


curvatures = st.floats(-0.2, 0.2)


@settings(max_examples=40)
@given(start=curvatures, end=curvatures, length=st.floats(1.0, 200.0), share=st.floats(0.05, 0.95))
def test_position_heading_and_curvature_agree(
    start: float, end: float, length: float, share: float
) -> None:
    shape = f'<spiral curvStart="{start}" curvEnd="{end}"/>'
    found = one_road(shape, length)
    s, step = share * length, 1e-3
    before, here, after = (reference(found, s + k * step) for k in (-1, 0, 1))
    way = np.array([after.x - before.x, after.y - before.y])[:, 0] / (2 * step)
    np.testing.assert_allclose(way, [np.cos(here.heading[0]), np.sin(here.heading[0])], atol=1e-6)
    turn = (after.heading - before.heading) / (2 * step)
    np.testing.assert_allclose(turn, here.curvature, atol=1e-6)


TAPER = '<width sOffset="0" a="1" b="0" c="0.003" d="-0.00002"/>'


def test_lane_headings_are_those_of_the_lane_itself() -> None:
    sections = section(left=lane(1, inner=TAPER), right=lane(-1, inner=TAPER))
    found = one_road('<spiral curvStart="-0.02" curvEnd="0.03"/>', 90.0, sections=sections)
    s, step = np.linspace(1.0, 89.0, 23), 1e-4
    for number in (1, -1):
        lanes, roads = np.full(len(s), number), np.zeros(len(s), int)
        before, here, after = (found.poses(roads, lanes, s + k * step)[0] for k in (-1, 0, 1))
        way = (after - before)[:, :2] * (-1 if number > 0 else 1)
        turn = np.arctan2(way[:, 1], way[:, 0]) - here[:, 2]
        assert np.abs(np.arctan2(np.sin(turn), np.cos(turn))).max() < 1e-6


@settings(max_examples=40)
@given(start=st.floats(-0.1, 0.1), end=st.floats(-0.1, 0.1), length=st.floats(5.0, 80.0))
def test_polylines_stay_within_two_centimetres_of_the_curve(
    start: float, end: float, length: float
) -> None:
    found = one_road(f'<spiral curvStart="{start}" curvEnd="{end}"/>', length)
    line = found.lane_map.lanes["1/0/-1"].right_boundary
    assert line is not None
    s = np.linspace(0.0, length, 400)
    poses = reference(found, *s)
    edge = np.column_stack(
        [poses.x + 3.5 * np.sin(poses.heading), poses.y - 3.5 * np.cos(poses.heading)]
    )
    delta = np.diff(line, axis=0)
    reach = edge[:, None] - line[None, :-1]
    share = np.clip((reach * delta).sum(-1) / (delta * delta).sum(-1), 0, 1)
    gap = np.linalg.norm(reach - share[..., None] * delta, axis=-1).min(1)
    assert gap.max() < 0.02
