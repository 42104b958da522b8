"""A place made of Gaussians with everybody who is in it: built once, looked at many times."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from drivelab.errors import DataError
from drivelab.sim.sensors.camera import camera_frame, form
from drivelab.sim.sensors.kept_streets import kept_street
from drivelab.sim.sensors.lidar import sweep
from drivelab.sim.sensors.lidar_world import LidarWorld, lidar_world, with_actors
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.rig import Rig, load_rig, rig_cameras
from drivelab.sim.splats.assets import ROLES, asset
from drivelab.sim.splats.collision import StaticCollision, StaticWatch, collision_points
from drivelab.sim.splats.compose import compose
from drivelab.sim.splats.edit import crop_scene
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.look import Views, look
from drivelab.sim.splats.scene import Actor, Moment, Splats, SplatScene
from drivelab.sim.splats.shown_by_file import shown_by_file
from drivelab.sim.splats.street import BUDGET, build_street
from drivelab.types import CameraFrame, LaneMap, VehicleParameters

SHORT = 300_000  # Gaussians of streets that are drawn whole
SIGHT, STRIDE = 120.0, 20.0  # of a longer one, what is drawn about the ego, and for how far [m]
KEPT = 96  # pictures and sweeps that a stage remembers
STREETS = 4  # streets that a process remembers
# HUGSIM's 100 Gaussians are those of trained scenes. Ours are larger and lie on surfaces: a pole
# has about 10 at the height of a car, and where nothing stands there is none.
STREET_RULE = StaticCollision(count=5)
BESIDE = 30.0  # how far all of a file's Gaussians may be from the way [m]
_streets: OrderedDict[Hashable, SplatScene] = OrderedDict()


class Stage:
    """The surroundings of one episode, its rig and its cast.

    The street is built at the first look. Actors get their shape when they first appear and keep
    it: kind, size and role choose it, the id its colours.

    Attributes:
        rendering: how it is shown.
        rig: its cameras and lidars.
    """

    def __init__(
        self,
        lane_map: LaneMap,
        line: Float[np.ndarray, "m k"],
        rendering: Rendering,
        *,
        roles: Mapping[str, str] | None = None,
        looks: Mapping[str, str] | None = None,
        licence: str = "",
    ) -> None:
        self.rendering, self.rig = rendering, stage_rig(rendering)
        self._map, self._line = lane_map, np.asarray(line, float)[:, :2]
        self._roles, self._looks, self._licence = roles or {}, looks or {}, licence
        self._actors: dict[tuple[str, tuple[float, ...]], Actor] = {}
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._part: tuple[np.ndarray, SplatScene] | None = None

    @cached_property
    def scene(self) -> SplatScene:
        """The street, without anybody."""
        how = self.rendering
        return _street(self._map, self._line, how, self._licence, self.rig.gaussians)

    def around(self, place: Float[np.ndarray, "2"]) -> SplatScene:
        """The street, or of a long one what lies within `SIGHT` of a place of its frame.

        The same part serves until the place is `STRIDE` away.
        """
        if len(self.scene.static) <= SHORT:
            return self.scene
        if self._part is None or float(np.hypot(*(self._part[0] - place))) > STRIDE:
            self._part = place.copy(), crop_scene(self.scene, place[None], SIGHT + STRIDE)
        return self._part[1]

    @cached_property
    def lidar_world(self) -> LidarWorld:
        """What lidar beams meet of the street."""
        return lidar_world(self.scene)

    def static_watch(self, vehicle: VehicleParameters) -> StaticWatch:
        """Looks for contacts of the ego with the street itself, by HUGSIM's rule."""
        rule = StaticCollision() if self.rendering.street else STREET_RULE
        return StaticWatch(collision_points(self.scene, rule), vehicle)

    def cast(
        self,
        ids: Sequence[str],
        kinds: Sequence[str],
        sizes: Float[np.ndarray, "n 2"],
        poses: Float[np.ndarray, "n 3"],
        there: Bool[np.ndarray, " n"],
    ) -> tuple[dict[str, Actor], dict[str, Float[np.ndarray, "4 4"]]]:
        """Actors and their poses in the scene's frame, of boxes on the map at one moment."""
        actors: dict[str, Actor] = {}
        placed: dict[str, np.ndarray] = {}
        for n in np.flatnonzero(there).tolist():
            name = ids[n]
            actors[name] = self._actor(name, kinds[n], sizes[n])
            placed[name] = self.from_map(poses[n])
        return actors, placed

    def signals(self, red: Sequence[str], yellow: Sequence[str] = ()) -> dict[str, str]:
        """What the lights of the map show: green unless a connector is named.

        Maps may say of a connector that it has lights without naming its group.
        """
        groups = self._map.control.signal_groups.values()
        lit = [lane.id for lane in self._map.lanes.values() if lane.has_traffic_lights]
        shown = dict.fromkeys([*lit, *(lane for group in groups for lane in group)], "green")
        shown.update(dict.fromkeys(yellow, "yellow"))
        shown.update(dict.fromkeys(red, "red"))
        return shown

    def from_map(self, pose: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
        """A pose x, y, yaw on the map as a matrix in the scene's frame, on the ground."""
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        on_map = np.eye(4)
        on_map[:2, :2] = [[cos, -sin], [sin, cos]]
        on_map[:2, 3] = pose[:2]
        found: np.ndarray = np.linalg.inv(self.scene.map_from_scene) @ on_map
        found[2, 3] = 0.0
        return found

    def remember(self, key: Hashable, make: Any) -> Any:
        """What was made under this key, or is made now."""
        if key not in self._kept:
            self._kept[key] = make()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def forget(self) -> None:
        """Let go of what is remembered."""
        self._kept.clear()

    def _actor(self, name: str, kind: str, size: Float[np.ndarray, "2"]) -> Actor:
        lengths = tuple(round(float(length), 2) for length in size)
        key = (name, lengths)
        if key not in self._actors and name in self._looks:
            length, width = lengths
            self._actors[key] = shown_by_file(self._looks[name], name, kind, (length, width))
        if key not in self._actors:
            role = self._roles.get(name, "")
            if ROLES.get(role) != kind:  # a child, a door: there is no shape of that name
                role = ""
            seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "little")
            self._actors[key] = asset(
                kind, lengths, role=role, id=name, seed=seed,
                weather=self.rendering.weather,
            )  # fmt: skip
        return self._actors[key]


class Shot:
    """One moment of a stage, seen from the ego.

    Args:
        stage: where.
        actors: who is there.
        moment: where they are and which lamps are lit.
        ego_pose: rear axle on the map.
        name: of the scene, which seeds noise.
        frame: number of the moment, which seeds noise and rain.
    """

    def __init__(
        self,
        stage: Stage,
        actors: Mapping[str, Actor],
        moment: Moment,
        ego_pose: Float[np.ndarray, "3"],
        *,
        name: str,
        frame: int,
    ) -> None:
        self.stage, self.moment = stage, moment
        self.scene_from_ego = stage.from_map(np.asarray(ego_pose, float))
        street = stage.around(self.scene_from_ego[:2, 3])
        self.scene: SplatScene = replace(street, actors=actors)
        self._name, self._frame = name, frame

    @cached_property
    def splats(self) -> Splats:
        """All Gaussians of the moment."""
        return compose(self.scene, self.moment)

    def camera(self, name: str) -> CameraFrame:
        """What one camera of the rig delivers."""
        return self.cameras((name,))[name]

    def cameras(self, names: Sequence[str]) -> dict[str, CameraFrame]:
        """What some cameras of the rig deliver."""
        found: dict[str, CameraFrame] = {}
        for group in rig_cameras(self.stage.rig, names, self.scene_from_ego):
            seen = look(self.scene, self.splats, group.cameras, frame=self._frame)
            for camera, picture in zip(group.names, seen.images, strict=True):  # type: ignore[arg-type]
                spec = self.stage.rig.camera(camera)
                image = form(picture, spec, scene=self._name, frame=self._frame)
                found[camera] = camera_frame(image, spec)
        return {name: found[name] for name in names}

    def targets(self, name: str) -> Views:
        """Depths and labels of one camera, of its undistorted picture: targets for training."""
        (group,) = rig_cameras(self.stage.rig, (name,), self.scene_from_ego)
        show = ("depths", "labels")
        return look(self.scene, self.splats, group.cameras, show=show, frame=self._frame)

    def lidar(self) -> np.ndarray:
        """The merged sweep (n, 6), see `SensorData.lidar`."""
        world = with_actors(self.stage.lidar_world, self.scene, self.moment)
        lidars = self.stage.rig.lidars.values()
        return sweep(lidars, world, self.scene_from_ego, scene=self._name, frame=self._frame)


def stage_rig(rendering: Rendering) -> Rig:
    """The rig of a rendering.

    Raises:
        ConfigError: there is none of that name.
    """
    return load_rig(rendering.rig, scale=rendering.scale)


def _street(
    lane_map: LaneMap, line: Float[np.ndarray, "m 2"], how: Rendering, licence: str, wanted: int
) -> SplatScene:
    """A street, from those that were built last where map, line and weather are the same.

    Raises:
        DataError: there is a file in its place which cannot be read, or is of another place.
    """
    digest = hashlib.sha256(line.tobytes())
    for lane in lane_map.lanes.values():
        digest.update(lane.id.encode() + np.ascontiguousarray(lane.centreline).tobytes())
    made_by = (how.weather, how.seed, licence, wanted)
    key = (digest.digest(), *made_by, _stamp(how.street))
    if key not in _streets:
        if how.street:
            _streets[key] = _stored(how.street, line)
        elif how.keep:
            digest.update(repr(made_by).encode())
            build = partial(_built, lane_map, line, how, licence, wanted)
            _streets[key] = kept_street(how.keep, digest.hexdigest(), build)
        else:
            _streets[key] = _built(lane_map, line, how, licence, wanted)
        while len(_streets) > STREETS:
            _streets.popitem(last=False)
    _streets.move_to_end(key)
    return _streets[key]


def _built(
    lane_map: LaneMap, line: Float[np.ndarray, "m 2"], how: Rendering, licence: str, wanted: int
) -> SplatScene:
    budget = (round(0.8 * wanted), round(1.2 * wanted)) if wanted else BUDGET
    return build_street(
        lane_map, route=line, weather=how.weather, seed=how.seed, budget=budget, licence=licence
    )


def _stored(file: str, line: Float[np.ndarray, "m 2"]) -> SplatScene:
    """The scene of a file; that of another place would show nothing."""
    scene = load_scene(file)
    pose = np.linalg.inv(scene.map_from_scene)
    local = line @ pose[:2, :2].T + pose[:2, 3]
    away, _ = cKDTree(scene.static.gaussians.means[:, :2]).query(local)
    if float(away.min()) > BESIDE:
        raise DataError(
            f"its Gaussians lie {away.min():.0f} m and more beside the way of this drive; expected "
            "a scene of the same place in the same map frame: reconstruct this clip",
            file=file,
        )
    return scene


def _stamp(file: str) -> tuple[str, int]:
    """Tells a file from what was there before under its name."""
    return file, Path(file).stat().st_mtime_ns if file and Path(file).is_file() else 0
