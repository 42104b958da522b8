"""Whether a class given by the user can act at all, told before the first scene."""

from __future__ import annotations

from drivelab.data.observation import check_rig
from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, DataError
from drivelab.evaluation.benches.bench import WHO_HAS_SENSORS
from drivelab.types import Agent, Scene, SensorRig


def check_agent(agent: object) -> Agent:
    """Refuse an object that does not satisfy the protocol, naming what it lacks."""
    name = type(agent).__name__
    rig = getattr(agent, "rig", None)
    if not isinstance(rig, SensorRig):
        raise ConfigError(
            f"{name}.rig is {rig!r}: an agent needs `rig = SensorRig(...)` (drivelab.types), "
            "which says what it asks to observe"
        )
    if not callable(getattr(agent, "act", None)):
        raise ConfigError(
            f"{name} has no method act: an agent needs "
            "`act(self, observations: Sequence[Observation]) -> list[Plan]`"
        )
    if not isinstance(agent, Agent):
        raise ConfigError(f"{name} does not satisfy drivelab.types.Agent")
    return agent


def check_sensors(agent: Agent, source: SceneSource, scene_id: str) -> None:
    """Refuse an agent whose sensors the source lacks, on the first scene as a sample."""
    if not agent.rig.cameras and not agent.rig.lidar:
        return
    try:
        scene = source.load(scene_id)
    except DataError:
        return  # this scene fails with its own row; the others may be well
    if not isinstance(scene, Scene):  # an episode: the native world has no cameras and no lidar
        raise ConfigError(
            f"the agent asks for cameras or lidar, which the native world of {source.label} "
            f"lacks. {WHO_HAS_SENSORS}"
        )
    check_rig(scene, agent.rig, bench=source.label, who_has=WHO_HAS_SENSORS)
