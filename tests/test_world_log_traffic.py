"""Logs as episodes: resampling, who repeats and who reacts, lanes and lines, real recordings."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from real_data import real_data
from world_actors import lane, road_map
from world_drives import check_finite, drive

from drivelab.data.labmini import LabminiSource
from drivelab.data.reallogs import RealLogsSource
from drivelab.data.recording import WindowShape
from drivelab.errors import ConfigError, DataError
from drivelab.geometry.polyline import arc_lengths, project
from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import arrays as a
from drivelab.sim.world.episode import Drive, Episode, Parked, Replay, Walk
from drivelab.sim.world.log_tracks import LONGEST_GAP, resample_ego, resample_tracks
from drivelab.sim.world.log_traffic import BEYOND, REACH, episode_from_scene
from drivelab.sim.world.log_ways import driven_lanes, lanes_beyond, recorded_path, way_on
from drivelab.sim.world.native import NativeWorld
from drivelab.types import Block, EgoTrajectory, Lane, LaneMap, Scene, Tracks

CAR = (4.5, 1.8)


def in_blocks(lanes: LaneMap) -> LaneMap:
    """The same map with one block per lane."""
    named = {key: replace(value, block=f"b/{key}") for key, value in lanes.lanes.items()}
    blocks = {
        value.block: Block(value.block, (key,), value.polygon) for key, value in named.items()
    }
    return LaneMap("hand", named, blocks, lanes.areas)


def beside(one: Lane, left: str | None = None, right: str | None = None) -> Lane:
    return replace(one, left=left, right=right)


# Two lanes eastwards; the right one goes on straight or to the right.
ROAD = in_blocks(
    road_map(
        beside(lane("right", [(0, 0), (100, 0)], successors=("on", "off")), left="left"),
        beside(lane("left", [(0, 3.5), (100, 3.5)], successors=("on_left",)), right="right"),
        lane("on", [(100, 0), (220, 0)], predecessors=("right",)),
        lane("on_left", [(100, 3.5), (220, 3.5)], predecessors=("left",)),
        lane("off", [(100, 0), (140, -6), (220, -60)], predecessors=("right",)),
    )
)


def scene_of(
    rows: dict[str, np.ndarray],
    *,
    dt: float = 0.5,
    frames: int = 21,
    now: int = 4,
    ego: np.ndarray | None = None,
    kinds: dict[str, str] | None = None,
    red: tuple[tuple[str, ...], ...] = (),
) -> Scene:
    """An ego at 8 m/s from x = 10 m, and tracks by their poses (NaN = not seen)."""
    seconds = dt * np.arange(frames)
    if ego is None:
        ego = np.column_stack([10.0 + 8.0 * seconds, 0 * seconds, 0 * seconds])
    ids = tuple(rows)
    poses = np.stack([rows[key] for key in ids], axis=1) if ids else np.zeros((frames, 0, 3))
    valid = np.isfinite(poses[..., 0])
    filled = np.where(valid[..., None], poses, 0.0)
    velocities = np.gradient(filled[..., :2], dt, axis=0)
    tracks = Tracks(
        ids,
        tuple((kinds or {}).get(key, "vehicle") for key in ids),
        np.tile(CAR, (len(ids), 1)).reshape(-1, 2),
        poses,
        np.where(valid[..., None], velocities, np.nan),
        valid,
        dt,
    )
    speed = np.gradient(ego[:, 0], dt)
    trajectory = EgoTrajectory(
        1_000_000 + np.round(seconds * 1e6).astype(np.int64),
        ego,
        np.column_stack([speed, 0 * speed]),
        np.zeros((frames, 2)),
    )
    route = ("b/right", "b/on")
    return Scene("s", "hand", "log", ROAD, trajectory, now, tracks, route, red)


def along(x0: float, speed: float, y: float = 0.0, frames: int = 21, dt: float = 0.5) -> np.ndarray:
    x = x0 + speed * dt * np.arange(frames)
    return np.column_stack([x, np.full(frames, y), np.zeros(frames)])


# Resampling -----------------------------------------------------------------------------------


def test_tracks_are_interpolated_to_ten_hertz() -> None:
    turning = along(50.0, 4.0)
    turning[:, 2] = wrap_angle(3.0 + 0.1 * np.arange(21))  # through the jump at pi
    tracks = resample_tracks(scene_of({"t": turning}), 0.0, 81)
    assert tracks.dt == 0.1
    assert tracks.valid.all()
    np.testing.assert_allclose(tracks.poses[:, 0, 0], 58.0 + 0.4 * np.arange(81), atol=1e-9)
    yaw = wrap_angle(3.4 + 0.02 * np.arange(81))
    np.testing.assert_allclose(wrap_angle(tracks.poses[:, 0, 2] - yaw), 0.0, atol=1e-9)
    np.testing.assert_allclose(tracks.velocities[:, 0], np.tile([4.0, 0.0], (81, 1)), atol=1e-9)


def test_short_gaps_are_bridged_long_ones_are_not() -> None:
    gone = along(50.0, 4.0)
    gone[8] = np.nan  # 1 s from the frame before to the one after
    gone[12:15] = np.nan  # 2 s
    once = np.full((21, 3), np.nan)
    once[10] = (70.0, 0.0, 0.0)
    tracks = resample_tracks(scene_of({"gone": gone, "once": once}), 0.0, 81)
    assert LONGEST_GAP == 1.0
    seconds = 0.1 * np.arange(81)
    inside = (seconds > 3.51) & (seconds < 5.49)  # frames 11 and 15 are 3.5 and 5.5 s after now
    np.testing.assert_array_equal(tracks.valid[:, 0], ~inside)
    np.testing.assert_array_equal(tracks.valid[:, 1], np.abs(seconds - 3.0) < 0.26)
    assert np.isnan(tracks.poses[inside, 0]).all()


def test_ten_hertz_recordings_stay_as_they_are() -> None:
    row = along(50.0, 4.0, frames=101, dt=0.1)
    scene = scene_of({"t": row}, dt=0.1, frames=101, now=20)
    tracks = resample_tracks(scene, 0.0, 81)
    np.testing.assert_allclose(tracks.poses[:, 0], row[20:], atol=1e-9)
    ego = resample_ego(scene, 0.0, 81)
    np.testing.assert_allclose(ego.poses, scene.ego.poses[20:], atol=1e-9)
    np.testing.assert_array_equal(ego.times, scene.ego.times[20:])


# Lanes and lines ------------------------------------------------------------------------------


def test_driven_lanes_hold_lane_changes_and_short_lanes() -> None:
    poses = along(20.0, 20.0, frames=50, dt=0.1)
    assert driven_lanes(ROAD, poses, 0.1) == (("right", "on"), True)
    change = poses.copy()
    change[20:, 1] = 3.5
    assert driven_lanes(ROAD, change, 0.1) == (("right", "left", "on_left"), True)
    off = poses.copy()
    off[20:, 1] = 30.0
    assert driven_lanes(ROAD, off, 0.1)[1] is False


def test_ways_go_on_along_the_route_or_straight() -> None:
    pose = np.array([90.0, 0.0, 0.0])
    assert lanes_beyond(ROAD, "right", pose, 50.0) == ("on",)
    assert lanes_beyond(ROAD, "right", pose, 50.0, ("b/off",)) == ("off",)
    assert lanes_beyond(ROAD, "right", pose, 5.0) == ()
    path = np.array([[80.0, 1.0], [90.0, 1.0]])
    line = way_on(ROAD, path, np.array([90.0, 1.0, 0.0]), ("right", "on"), 60.0)
    assert line[-1, 0] == pytest.approx(150.0)
    assert line[-1, 1] == pytest.approx(0.0, abs=1e-6)
    assert np.abs(np.diff(line[:, 1])).max() < 0.2
    free = way_on(ROAD, path, np.array([90.0, 1.0, 0.5]), (), 20.0)
    np.testing.assert_allclose(free[-1, :2], [90 + 20 * np.cos(0.5), 1 + 20 * np.sin(0.5)])


def test_a_recorded_path_leaves_out_what_standing_adds() -> None:
    rng = np.random.default_rng(0)
    poses = np.concatenate([along(0.0, 5.0), np.tile([50.0, 0.0, 0.0], (40, 1))])
    poses[21:, :2] += rng.normal(0.0, 0.05, (40, 2))
    path = recorded_path(poses)
    assert len(path) == 21
    assert arc_lengths(path)[-1] == pytest.approx(50.0)


# Episodes -------------------------------------------------------------------------------------


def mixed() -> Scene:
    late = along(20.0, 6.0, 3.5)
    late[:8] = np.nan
    return scene_of(
        {
            "leader": along(40.0, 8.0),
            "parked": along(60.0, 0.0, -4.0),
            "swerver": along(30.0, 7.0, 12.0),  # beside all lanes
            "late": late,
            "person": along(70.0, 0.3, 8.0),
            "far": along(400.0, 0.0),
            "ghost": along(10.5, 8.0),  # a box on the ego
        },
        kinds={"person": "pedestrian"},
    )


def test_replay_repeats_everybody_near() -> None:
    episode = episode_from_scene(mixed(), duration=8.0)
    names = {actor.id: actor for actor in episode.actors}
    assert set(names) == {"leader", "parked", "swerver", "late", "person"}
    assert all(isinstance(actor.motion, Replay) for actor in episode.actors)
    assert names["late"].pose[0] == pytest.approx(44.0)  # where it is seen first
    assert episode.expert is not None
    assert len(episode.expert) == 81
    assert episode.ego_speed == pytest.approx(8.0)
    assert REACH > 100.0


def test_reactive_traffic_keeps_parked_cars_and_drops_late_drivers() -> None:
    episode = episode_from_scene(mixed(), duration=8.0, traffic="reactive")
    names = {actor.id: actor.motion for actor in episode.actors}
    assert isinstance(names["parked"], Parked)
    assert isinstance(names["person"], Replay)
    assert "late" not in names
    leader, swerver = names["leader"], names["swerver"]
    assert isinstance(leader, Drive)
    assert leader.route[:2] == ("right", "on")
    assert isinstance(swerver, Walk)
    assert swerver.keeps_gap
    np.testing.assert_allclose(swerver.path[[0, -1], 0], [44.0, 100.0], atol=0.6)


def test_the_route_follows_the_recording_and_goes_on() -> None:
    episode = episode_from_scene(mixed(), duration=6.0)
    assert episode.route == ("right", "on")
    line = episode.route_line
    assert project(line, episode.ego_pose[:2])[1] < 1e-9
    assert arc_lengths(line)[-1] == pytest.approx(48.0 + BEYOND, abs=2.5)
    assert episode.history is not None
    assert episode.history.now == episode.history.frames - 1
    assert episode.history.time == mixed().time


def test_standing_egos_have_a_way_too() -> None:
    stands = scene_of({}, ego=np.tile([30.0, 0.4, 0.0], (21, 1)))
    episode = episode_from_scene(stands, duration=6.0)
    assert episode.route[0] == "right"
    assert arc_lengths(episode.route_line)[-1] > 90.0
    states = drive(NativeWorld([episode]), 2.0)
    assert states[-1].way_off[0, 0] == pytest.approx(0.0, abs=0.1)


def test_recorded_lights_hold_until_the_next_frame() -> None:
    red = tuple(("on",) if 6 <= i < 10 else ("nowhere",) if i == 12 else () for i in range(21))
    episode = episode_from_scene(scene_of({}, red=red), duration=6.0)
    assert episode.light_log is not None
    shown = [("on" in frame) for frame in episode.light_log.red]
    assert [i for i, on in enumerate(shown) if on] == list(range(10, 30))  # 1.0 to 3.0 s after now
    world = NativeWorld([episode])
    states = drive(world, 4.0)
    lit = [int(state.light[0, 0]) == a.RED for state in states]
    assert [i for i, on in enumerate(lit) if on] == list(range(10, 30))


def test_start_shifts_everything() -> None:
    episode = episode_from_scene(mixed(), duration=4.0, start=2.0)
    assert episode.ego_pose[0] == pytest.approx(10.0 + 8.0 * 4.0)
    assert episode.history is not None
    assert episode.history.time == mixed().time + 2_000_000
    leader = next(actor for actor in episode.actors if actor.id == "leader")
    assert leader.pose[0] == pytest.approx(40.0 + 8.0 * 4.0)


def test_what_the_recording_does_not_hold_is_refused() -> None:
    with pytest.raises(DataError, match="holds -2 to 8 s"):
        episode_from_scene(mixed(), duration=9.0)
    with pytest.raises(DataError, match="asked for 1 s from -3 s"):
        episode_from_scene(mixed(), duration=1.0, start=-3.0)
    with pytest.raises(ConfigError, match="did you mean 'reactive'"):
        episode_from_scene(mixed(), duration=1.0, traffic="reactiv")


def test_reactive_drivers_answer_the_ego_and_replayed_ones_do_not() -> None:
    """A follower of an ego that stops: it drives on as recorded, or it stops behind."""
    scene = scene_of({"behind": along(-10.0, 8.0)})

    def nearest(traffic: str) -> tuple[float, bool]:
        episode = episode_from_scene(scene, duration=8.0, traffic=traffic)
        world = NativeWorld([episode])
        states = []
        for _ in range(80):
            world.step(np.array([[[-3.0 if world.state.speed[0, 0] > 0.3 else 0.0, 0.0]]]))
            states.append((float(world.state.x[0, 1]), bool(world.state.flags[0, 0] & a.COLLISION)))
        return states[-1][0] - float(world.state.x[0, 0]), any(hit for _, hit in states)

    gap, hit = nearest("replay")
    assert gap > 0.0
    assert hit
    gap, hit = nearest("reactive")
    assert gap < -4.5
    assert not hit


def test_embedded_scenes_become_episodes() -> None:
    source = LabminiSource()
    for name in source.scene_ids()[::40]:
        for traffic in ("replay", "reactive"):
            episode = episode_from_scene(source.load(name), duration=5.0, traffic=traffic)
            drive(NativeWorld([episode]), 1.0)


# Real logs ------------------------------------------------------------------------------------


@lru_cache(1)
def real_scenes() -> list[Scene]:
    """10 s of every third log."""
    source = RealLogsSource(real_data("real_logs"), WindowShape(20, 80, 10**6))
    return [source.load(name) for name in source.scene_ids()[::3]]


def real_episodes(traffic: str) -> list[Episode]:
    return [episode_from_scene(scene, duration=8.0, traffic=traffic) for scene in real_scenes()]


@pytest.mark.data
def test_replayed_real_logs_are_what_was_recorded() -> None:
    for episode in real_episodes("replay"):
        assert episode.log is not None
        world = NativeWorld([episode])
        origin = world.bank.origins[0]
        expert, rear = episode.expert, episode.vehicle.rear_axle_to_center
        assert expert is not None
        for frame in range(1, 81):
            world.step_poses(expert.poses[frame][None, None])
            state, log = world.state, episode.log
            there = state.mode[0, 1:] == a.REPLAY
            np.testing.assert_array_equal(there, log.valid[frame])
            found = np.column_stack([state.x[0, 1:], state.y[0, 1:]])[there] + origin
            np.testing.assert_allclose(found, log.poses[frame, there, :2], atol=1e-6)
            pose = expert.poses[frame]
            centre = pose[:2] + rear * np.array([np.cos(pose[2]), np.sin(pose[2])]) - origin
            np.testing.assert_allclose([state.x[0, 0], state.y[0, 0]], centre, atol=1e-6)
            assert abs(state.way_off[0, 0]) < 1.5
            check_finite(state)


@pytest.mark.data
def test_reactive_traffic_in_real_logs_stays_near_what_was_recorded() -> None:
    drivers, met, offsets = 0, 0, []
    for episode in real_episodes("reactive"):
        world = NativeWorld([episode])
        expert, log = episode.expert, episode.log
        assert expert is not None
        assert log is not None
        moving = [
            slot
            for slot, actor in enumerate(episode.actors, start=1)
            if isinstance(actor.motion, Drive | Walk)
        ]
        before = world.state.x[0].copy(), world.state.y[0].copy()
        for frame in range(1, 81):
            world.step_poses(expert.poses[frame][None, None])
            check_finite(world.state)
            here = world.state.x[0], world.state.y[0]
            steps = np.hypot(here[0] - before[0], here[1] - before[1])[moving]
            there = world.state.mode[0, moving] != a.ABSENT
            assert np.all(steps[there] < 3.5)  # nobody jumps
            before = here[0].copy(), here[1].copy()
        drivers += len(moving)
        met += sum(bool(world.state.flags[0, slot] & a.COLLISION) for slot in moving)
        place = {name: k for k, name in enumerate(log.ids)}
        for slot in moving:
            actor = episode.actors[slot - 1]
            track = log.poses[:, place[actor.id], :2]
            seen = track[np.isfinite(track[:, 0])]
            origin = world.bank.origins[0]
            end = np.array([world.state.x[0, slot], world.state.y[0, slot]]) + origin
            offsets.append(np.hypot(*(seen - end).T).min())
    assert drivers > 30
    assert met < 0.1 * drivers  # they keep apart at the end
    assert np.median(offsets) < 2.0, np.median(offsets)  # and drive where the recording drove
