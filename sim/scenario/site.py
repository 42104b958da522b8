"""Where a scenario happens: a map with names for its lanes, lights, crossings and bays."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path as FilePath

import numpy as np
from jaxtyping import Float

from drivelab.errors import DrivelabError
from drivelab.geometry.poses import wrap_angle
from drivelab.maps.index import Layer, objects_near
from drivelab.sim.scenario.lane_line import LaneLine, lane_line
from drivelab.sim.scenario.map_choice import AnyMap, LogMap, OpenDriveMap, TemplateMap, TownMap
from drivelab.sim.scenario.problems import Misfit, Path, did_you_mean
from drivelab.sim.scenario.templates import RoadTemplate, build_template
from drivelab.types import LaneMap, Scene

LANE_REACH = 3.0  # a pose this far from a centreline is still on that lane [m]
LANE_ANGLE = np.pi / 3  # and turned against it by less than this [rad]
_SHOWN = 12  # names listed in a message


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A map as scenarios speak of it; see `templates.template` for the names."""

    map: LaneMap
    name: str
    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    routes: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()  # connectors that are green together
    junctions: tuple[str, ...] = ()  # of each group; the groups of a junction take turns
    stop_signs: tuple[str, ...] = ()  # lanes at whose end one must stop
    yield_signs: tuple[str, ...] = ()
    crossings: Mapping[str, Float[np.ndarray, "n 3"]] = field(default_factory=dict)
    pavements: Mapping[str, Float[np.ndarray, "n 3"]] = field(default_factory=dict)
    parking: Mapping[str, Float[np.ndarray, "k 3"]] = field(default_factory=dict)
    log: Scene | None = None  # the recorded scene, for maps of logs
    town: TownMap | None = None

    def line(self, lane: int | str, path: Path) -> LaneLine:
        """The lanes that a name means.

        Raises:
            Misfit: no chain and no lane of that name.
        """
        name = str(lane)
        if name in self.chains:
            return lane_line(self.map, self.chains[name])
        if name in self.map.lanes:
            return lane_line(self.map, (name,))
        known = list(self.chains) or [key for key in self.map.lanes]
        hint = did_you_mean(name, known if len(known) <= _SHOWN else known[:_SHOWN])
        raise Misfit(path, f"the map {self.name} has no lane `{name}`{hint}")

    def lane_at(
        self, pose: Float[np.ndarray, "3"], prefer: Collection[str] = ()
    ) -> tuple[str, float] | None:
        """The lane under a pose and the distance along it; None where no lane runs its way.

        Lanes of `prefer` win where they are there at all.
        """
        best: tuple[float, str, float] | None = None
        for layer in (Layer.LANE, Layer.LANE_CONNECTOR):
            for name in objects_near(self.map, layer, pose[:2], LANE_REACH):
                line = lane_line(self.map, (name,))
                s, gap = line.nearest(pose)
                turned = abs(float(wrap_angle(line.pose(s)[2] - pose[2])))
                if gap < LANE_REACH and turned < LANE_ANGLE:
                    cost = gap + 2.0 * turned + (0.5 if layer is Layer.LANE_CONNECTOR else 0.0)
                    cost -= 10.0 if name in prefer else 0.0
                    if best is None or cost < best[0]:
                        best = (cost, name, s)
        return None if best is None else (best[1], best[2])


def load_site(choice: str | AnyMap, folder: FilePath | None = None) -> Site:
    """Load or build the map that a scenario names.

    Args:
        choice: what stands under `map`.
        folder: the scenario's folder; OpenDRIVE files are looked for below it.

    Raises:
        Misfit: it cannot be had; the text says why.
    """
    try:
        if isinstance(choice, str):
            return _of_template(build_template(choice))
        if isinstance(choice, TemplateMap):
            return _of_template(build_template(choice.template, choice.parameters))
        if isinstance(choice, OpenDriveMap):
            return _of_file(choice.opendrive, folder)
        if isinstance(choice, TownMap):
            return _of_town(choice)
        assert isinstance(choice, LogMap)
        return _of_log(choice)
    except DrivelabError as error:
        raise Misfit(("map",), str(error)) from error


def cropped(site: Site, ego: Float[np.ndarray, "3"]) -> Site:
    """A town as far as it is kept about the ego; other maps as they are."""
    if site.town is None:
        return site
    kept = _town_piece(site.town.town, site.town.radius, round(ego[0]), round(ego[1]))
    return replace(site_of_map(kept, site.name), town=site.town)


@lru_cache(maxsize=4)
def _town_map(name: str) -> LaneMap:
    from drivelab.maps.towns import read_town

    return read_town(name).lane_map


@lru_cache(maxsize=16)
def _town_piece(name: str, radius: float, x: int, y: int) -> LaneMap:
    """Pieces are kept: the world's tables of their roads hang on them."""
    from drivelab.maps.crop import crop_map

    return crop_map(_town_map(name), np.array([[x, y]], float), radius)


@lru_cache(maxsize=4)
def _file_map(file: FilePath, changed: int) -> LaneMap:
    """The map of a file as it was at a time of change."""
    from drivelab.maps.opendrive.reader import read_opendrive

    return read_opendrive(file).lane_map


def _of_template(road: RoadTemplate) -> Site:
    return Site(
        map=road.map,
        name=road.name,
        chains=road.chains,
        routes=road.routes,
        groups=road.groups,
        junctions=("",) * len(road.groups),
        stop_signs=road.stop_signs,
        yield_signs=road.yield_signs,
        crossings=road.crossings,
        pavements=road.pavements,
        parking=road.parking,
    )


def _of_file(name: str, folder: FilePath | None) -> Site:
    root = (folder or FilePath()).resolve()
    file = (root / name).resolve()
    if not file.is_relative_to(root):
        raise Misfit(("map", "opendrive"), f"`{name}` leads out of the scenario's folder")
    if not file.is_file():
        raise Misfit(("map", "opendrive"), f"there is no file `{name}` in the scenario's folder")
    return site_of_map(_file_map(file, file.stat().st_mtime_ns), file.stem)


def _of_town(choice: TownMap) -> Site:
    return replace(site_of_map(_town_map(choice.town), choice.town), town=choice)


def _of_log(choice: LogMap) -> Site:
    from drivelab.sim.scenario.logs import log_scene

    scene = log_scene(choice.source, choice.log)
    return replace(site_of_map(scene.map, choice.log), log=scene)


def site_of_map(lane_map: LaneMap, name: str) -> Site:
    """A map whose own traffic control says who waits."""
    control = lane_map.control

    def before(lanes: tuple[str, ...]) -> tuple[str, ...]:
        entered = [p for lane in lanes if lane in lane_map.lanes for p in _into(lane_map, lane)]
        return tuple(dict.fromkeys(entered))

    return Site(
        map=lane_map,
        name=name,
        groups=tuple(control.signal_groups.values()),
        junctions=tuple(name.rpartition("/")[0] for name in control.signal_groups),
        stop_signs=before(control.stop_signs),
        yield_signs=before(control.yield_signs),
    )


def _into(lane_map: LaneMap, lane: str) -> tuple[str, ...]:
    return tuple(p for p in lane_map.lanes[lane].predecessors if p in lane_map.lanes)
