"""Scenes and scenarios of HUGSIM below a folder, and how one of them becomes an episode."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.evaluation.benches.hugsim_road import LANE, resampled, road_map
from drivelab.evaluation.benches.hugsim_traffic import DURATION, Surroundings, pose_of, traffic
from drivelab.geometry.poses import compose
from drivelab.sim.scenario.imports.fields import Fields
from drivelab.sim.scenario.imports.hugsim import OFF_ROUTE
from drivelab.sim.scenario.reading import read_document
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.formats.hugsim import SCENE
from drivelab.sim.splats.formats.hugsim_frames import GROUND, read_way
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.world.episode import Episode, Termination
from drivelab.types import LaneMap, VehicleParameters

# HUGSIM's ego: a box of 1.6 x 3.0 m about the front camera, axles 1.35 m before and behind it.
EGO = VehicleParameters("hugsim", 1.6, front_length=2.85, rear_length=0.15, wheel_base=2.7)
RULES = Termination(route_deviation=OFF_ROUTE)
LARGEST = 1 << 20  # bytes of a file that may be a scenario
ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class HugsimSource:
    """Scenarios on scene folders below one folder, by scene and mode."""

    root: str
    vehicles: str
    rendering: Rendering | None
    files: Mapping[str, tuple[Path, Path]] = field(init=False)  # id -> scenario, scene folder

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", _found(Path(self.root)))

    @property
    def label(self) -> str:
        """Says whose world it is."""
        felt = "its Gaussians are felt" if self.rendering else "its Gaussians are not felt"
        return f"HUGSIM scenes, {len(self.files)} scenarios (native world, {felt})"

    @property
    def data(self) -> str:
        """The user's files."""
        return "real"

    @property
    def licence(self) -> str:
        """Of scenes that come with HUGSIM."""
        return "HUGSIM's scenes: as the data sets that they were made from"

    def scene_ids(self) -> tuple[str, ...]:
        """Scene and mode, by name."""
        return tuple(self.files)

    def load(self, scene_id: str) -> Episode:
        """Read one scenario and the scene it plays in."""
        if scene_id not in self.files:
            raise DataError(f"no scenario {scene_id!r}{nearest_name(scene_id, self.files)}")
        scenario, scene = self.files[scene_id]
        return hugsim_episode(scene_id, scenario, scene, Path(self.vehicles), self.rendering)

    def provenance(self) -> Mapping[str, str]:
        """One checksum over the scenarios, and the sizes of their scenes."""
        digest = hashlib.sha256()
        for name, (scenario, scene) in self.files.items():
            size = (scene / SCENE).stat().st_size
            digest.update(f"{name} {size}\n".encode() + scenario.read_bytes())
        return {"scenarios": str(len(self.files)), "hugsim_sha256": digest.hexdigest()[:16]}


def hugsim_episode(
    name: str, scenario: Path, scene: Path, vehicles: Path, rendering: Rendering | None
) -> Episode:
    """An episode of the native world on a scene folder.

    Args:
        name: its id.
        scenario: HUGSIM's YAML.
        scene: folder with `scene.pth` and `ground_param.pkl`.
        vehicles: folder of vehicles.
        rendering: how its Gaussians are seen and felt, None = they are not.

    Raises:
        DataError: a file or a field is missing, damaged, or not as expected.
    """
    fields = Fields(read_document(scenario).data, str(scenario))
    right, ahead = fields.numbers("start_ab", 2)
    turned = float(np.radians(fields.numbers("start_euler", 3)[1]))
    centre = pose_of(right, ahead, turned)
    way, lane_map = _road(str(scene), (scene / SCENE).stat().st_mtime_ns)
    around = Surroundings(scenario, scene, vehicles, way, centre)
    actors, log = traffic(fields.get("plan_list") or [], around)
    return Episode(
        id=name, map=lane_map, ego_pose=_rear(centre),
        ego_speed=max(0.0, fields.number("start_velo", 0.0)), route=(LANE,), route_line=way,
        duration=DURATION, actors=actors, log=log, vehicle=EGO, termination=RULES,
        family=str(fields.get("mode", ""))[:40].rpartition("_")[0], source="hugsim",
        line_told=True,
        rendering=None if rendering is None else _seen(rendering, scene),
    )  # fmt: skip


def _found(root: Path) -> dict[str, tuple[Path, Path]]:
    """Scenarios by id, each with its scene folder."""
    if not root.is_dir():
        raise ConfigError(
            f"data.root={root}: no such folder; expected one with HUGSIM's scenes and scenarios"
        )
    scenes = {file.parent.name: file.parent for file in sorted(root.rglob(SCENE))}
    found: dict[str, tuple[Path, Path]] = {}
    for file in sorted(root.rglob("*")):
        if file.suffix not in ENDINGS or not file.is_file() or file.stat().st_size > LARGEST:
            continue
        data = read_document(file).data
        if not isinstance(data, Mapping) or "plan_list" not in data or "scene_name" not in data:
            continue  # HUGSIM's other settings: cameras, paths, dynamics
        scene, mode = str(data["scene_name"]), str(data.get("mode", file.stem))
        if scene not in scenes:
            raise DataError(
                f"plays in the scene {scene!r}{nearest_name(scene, scenes)}; no folder of that "
                f"name with a {SCENE} lies below {root}",
                file=file, where="scene_name",
            )  # fmt: skip
        name = "".join(
            sign if sign.isalnum() or sign in "-_" else "_" for sign in f"{scene}-{mode}"
        )
        if name in found:
            raise ConfigError(
                f"{file} and {found[name][0]} are both {name}: scene and mode are ids"
            )
        found[name] = file, scenes[scene]
    if not found:
        raise ConfigError(
            f"data.root={root}: no scenario (YAML with scene_name and plan_list) below it"
        )
    return found


def _seen(rendering: Rendering, scene: Path) -> Rendering:
    return replace(rendering, street=str(scene / SCENE))


def _rear(centre: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """The rear axle of the ego whose box has its middle here."""
    return compose(centre, np.array([-EGO.rear_axle_to_center, 0.0, 0.0]))


@lru_cache(maxsize=4)
def _road(scene: str, _stamp: int) -> tuple[np.ndarray, LaneMap]:
    """The recorded way and the map of a scene folder; scenarios of one scene share them."""
    folder = Path(scene)
    way = resampled(read_way(folder / GROUND).poses)
    static = load_scene(folder).static
    ground = static.gaussians.means[static.labels == NUMBER["road"], :2]
    return way, road_map(folder.name, way, np.asarray(ground, float))
