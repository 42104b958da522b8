"""Whether an agent can act at all, and on these scenes, told before the first one."""

from __future__ import annotations

from typing import Any

from drivelab.data.observation import check_rig
from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, DataError
from drivelab.evaluation.benches.bench import WHO_HAS_RECORDS, WHO_HAS_SENSORS
from drivelab.types import Agent, Privilege, Scene, SensorRig


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


def check_wishes(agent: Agent, source: SceneSource, scene_id: str) -> None:
    """Refuse an agent that asks for what the source lacks, on the first scene as a sample."""
    rig = agent.rig
    sensed = bool(rig.cameras) or rig.lidar
    if not sensed and not rig.vector and rig.privilege is not Privilege.FUTURE:
        return
    try:
        scene = source.load(scene_id)
    except DataError:
        return  # this scene fails with its own row; the others may be well
    if isinstance(scene, Scene):
        if rig.vector:
            raise ConfigError(
                f"the agent asks for vector observations, which {source.label} lacks: only closed "
                "loops have them; drive it with bench=rad, nuplan_closed_loop or scenarios"
            )
        check_rig(scene, rig, bench=source.label, who_has=WHO_HAS_SENSORS)
        _check_pixels(scene, rig, bench=source.label)
        return
    if sensed:  # an episode: its base scene has what its rendering gives
        from drivelab.sim.world.view import base_scene

        check_rig(base_scene(scene), rig, bench=source.label, who_has=WHO_HAS_SENSORS)
    check_record(agent, scene)


def _check_pixels(scene: Scene, rig: SensorRig, *, bench: str) -> None:
    if rig.pixels is None or not rig.cameras or scene.sensors is None:
        return
    name = rig.cameras[0]
    try:
        image = scene.sensors.camera(name, scene.now).image
    except DataError:
        return  # as above: this scene's own row tells it
    height, width = image.shape[:2]
    if (width, height) != tuple(rig.pixels):
        raise ConfigError(
            f"camera {name} of {bench} delivers {width} x {height} px, and the agent's weights "
            f"expect {rig.pixels[0]} x {rig.pixels[1]}. Bring weights for such pictures "
            "(agent.checkpoint=FILE; published ones take 1920 x 1080); where cameras are rendered, "
            "choose the rig that they were trained with (bench.rig=, bench.scale=1)"
        )


def check_record(agent: Agent, episode: Any) -> None:
    """Refuse an agent that asks for the recorded ego's future where nothing was recorded.

    Args:
        agent: who is to drive.
        episode: of the native world, `drivelab.sim.world.episode.Episode`.
    """
    if agent.rig.privilege is Privilege.FUTURE and episode.expert is None:
        raise ConfigError(
            f"{type(agent).__name__} asks for the recorded ego (privilege=future), and the episode "
            f"{episode.id} has none. {WHO_HAS_RECORDS}"
        )
