"""Our OpenDRIVE maps against those of the `carla` wheel, which works without a simulator."""

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from real_data import real_data
from xodr_text import crossing

from drivelab.geometry.poses import wrap_angle
from drivelab.maps.opendrive import OpenDriveMap, parse_opendrive, read_opendrive, write_opendrive
from drivelab.maps.opendrive.lane_poses import carla_headings
from drivelab.maps.towns import TOWNS, read_xodr, town_file
from drivelab.sim.generator.families import FAMILIES
from drivelab.types import AreaKind

pytestmark = [
    pytest.mark.carla,
    pytest.mark.skipif(find_spec("carla") is None, reason="pip install 'drivelab[carla]'"),
]

DRAWS = 2000
POSITION = 0.05  # [m]
HEADING = np.deg2rad(0.5)
LARGE = ("Town11", "Town12", "Town13")
PROBE = Path(__file__).parent / "support" / "carla_probe.py"
Edges = set[tuple[tuple[int, ...], tuple[int, ...]]]


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Places to ask for: rows of roads, lane ids, s."""

    road: np.ndarray
    lane: np.ndarray
    s: np.ndarray


def draw(found: OpenDriveMap, count: int, seed: int) -> Draws:
    """Uniform draws from our lanes; a fifth goes past an end or to a lane that may be absent."""
    rng, network = np.random.default_rng(seed), found.network
    rows = np.array([found.rows[name] for name in found.lane_map.lanes])
    row = rows[rng.integers(len(rows), size=count)]
    section = network.lane_section[row]
    start, end = network.sections.s[section], network.section_end[section]
    s = start + rng.random(count) * (end - start)
    road, lane = network.lane_road[row], network.lane_id[row].copy()
    fate = rng.random(count)
    past = fate < 0.1
    s[past] = network.length[road[past]] + rng.choice([-1e-2, 1e-2, 0.5, 30.0], past.sum())
    astray = (fate >= 0.1) & (fate < 0.2)
    lane[astray] += rng.choice([-5, -2, -1, 1, 2, 5], astray.sum())
    lane[lane == 0] = 99  # CARLA has poses of the centre line, which is no lane
    return Draws(road, lane, np.maximum(s, 0.0))


def ask_carla(
    xodr: bytes, found: OpenDriveMap, draws: Draws, folder: Path
) -> dict[str, np.ndarray]:
    numbers = np.array([int(name) for name in found.network.road_ids])
    (folder / "map.xodr").write_bytes(xodr)
    np.savez(folder / "ask.npz", road=numbers[draws.road], lane=draws.lane, s=draws.s)
    names = [str(folder / name) for name in ("map.xodr", "ask.npz", "answer.npz")]
    subprocess.run([sys.executable, str(PROBE), *names], check=True, timeout=300)
    with np.load(folder / "answer.npz") as answer:
        return dict(answer)


def check_poses(found: OpenDriveMap, draws: Draws, carla_poses: np.ndarray) -> None:
    poses, exist = found.poses(draws.road, draws.lane, draws.s)
    theirs = np.isfinite(carla_poses[:, 0])
    np.testing.assert_array_equal(exist, theirs)
    assert (~exist).sum() > 0.05 * len(exist)
    ours, theirs_here = poses[exist], carla_poses[exist] * [1.0, -1.0, -1.0]
    assert np.hypot(*(ours - theirs_here)[:, :2].T).max() < POSITION
    network = found.network
    section = network.sections.find(draws.road[exist], draws.s[exist])
    row = network.lane_row(section, draws.lane[exist])
    theirs_yaw = np.deg2rad(theirs_here[:, 2])
    by_their_rule = carla_headings(network, row, draws.s[exist])
    assert np.abs(wrap_angle(by_their_rule - theirs_yaw)).max() < HEADING
    # Ours follow the lane's true direction; the two part only where lanes fan out.
    assert np.mean(np.abs(wrap_angle(ours[:, 2] - theirs_yaw)) < HEADING) > 0.95


def our_topology(found: OpenDriveMap) -> tuple[Edges, set[tuple[int, ...]]]:
    """Edges between driving lanes, and lanes that lead nowhere."""
    network = found.network
    edges, ends = set(), set()
    for name, lane in found.lane_map.lanes.items():
        if network.lane_type[found.rows[name]] != "driving":
            continue
        here = tuple(map(int, name.split("/")))
        if not lane.successors:
            ends.add(here)
        edges |= {(here, tuple(map(int, after.split("/")))) for after in lane.successors}
    return edges, ends


def check_topology(found: OpenDriveMap, topology: np.ndarray) -> None:
    """CARLA pairs a lane that leads nowhere with itself or its namesake in the next section."""
    ours, ends = our_topology(found)
    theirs = {(tuple(row[:3]), tuple(row[3:])) for row in topology.tolist()}
    for start, stop in sorted(theirs - ours):
        assert start in ends
        assert (start[0], start[2]) == (stop[0], stop[2])
        ends.discard(start)
    assert ours <= theirs


@pytest.mark.data
@pytest.mark.parametrize(
    "town",
    [pytest.param(t, marks=pytest.mark.slow) if t in LARGE else t for t in TOWNS],
)
def test_a_town_is_carlas(town: str, tmp_path: Path) -> None:
    xodr = read_xodr(town_file(town, real_data("carla")))
    found = parse_opendrive(xodr, town)
    draws = draw(found, DRAWS, seed=TOWNS.index(town))
    answer = ask_carla(xodr, found, draws, tmp_path)
    check_poses(found, draws, answer["poses"])
    check_topology(found, answer["topology"])


@pytest.mark.data
def test_crosswalks_are_carlas_where_roads_have_no_lane_offset(tmp_path: Path) -> None:
    """With an offset CARLA moves them by it, against the standard."""
    xodr = read_xodr(town_file("Town10HD", real_data("carla")))
    found = parse_opendrive(xodr, "Town10HD")
    answer = ask_carla(xodr, found, draw(found, 1, 0), tmp_path)
    areas = [a for a in found.lane_map.areas if a.kind is AreaKind.CROSSWALK]
    ours = np.concatenate([np.array(a.polygon.exterior.coords)[:, :2] for a in areas])
    theirs = answer["crosswalks"] * [1.0, -1.0]
    gap = np.linalg.norm(theirs[:, None] - ours[None], axis=-1).min(1)
    assert len(theirs) == 80
    assert gap.max() < 0.01


@pytest.mark.parametrize("family", ["curve", "merge", "four_way", "roundabout"])
def test_carla_reads_what_we_write_as_we_do(family: str, tmp_path: Path) -> None:
    lane_map = FAMILIES[family](np.random.default_rng(5)).map
    names = write_opendrive(lane_map, tmp_path / "written.xodr")
    found = read_opendrive(tmp_path / "written.xodr")
    draws = draw(found, 200, seed=1)
    answer = ask_carla((tmp_path / "written.xodr").read_bytes(), found, draws, tmp_path)
    check_poses(found, draws, answer["poses"])
    check_topology(found, answer["topology"])
    written = {(names[a], names[b]) for a in names for b in lane_map.lanes[a].successors}
    assert {("/".join(map(str, a)), "/".join(map(str, b))) for a, b in our_topology(found)[0]} == (
        written
    )


def test_the_hand_made_crossing_is_carlas(tmp_path: Path) -> None:
    found = parse_opendrive(crossing(), "x")
    draws = draw(found, 200, seed=2)
    answer = ask_carla(crossing(), found, draws, tmp_path)
    check_poses(found, draws, answer["poses"])
    check_topology(found, answer["topology"])
