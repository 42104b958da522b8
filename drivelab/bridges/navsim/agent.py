"""An agent of an installed navsim as an agent of drivelab.

drivelab eval agent=drivelab.bridges.navsim:NavsimAgent agent.target=package.module:Class
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivelab.bridges.navsim.inputs import agent_input_from, rig_from
from drivelab.bridges.navsim.interface import Interface, load_interface
from drivelab.errors import ConfigError, PlanError
from drivelab.registry import TARGET, build, load_object
from drivelab.types import Observation, Plan, SensorRig

METHODS = ("name", "get_sensor_config", "initialize", "compute_trajectory")
SAMPLING = "trajectory_sampling"  # what every agent of navsim v2 is made with


class NavsimAgent:
    """Asks a navsim agent for its trajectory, one scene after the other, on the CPU.

    Args:
        target: `package.module:Class`, a navsim agent.
        options: for its constructor; inner `_target_` nodes are built. A `trajectory_sampling`
            that the class wants and nobody gives is 4 s at 0.5 s.
    """

    rig: SensorRig

    def __init__(self, target: str, options: Mapping[str, Any] | None = None) -> None:
        self._interface = load_interface()
        self._agent = _made(target, dict(options or {}), self._interface)
        if getattr(self._agent, "requires_scene", False):
            raise ConfigError(
                f"{target} has requires_scene=True: it plans from the annotated scene, which "
                "drivelab does not hand to navsim's agents; take one that plans from AgentInput"
            )
        self._agent.initialize()
        self._config = self._agent.get_sensor_config()
        self.rig = rig_from(self._config)

    def name(self) -> str:
        """What the navsim agent calls itself."""
        return str(self._agent.name())

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Plan for every observation."""
        return [self._plan(observation) for observation in observations]

    def _plan(self, observation: Observation) -> Plan:
        given = agent_input_from(observation, self._config, self._interface)
        trajectory = self._agent.compute_trajectory(given)
        if not hasattr(trajectory, "poses") or not hasattr(trajectory, SAMPLING):
            raise PlanError(
                f"compute_trajectory returned {type(trajectory).__name__}, expected navsim's "
                "Trajectory"
            )
        poses = np.asarray(trajectory.poses, float)
        return Plan(poses, float(trajectory.trajectory_sampling.interval_length))


def _made(target: str, options: dict[str, Any], interface: Interface) -> Any:
    factory = load_object(target)
    wanted = inspect.signature(factory).parameters.get(SAMPLING)
    if wanted is not None and wanted.default is inspect.Parameter.empty:
        options.setdefault(
            SAMPLING, interface.TrajectorySampling(time_horizon=4, interval_length=0.5)
        )
    agent = build({TARGET: target, **options})
    lost = [name for name in METHODS if not callable(getattr(agent, name, None))]
    if lost:
        raise ConfigError(
            f"{target} is no navsim agent: it has no {', '.join(lost)} "
            "(see navsim.agents.abstract_agent.AbstractAgent)"
        )
    return agent
