"""The benches `carla_town05_short` and `carla_town05_long`: CARLA's routes in the native world."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from drivelab.data.carla_routes import CarlaRoute, read_routes
from drivelab.errors import DataError, nearest_name
from drivelab.evaluation.benches.episodes import EpisodeSource
from drivelab.maps.towns import carla_root, read_town, town_file
from drivelab.sim.carla_routes import route_episode
from drivelab.sim.world.episode import Episode
from drivelab.types import LaneMap

FOLDERS = ("routes/leaderboard_1.0", "leaderboard/data/routes", "routes", ".")


@dataclass(frozen=True, slots=True)
class CarlaRoutesSource:
    """All routes of one file on one town."""

    root: str
    file: str
    routes: Mapping[str, CarlaRoute] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Says whose physics and traffic it is."""
        return f"{Path(self.file).stem} (world=native, not CARLA)"

    @property
    def data(self) -> str:
        """CARLA's maps and routes."""
        return "real"

    @property
    def licence(self) -> str:
        """Of maps and routes."""
        return "maps: CARLA content (CC BY 4.0); routes: leaderboard (MIT)"

    def scene_ids(self) -> tuple[str, ...]:
        """Town and route, in the file's order."""
        return tuple(self.routes)

    def load(self, scene_id: str) -> Episode:
        """Plan one route and populate its part of the town."""
        if scene_id not in self.routes:
            raise DataError(f"no route {scene_id!r}{nearest_name(scene_id, self.routes)}")
        route = self.routes[scene_id]
        return route_episode(_town(route.town, self.root), route)

    def provenance(self) -> Mapping[str, str]:
        """Checksums of the route file and of its towns."""
        towns = sorted({route.town for route in self.routes.values()})
        files = {"routes": Path(self.file)}
        files |= {town: town_file(town, self.root) for town in towns}
        found = {"route_file": Path(self.file).name, "world": "native"}
        for name, file in files.items():
            with file.open("rb") as stream:
                found[f"{name}_sha256"] = hashlib.file_digest(stream, "sha256").hexdigest()[:16]
        return found


@dataclass(frozen=True, slots=True)
class CarlaTownBench:
    """Options of the benches on CARLA's routes."""

    routes: str = "routes_town05_short.xml"  # a file of the leaderboard, or a path to one
    metric: str = "carla_ds_v1.0"
    carla_root: str | None = None  # a CARLA install or folder; else CARLA_ROOT, DRIVELAB_DATA
    controller: str = "auto"  # lqr | perfect | dynamic; auto: see `controller_for`

    def source(self) -> EpisodeSource:
        """The routes; DataError says where users find them."""
        root = carla_root(self.carla_root)
        file = find_routes(root, self.routes)
        routes = {f"{route.town}-{route.id}": route for route in read_routes(file)}
        return CarlaRoutesSource(str(root), str(file), routes)

    def split_name(self, source: EpisodeSource) -> str:
        """The route file."""
        return Path(self.routes).stem


def find_routes(root: Path, name: str) -> Path:
    """A route file by path, or by name in the places where CARLA and the leaderboard keep them."""
    places = [Path(name), *(root / folder / name for folder in FOLDERS)]
    for place in places:
        if place.is_file():
            return place
    raise DataError(
        f"no route file {name!r}: looked in {', '.join(FOLDERS)}; the files come with the "
        "leaderboard (github.com/carla-simulator/leaderboard) and with the agents that use them",
        file=root,
    )


@lru_cache(maxsize=2)
def _town(name: str, root: str) -> LaneMap:
    return read_town(name, root).lane_map
