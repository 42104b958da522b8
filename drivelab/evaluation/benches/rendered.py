"""Benches whose scenes have no cameras of their own: rendered ones from procedural streets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.types import Scene

SENSORS = ("auto", "on", "off")


@dataclass(frozen=True, slots=True)
class RenderedOptions:
    """Options of benches that can render sensors."""

    sensors: str = "auto"  # on | off | auto: on where the agent asks for cameras or lidar
    rig: str = "rad"  # nuscenes | navsim_nominal | bench2drive | rad | a YAML file
    scale: float = 1.0  # of the rig's pictures
    weather: str = "day"  # day | dusk | night | rain | fog | night_rain

    def __post_init__(self) -> None:
        for name, value, known in (
            ("sensors", self.sensors, SENSORS),
            ("weather", self.weather, tuple(WEATHERS)),
        ):
            if value not in known:
                raise ConfigError(
                    f"{name}={value}: expected one of {', '.join(known)}"
                    f"{nearest_name(str(value), known)}"
                )
        if not 0.0 < self.scale <= 4.0:
            raise ConfigError(f"scale={self.scale}: expected above 0, up to 4")

    def seen(self, source: Any) -> Any:
        """The source as it is, or with rendered sensors where those are on."""
        if self.sensors != "on":
            return source
        from drivelab.sim.sensors.stage import stage_rig

        rendering = Rendering(self.rig, self.scale, WEATHERS[self.weather])
        stage_rig(rendering)  # a rig that is not there is told before the first scene
        return RenderedSource(source, rendering, self.weather)


@dataclass(frozen=True, slots=True)
class RenderedSource:
    """Scenes or episodes with rendered sensors; recorded ones win where a scene has cameras.

    Lidar alone does not win: an agent with cameras would fail in those scenes, and a log may hold
    no more than a few of its sweeps.
    """

    source: Any  # SceneSource or EpisodeSource
    rendering: Rendering
    weather: str

    @property
    def label(self) -> str:
        """The source's, and that its sensors are rendered."""
        return f"{self.source.label}, sensors rendered ({self.rendering.rig}, {self.weather})"

    @property
    def data(self) -> str:
        """As the source says."""
        return str(self.source.data)

    @property
    def licence(self) -> str:
        """As the source says."""
        return str(self.source.licence)

    def scene_ids(self) -> tuple[str, ...]:
        """All of the source."""
        return tuple(self.source.scene_ids())

    def load(self, scene_id: str) -> Any:
        """One scene, or episode, that can be looked at; nothing is drawn yet."""
        loaded = self.source.load(scene_id)
        if not isinstance(loaded, Scene):
            return replace(loaded, rendering=self.rendering)
        if loaded.sensors is not None and loaded.sensors.cameras:
            return loaded
        from drivelab.sim.sensors.rendered import rendered, stage_of_scene

        return replace(loaded, sensors=rendered(loaded, stage_of_scene(loaded, self.rendering)))

    def provenance(self) -> Mapping[str, str]:
        """The source's; how it is rendered stands among the bench's options."""
        return dict(self.source.provenance())


def turned_on(bench: Mapping[str, Any], rig: Any) -> dict[str, Any] | None:
    """The options of a bench with its sensors on, where they are `auto` and an agent asks for some.

    None where nothing changes.
    """
    if bench.get("sensors") == "auto" and (rig.cameras or rig.lidar):
        return {**bench, "sensors": "on"}
    return None
