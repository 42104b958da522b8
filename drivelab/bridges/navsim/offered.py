"""An agent of drivelab as an agent of an installed navsim. Importing this imports navsim.

In navsim's configuration of agents:

_target_: drivelab.bridges.navsim.DrivelabAgent
agent: diffusiondrive          # a name, or package.module:Class
options: {checkpoint: FILE}    # of the agent
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import yaml

from drivelab.bridges.navsim.inputs import observation_from, sensor_config_from
from drivelab.bridges.navsim.interface import load_interface
from drivelab.data.proposals import check_plans
from drivelab.data.submission import sampled_plan
from drivelab.errors import ConfigError, PlanError, nearest_name
from drivelab.registry import AGENTS, TARGET, build, find_plugs
from drivelab.types import Agent, Plan

_navsim = load_interface()
_Base: Any = _navsim.AbstractAgent


class DrivelabAgent(_Base):  # type: ignore[misc]
    """Satisfies navsim's `AbstractAgent`, v1.1 and v2.

    Args:
        agent: name of an agent of drivelab or of a plug-in, or `package.module:Class`.
        options: of that agent.
        device: handed to agents that know it, as `seed` is.
        seed: of agents that draw.
        trajectory_sampling: what navsim v2 hands to every agent; 4 s at 0.5 s is all there is.
    """

    def __init__(
        self,
        agent: str,
        options: Mapping[str, Any] | None = None,
        *,
        device: str = "cpu",
        seed: int = 0,
        trajectory_sampling: Any = None,
    ) -> None:
        sampling = trajectory_sampling or _sampling()
        if (sampling.num_poses, sampling.interval_length) != (8, 0.5):
            raise ConfigError(
                f"trajectory_sampling of {sampling.num_poses} poses every "
                f"{sampling.interval_length} s: expected 8 every 0.5 s"
            )
        v2 = "trajectory_sampling" in inspect.signature(_Base.__init__).parameters
        super().__init__(**({"trajectory_sampling": sampling} if v2 else {}), requires_scene=False)
        self._node = {**_node(agent), **(options or {})}
        self._title, self._extra = agent, {"device": device, "seed": seed}
        self._agent: Agent | None = None
        self._count = 0

    def name(self) -> str:
        """`drivelab_` and the agent's name."""
        return f"drivelab_{self._title.replace(':', '.').rpartition('.')[2]}"

    def initialize(self) -> None:
        """Make the agent, weights included, unless the sensor config was asked for before."""
        self._made()

    def get_sensor_config(self) -> Any:
        """The SensorConfig with what the agent's rig asks for."""
        return sensor_config_from(self._made().rig, _navsim)

    def compute_trajectory(self, agent_input: Any) -> Any:
        """A navsim Trajectory: 8 poses (x, y [m], heading [rad]) float32, at 0.5 s ... 4 s."""
        agent = self._made()
        self._count += 1
        scene = f"navsim-{self._count}"
        plans = agent.act([observation_from(agent_input, agent.rig, scene)])
        if len(plans) != 1 or not isinstance(plans[0], Plan):
            raise PlanError(f"{self._title} did not answer one observation with one Plan")
        poses = sampled_plan(np.asarray(plans[0].poses, float), plans[0].dt)
        checked = check_plans({scene: poses}, file=self._title)[scene]
        return _navsim.Trajectory(checked.astype(np.float32), _sampling())

    def _made(self) -> Agent:
        if self._agent is None:
            self._agent = build(self._node, **self._extra)
        return self._agent


def _sampling() -> Any:
    return _navsim.TrajectorySampling(time_horizon=4, interval_length=0.5)


def _node(agent: str) -> dict[str, Any]:
    """The config node of an agent: of a class, of drivelab's own, or of a plug-in."""
    if ":" in agent:
        return {TARGET: agent}
    folder = resources.files("drivelab.conf") / "agent"
    file = folder / f"{agent}.yaml"
    if file.is_file() and agent != "custom":
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    plugs = find_plugs(AGENTS).plugs
    if agent in plugs:
        return {TARGET: plugs[agent].target}
    own = [path.name.removesuffix(".yaml") for path in folder.iterdir()]
    known = sorted({*own, *plugs} - {"custom"})
    raise ConfigError(
        f"agent={agent}: no such agent{nearest_name(agent, known)} (there are: "
        f"{', '.join(known)}, or package.module:Class)"
    )
