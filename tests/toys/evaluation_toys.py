"""A straight road, a metric one can compute by hand, and agents with every fault."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from drivelab.data.source import SceneSource
from drivelab.errors import DataError
from drivelab.metrics.metric import Event, SceneScore
from drivelab.types import (
    Block,
    EgoTrajectory,
    Lane,
    LaneMap,
    Observation,
    Plan,
    Privilege,
    Scene,
    SensorRig,
    Tracks,
)

SPEED = 10.0  # [m/s]
LINE = np.array([[-50.0, 0.0, 0.0], [500.0, 0.0, 0.0]])
ROAD = shapely.box(-50.0, -2.0, 500.0, 2.0)
MAP = LaneMap(
    "straight",
    {"lane": Lane("lane", LINE, ROAD, block="block")},
    {"block": Block("block", ("lane",), ROAD)},
)


def straight_scene(
    name: str, *, dt: float = 0.5, history: float = 1.5, offset: float = 0.0
) -> Scene:
    """Ten metres a second along x; frame `now` is at x = offset."""
    past, future = round(history / dt), round(5.0 / dt)
    seconds = dt * np.arange(-past, future + 1)
    poses = np.zeros((len(seconds), 3))
    poses[:, 0] = offset + SPEED * seconds
    velocities = np.tile([SPEED, 0.0], (len(seconds), 1))
    times = np.round(seconds * 1e6).astype(np.int64) + 10_000_000
    ego = EgoTrajectory(times, poses, velocities, np.zeros_like(velocities))
    tracks = Tracks.empty(len(seconds), dt)
    family = "even" if name[-1] in "02468" else "odd"
    return Scene(name, "toy", "log", MAP, ego, past, tracks, ("block",), family=family)


class ToySource:
    """Scenes s000, s001, ...; one of them can be broken."""

    label, data, licence = "toys", "embedded", "none"

    def __init__(self, count: int, broken: str = "") -> None:
        self.count, self.broken = count, broken

    def scene_ids(self) -> tuple[str, ...]:
        return tuple(f"s{i:03d}" for i in range(self.count))

    def load(self, scene_id: str) -> Scene:
        if scene_id == self.broken:
            raise DataError("pose 3 is NaN", file="toy.bin", where="frame 3")
        return straight_scene(scene_id, offset=float(scene_id[1:]))

    def provenance(self) -> Mapping[str, str]:
        return {"toys": "1"}


@dataclass(frozen=True)
class ToyBench:
    count: int = 12
    broken: str = ""
    metric: str = "evaluation_toys:ToyMetric"

    def source(self) -> SceneSource:
        return ToySource(self.count, self.broken)

    def split_name(self, source: SceneSource) -> str:
        return "toys"


class ToyMetric:
    """Score = last x / 40 m, at most 1; `finish` adds the place of the end of the plan."""

    name = "toy_v1.0"
    subscores = ("progress",)
    failed_score: float | None = None

    def prepare(self, scene: Scene) -> Scene:
        return scene

    def score(self, prepared: Scene, plans: np.ndarray, dt: float) -> list[SceneScore]:
        return [self._score(prepared, plan, dt) for plan in plans]

    def _score(self, scene: Scene, plan: np.ndarray, dt: float) -> SceneScore:
        states = np.zeros((41, 11))
        times = np.arange(41) * 0.1
        states[:, 0] = np.interp(times, dt * np.arange(len(plan) + 1), [0.0, *plan[:, 0]])
        states[:, 0] += scene.ego.poses[scene.now, 0]
        value = float(np.clip(plan[int(4 / dt) - 1, 0] / 40.0, 0.0, 1.0))
        late, early = Event("ttc", 9, "b", margin=-2.0), Event("collision", 4, "a", "front", -0.5)
        events = (late, early) if value < 0.5 else ()
        return SceneScore(value, {"progress": value}, states, events, {"metres": value * 40})

    def finish(
        self, rows: Sequence[dict[str, Any]], states: Callable[[str], np.ndarray]
    ) -> list[dict[str, Any]]:
        return [{**row, "last_x": float(states(row["scene"])[-1, 0])} for row in rows]

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        names = ("score", *self.subscores)
        return {name: float(np.mean([row[name] for row in rows])) for name in names}


class StrictMetric(ToyMetric):
    """A metric whose official rule counts failed scenes as zero."""

    name = "toystrict_v2.0"
    failed_score = 0.0


class BulkyMetric(ToyMetric):
    """Outcomes of 350 kB: Ray leaves those where they came from until they are asked for."""

    name = "toybulky_v1.0"

    def score(self, prepared: Scene, plans: np.ndarray, dt: float) -> list[SceneScore]:
        small = super().score(prepared, plans, dt)
        return [replace(score, states=np.tile(score.states, (100, 1))) for score in small]


class Straight:
    """Keeps `speed`; the global generator decides a tenth of a metre, to test its seeding."""

    def __init__(self, speed: float = 8.0, wait: float = 0.0) -> None:
        self.rig = SensorRig(history=4)
        self.speed, self.wait = speed, wait

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        time.sleep(self.wait)
        return [self.plan(observation) for observation in observations]

    def plan(self, observation: Observation) -> Plan:
        poses = np.zeros((8, 3))
        poses[:, 0] = self.speed * 0.5 * np.arange(1, 9) - 0.1 * np.random.rand()  # noqa: NPY002
        return Plan(poses)


class Faulty(Straight):
    """Goes wrong on one scene, in the way that `fault` names."""

    def __init__(self, fault: str, scene: str = "s003", marker: str = "") -> None:
        super().__init__()
        self.fault, self.scene, self.marker = fault, scene, marker

    def plan(self, observation: Observation) -> Plan:
        good = super().plan(observation)
        if observation.scene_id != self.scene:
            return good
        return getattr(self, f"_{self.fault}")(good)

    def _raises(self, good: Plan) -> Plan:
        raise ValueError("the network\nexploded")

    def _exits(self, good: Plan) -> Plan:
        sys.exit(7)

    def _shape(self, good: Plan) -> Plan:
        return Plan(good.poses[:, :2])

    def _nan(self, good: Plan) -> Plan:
        poses = good.poses.copy()
        poses[5, 1] = np.nan
        return Plan(poses)

    def _short(self, good: Plan) -> Plan:
        return Plan(good.poses[:7])

    def _type(self, good: Plan) -> Any:
        return good.poses

    def _dies(self, good: Plan) -> Plan:
        os.kill(os.getpid(), signal.SIGKILL)
        return good

    def _dies_once(self, good: Plan) -> Plan:
        marker = Path(self.marker)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return good

    def _far(self, good: Plan) -> Plan:
        return Plan(good.poses * 1e200)

    def _complex(self, good: Plan) -> Plan:
        return Plan(good.poses + 1j)

    def _undecodable(self, good: Plan) -> Plan:
        raise ValueError("no file \udcff.pt")

    def _interrupts_within(self, good: Plan) -> Plan:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:  # as compiled code does with Ctrl-C
            raise SystemError("returned a result with an exception set") from error

    def _interrupts(self, good: Plan) -> Plan:
        raise KeyboardInterrupt


class Meddling(Straight):
    """Writes into the scene it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = SensorRig(privilege=Privilege.FUTURE)

    def plan(self, observation: Observation) -> Plan:
        scene = observation.scene
        if scene is not None and scene.id == "s003":
            scene.ego.poses[:] = 1e9
        return super().plan(observation)


class TooMany(Straight):
    """Answers with one plan too many."""

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        return [*super().act(observations), Plan(np.zeros((8, 3)))]


class Seeing(Straight):
    """Asks for a camera that toys lack."""

    def __init__(self) -> None:
        super().__init__()
        self.rig = SensorRig(cameras=("CAM_F0",), privilege=Privilege.STATE)


class Blind:
    """Has no rig."""

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        return []
