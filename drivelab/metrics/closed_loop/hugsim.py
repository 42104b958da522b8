"""HD-Score of HUGSIM (Zhou et al., arXiv 2412.01718): every plan of an episode, judged like a PDMS.

Per plan: s = NC x DAC x (5 TTC + 2 C) / 7; HD-Score = mean(s) x min(1, RC). Poses are 0.5 s apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.geometry.poses import rotate, wrap_angle
from drivelab.kernels.contacts import poses_hit
from drivelab.metrics.aggregate import MeanOfScenes
from drivelab.metrics.closed_loop.drive import Drive, drive_of
from drivelab.metrics.closed_loop.driven_plans import DrivenPlans, driven_plans, frames_of
from drivelab.metrics.closed_loop.road import Road, road_under
from drivelab.metrics.metric import Event, SceneScore
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene

SPACING = 0.5  # of the judged poses [s]
LOOK_AHEAD = (0.5, 1.0)  # TTC [s]
STANDING = 1.0  # plans that move less keep their first heading [m]
ENOUGH_ROUTE = 0.9  # share of the route that counts as all of it
WEIGHTS = (5.0, 2.0)  # TTC, comfort
ACCELERATION, LATERAL, JERK = (-4.05, 2.40), 4.89, 8.37  # [m/s^2], [m/s^2], [m/s^3]
YAW_RATE, YAW_ACCELERATION = 0.95, 1.93  # [rad/s], [rad/s^2]


def frame_score(nc: float, dac: float, ttc: float, comfort: float) -> float:
    """Score of one plan."""
    return nc * dac * (WEIGHTS[0] * ttc + WEIGHTS[1] * comfort) / sum(WEIGHTS)


def hd_score(frames: Sequence[Sequence[float]], route_completion: float) -> float:
    """HD-Score from (NC, DAC, TTC, C) of every plan and the route completion."""
    return float(np.mean([frame_score(*frame) for frame in frames])) * min(1.0, route_completion)


@dataclass(frozen=True, slots=True)
class HugsimHdScore(MeanOfScenes):
    """HD-Score; `lateral` computes the lateral acceleration, which the published code sets to 0."""

    name: str
    lateral: bool
    subscores: tuple[str, ...] = ("nc", "dac", "ttc", "comfort", "route_completion")
    failed_score: float | None = None
    inputs: tuple[str, ...] = ("plans", "route_completion")

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge every plan of one episode."""
        check_inputs(self, scene, rollout)
        drive = drive_of(scene, rollout)
        plans = _half_seconds(driven_plans(drive, rollout))
        reach = np.concatenate([drive.states[:, :2], plans.poses[..., :2].reshape(-1, 2)])
        road = road_under(scene.map, reach, drive.origin)
        dac = _drivable(road, plans, drive.ego_size)
        frames: list[tuple[float, float, float, float]] = []
        events: list[Event] = []
        for k, (step, poses) in enumerate(plans):
            poses = _steady(poses)
            at = np.minimum(frames_of(step, plans.dt * np.arange(len(poses))), drive.steps - 1)
            hit, soon = _hit(drive, poses, at), _hit_soon(drive, poses, at, plans.dt)
            calm = _comfortable(poses, plans.dt, lateral=self.lateral)
            frames.append((float(hit < 0), dac[k], float(soon < 0), float(calm)))
            events += _events(drive, step, hit, soon, dac[k], calm)
        completion = min(1.0, float(rollout.info["route_completion"]) / ENOUGH_ROUTE)
        means = np.mean(frames, axis=0)
        return SceneScore(
            score=hd_score(frames, completion),
            subscores=dict(zip(self.subscores, (*map(float, means), completion), strict=True)),
            states=rollout.ego,
            events=_first_of_each(events),
            details={"plans": len(frames)},
        )


def published() -> HugsimHdScore:
    """As the released code counts."""
    return HugsimHdScore("hugsim_hd_v1", lateral=False)


def corrected() -> HugsimHdScore:
    """With the lateral acceleration of the plan."""
    return HugsimHdScore("hugsim_hd_corrected_v1", lateral=True)


def _half_seconds(plans: DrivenPlans) -> DrivenPlans:
    """Plans at 0, 0.5, ... s; those that end before 0.5 s at their start and end."""
    count = int(plans.horizon / SPACING + 1e-6)
    if count < 1:
        return plans.at(np.array([0.0, plans.horizon]))
    return plans.at(SPACING * np.arange(count + 1))


def _steady(poses: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "p 3"]:
    if np.hypot(*(poses[-1, :2] - poses[0, :2])) >= STANDING:
        return poses
    steady = poses.copy()
    steady[:, 2] = poses[0, 2]
    return steady


def _hit(drive: Drive, poses: Float[np.ndarray, "p 3"], at: Int[np.ndarray, " p"]) -> int:
    """The box that the plan runs into at the time it gets there, or -1."""
    return int(poses_hit(np.ascontiguousarray(poses), at, drive.ego_size, drive.boxes)[1])


def _hit_soon(
    drive: Drive, poses: Float[np.ndarray, "p 3"], at: Int[np.ndarray, " p"], dt: float
) -> int:
    """The box that the plan, pushed on by its velocity, runs into, or -1."""
    velocity = np.diff(poses[:, :2], axis=0) / dt
    velocity = np.concatenate([velocity[:1], velocity])
    for ahead in LOOK_AHEAD:
        pushed = poses.copy()
        pushed[:, :2] += ahead * velocity
        hit = _hit(drive, pushed, at)
        if hit >= 0:
            return hit
    return -1


def _drivable(road: Road, plans: DrivenPlans, size: Float[np.ndarray, "3"]) -> list[float]:
    """DAC of each plan: the least share of a footprint's 2 x 2 cells that has ground, in steps."""
    poses = plans.poses
    cells = np.array([(lon, lat) for lon in (-0.5, 0.5) for lat in (-0.5, 0.5)]) * size[:2]
    cells[:, 0] += size[2]
    turned = rotate(
        np.broadcast_to(cells, (*poses.shape[:2], 4, 2)),
        np.broadcast_to(poses[..., 2:], (*poses.shape[:2], 4)),
    )
    points = poses[..., None, :2] + turned
    held = road.holds(np.ascontiguousarray(points.reshape(-1, 2))).reshape(points.shape[:3])
    share = held.mean(-1).min(-1)
    return [float(value) for value in np.select([share < 0.3, share < 0.5], [0.0, 0.5], 1.0)]


def _comfortable(poses: Float[np.ndarray, "p 3"], dt: float, *, lateral: bool) -> bool:
    """Whether all finite differences of the plan stay within their bounds."""
    speed = np.hypot(*np.diff(poses[:, :2], axis=0).T) / dt
    rate = wrap_angle(np.diff(poses[:, 2])) / dt
    acceleration = np.diff(speed) / dt
    sideways = speed * rate if lateral else np.zeros(len(rate))
    return bool(
        (acceleration >= ACCELERATION[0]).all()
        and (acceleration <= ACCELERATION[1]).all()
        and (np.abs(np.diff(acceleration) / dt) <= JERK).all()
        and (np.abs(rate) <= YAW_RATE).all()
        and (np.abs(np.diff(rate) / dt) <= YAW_ACCELERATION).all()
        and (np.abs(sideways) <= LATERAL).all()
    )


def _events(drive: Drive, step: int, hit: int, soon: int, dac: float, calm: bool) -> list[Event]:
    events = []
    if hit >= 0:
        events.append(Event("collision", step, drive.ids[hit], "of the plan"))
    if soon >= 0:
        events.append(Event("ttc", step, drive.ids[soon], "of the plan"))
    if dac < 1.0:
        events.append(Event("off_road", step, detail="of the plan"))
    if not calm:
        events.append(Event("comfort", step, detail="of the plan"))
    return events


def _first_of_each(events: Sequence[Event]) -> tuple[Event, ...]:
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.kind, event)
    return tuple(first.values())
