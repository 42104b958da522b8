"""Plans that are already there, as an agent: from a proposal file, or from a run's rollouts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from drivelab.data.proposals import PLAN_DT, read_plans
from drivelab.data.rollout_log import load_rollout as read_rollout
from drivelab.errors import PlanError
from drivelab.evaluation.run_folder import file_name, load_rollout
from drivelab.types import Agent, Observation, Plan, Privilege, Rollout, SensorRig

UNKNOWN = "unknown"  # what the agent of a proposal file saw


def privilege_of(agent: Agent) -> str:
    """What the agent that made the plans saw besides its sensors, as far as it is known."""
    if isinstance(agent, ProposalAgent):
        return UNKNOWN
    if isinstance(agent, StoredPlans | StoredRollouts):
        return agent.privilege
    return str(agent.rig.privilege)


def cameras_of(agent: Agent) -> tuple[str, ...]:
    """The cameras that the agent looks at, or that the one looked at whose plans it hands over."""
    if not isinstance(agent, StoredPlans):
        return tuple(agent.rig.cameras)
    try:
        environment = json.loads((agent.run / "env.json").read_text("utf-8"))
    except (OSError, ValueError):  # what was seen changes no score
        return ()
    return tuple(environment.get("cameras", ()))


class ProposalAgent:
    """Answers with the plan that a file holds for a scene: 8 poses, 0.5 s apart."""

    rig = SensorRig(history=1)

    def __init__(self, file: str) -> None:
        self.file = file
        self.plans = read_plans(file)

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Look up the plans."""
        return [self._plan(observation.scene_id) for observation in observations]

    def _plan(self, scene: str) -> Plan:
        if scene not in self.plans:
            raise PlanError(f"{self.file} holds no plan for scene {scene}")
        return Plan(self.plans[scene], PLAN_DT)


class StoredPlans:
    """Answers with the plans that a run kept in its `rollouts/`."""

    def __init__(self, run: str, journal: str, privilege: str = "none") -> None:
        # What the agent that made the plans saw; these numbers are still its own.
        self.privilege = privilege
        known = Privilege.NONE if privilege == UNKNOWN else Privilege(privilege)
        self.rig = SensorRig(history=1, privilege=known)
        # `journal` ties a rescore to the rows it was made from: their file's hash is its identity.
        self.run, self.journal = Path(run), journal

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Read the plans."""
        return [self._plan(observation.scene_id) for observation in observations]

    def _plan(self, scene: str) -> Plan:
        stored = load_rollout(self.run / "rollouts" / f"{file_name(scene)}.npz")
        return Plan(
            stored["plan"],
            float(stored["plan_dt"]),
            stored.get("modes"),
            notes={"mode_scores": stored.get("mode_scores")},
        )


class StoredRollouts:
    """Stands for the agent of a closed-loop run that is scored again: nothing is driven."""

    rig = SensorRig(history=1)

    def __init__(self, run: str, journal: str, privilege: str = "none") -> None:
        self.privilege = privilege
        self.run, self.journal = Path(run), journal

    def rollout(self, scene: str) -> Rollout:
        """Read what was driven in a scene."""
        return read_rollout(self.run / "rollouts" / f"{file_name(scene)}.npz")

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Refuse: these rollouts are over."""
        raise PlanError("stored rollouts are scored again, not driven again")
