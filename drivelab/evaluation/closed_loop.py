"""The closed loop: observe, act, control, step, until every episode has ended.

Episodes run side by side, so that an agent is asked for all of them at once; what happens in one
does not depend on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from jaxtyping import Float

from drivelab.data.observation import build_observation
from drivelab.errors import PlanError
from drivelab.evaluation.agent_check import check_record
from drivelab.evaluation.controllers import CONTROLLERS, controller_for
from drivelab.evaluation.plan_check import check_answer, check_plan
from drivelab.geometry.poses import compose
from drivelab.sim.world.control import plan_poses, track_plans
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.native import NativeWorld
from drivelab.sim.world.recorder import Recorder
from drivelab.sim.world.view import SceneView
from drivelab.types import Agent, Observation, Plan, Privilege, Rollout

HORIZON = 0.5  # every plan must reach so far [s]; the tracker looks 1 s ahead where it can

Fault = Callable[[BaseException], None]


@dataclass(slots=True, eq=False)
class Drive:
    """One episode on its way through the loop."""

    episode: Episode
    recorder: Recorder
    view: SceneView
    plans: list[Plan] = field(default_factory=list)
    act_ms: float = 0.0
    fault: BaseException | None = None

    @property
    def active(self) -> bool:
        """Whether the agent is still asked."""
        return self.fault is None and not self.recorder.over

    def rollout(self) -> Rollout:
        """What was driven."""
        poses = np.stack([plan.poses for plan in self.plans]) if self.plans else np.zeros((0, 1, 3))
        dt = self.plans[0].dt if self.plans else 0.5
        info = {"time_act_ms": self.act_ms / max(len(self.plans), 1)}
        return self.recorder.rollout(plans=poses, plan_dt=dt, info=info)


def drive(episode: Episode, agent: Agent, *, controller: str = "lqr", seed: int = 0) -> Rollout:
    """Drive one episode to its end; errors of the agent are raised.

    Args:
        episode: where and among whom.
        agent: asked for a plan every 0.1 s.
        controller: "lqr" (tracker and kinematic bicycle), "dynamic" (tracker and dynamic bicycle),
            "perfect" (the ego is where its plan says) or "auto" (as the agent says, else "lqr").
        seed: of the agent's first step, see `Agent.reset`.
    """
    done = drive_all([episode], agent, controller=controller, seed=seed)[0]
    if done.fault is not None:
        raise done.fault
    return done.rollout()


def drive_all(
    episodes: Sequence[Episode], agent: Agent, *, controller: str = "lqr", seed: int = 0
) -> list[Drive]:
    """Drive episodes side by side; an agent's error ends only the episode it happened in.

    Raises:
        ConfigError: no such controller, or the agent asks for a recorded ego that is not there.
    """
    controller = controller_for(controller, agent)
    for episode in episodes:
        check_record(agent, episode)
    dynamics, tracked = CONTROLLERS[controller]
    world = NativeWorld(episodes, dynamics=dynamics)  # type: ignore[arg-type]
    recorders = [Recorder(world, e) for e in range(len(episodes))]
    for recorder in recorders:
        recorder.record()
    drives = [
        Drive(episode, recorder, SceneView(recorder))
        for episode, recorder in zip(episodes, recorders, strict=True)
    ]
    reset = getattr(agent, "reset", None)
    if callable(reset):
        reset([episode.id for episode in episodes], seed=seed)
    while any(one.active for one in drives):
        _decide([one for one in drives if one.active], agent)
        _step(world, drives, tracked)
        for one in drives:
            if one.active:
                one.recorder.record()
    return drives


def _decide(active: Sequence[Drive], agent: Agent) -> None:
    future = agent.rig.privilege is Privilege.FUTURE
    observations = []
    for one in active:
        seen = one.view.told(build_observation(one.view.scene(future=future), agent.rig))
        observations.append(one.view.with_vector(seen) if agent.rig.vector else seen)
    start = perf_counter()
    try:
        plans = check_answer(agent.act(observations), len(active))
    except (Exception, SystemExit) as error:
        if len(active) == 1:
            active[0].fault = error
            return
        plans = [
            _ask_alone(one, agent, seen) for one, seen in zip(active, observations, strict=True)
        ]
    share = 1e3 * (perf_counter() - start) / len(active)
    for one, plan in zip(active, plans, strict=True):
        if one.fault is None:
            one.act_ms += share
            _take(one, plan)


def _ask_alone(one: Drive, agent: Agent, observation: Observation) -> object:
    """After an error with a batch: only the episode at fault ends."""
    try:
        return check_answer(agent.act([observation]), 1)[0]
    except (Exception, SystemExit) as error:
        one.fault = error
        return None


def _take(one: Drive, answer: object) -> None:
    try:
        plan = check_plan(answer, horizon=HORIZON)
        if one.plans and (len(plan.poses), plan.dt) != (len(one.plans[0].poses), one.plans[0].dt):
            first = one.plans[0]
            raise PlanError(
                f"the plan of step {len(one.plans)} has {len(plan.poses)} poses at dt="
                f"{plan.dt:g} s, the first one had {len(first.poses)} at {first.dt:g} s; a closed "
                "loop needs one shape throughout"
            )
    except PlanError as error:
        one.fault = error
        return
    one.plans.append(plan)


def _step(world: NativeWorld, drives: Sequence[Drive], tracked: bool) -> None:
    if tracked:
        controls = np.zeros((len(drives), 1, 2))
        for e, one in enumerate(drives):
            if one.active:
                plan = one.plans[-1]
                controls[e, 0] = track_plans(world.one(e), plan.poses[None], plan.dt)[0]
        world.step(controls)
        return
    poses = np.stack([_next_pose(world, e, one) for e, one in enumerate(drives)])
    world.step_poses(poses[:, None])


def _next_pose(world: NativeWorld, e: int, one: Drive) -> Float[np.ndarray, "3"]:
    pose = world.ego_pose(e)
    if not one.active:
        return pose
    plan = one.plans[-1]
    return compose(pose, plan_poses(plan.poses[None], plan.dt)[0, 1])
