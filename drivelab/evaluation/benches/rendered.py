"""Benches whose scenes have no cameras of their own: rendered ones from procedural streets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.sim.sensors.specs import Rig
from drivelab.sim.splats.files import ENDING
from drivelab.types import Scene

SENSORS = ("auto", "on", "off")
AUTO = "auto"
SMALL = 2_000_000  # bytes of a moment's pictures up to which `keep=auto` keeps them


@dataclass(frozen=True, slots=True)
class RenderedOptions:
    """Options of benches that can render sensors."""

    sensors: str = "auto"  # on | off | auto: on where the agent asks for cameras or lidar
    rig: str = AUTO  # nuscenes | navsim_nominal | bench2drive | rad | labmini_mini | a YAML file
    scale: float = 1.0  # of the rig's pictures
    weather: str = "day"  # day | dusk | night | rain | fog | night_rain

    usual_rig: ClassVar[str] = "rad"  # of agents that ask for none

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

        rig = self.usual_rig if self.rig == AUTO else self.rig
        rendering = Rendering(rig, self.scale, WEATHERS[self.weather], street=self.street_file())
        drawn = stage_rig(rendering)  # a rig that is not there is told before the first scene
        return RenderedSource(source, rendering, self.weather, self.keeps(drawn))

    def street_file(self) -> str:
        """A scene file in place of built streets, "" where those are built."""
        return ""

    def keeps(self, rig: Rig) -> bool:
        """Whether pictures of this rig stay for the next run; those of a closed loop do not."""
        return False


@dataclass(frozen=True, slots=True)
class KeptOptions(RenderedOptions):
    """Options of benches whose scenes are looked at once, so that pictures serve again."""

    keep: str = AUTO  # on | off | auto: pictures are kept for the next run, where they are small

    def __post_init__(self) -> None:
        RenderedOptions.__post_init__(self)
        if self.keep not in SENSORS:
            raise ConfigError(
                f"keep={self.keep}: expected one of {', '.join(SENSORS)}"
                f"{nearest_name(str(self.keep), SENSORS)}"
            )

    def keeps(self, rig: Rig) -> bool:
        """See `RenderedOptions.keeps`."""
        from drivelab.sim.sensors.kept import bytes_of_moment

        return self.keep == "on" or (self.keep == AUTO and bytes_of_moment(rig) <= SMALL)


@dataclass(frozen=True, slots=True)
class RenderedSource:
    """Scenes or episodes with rendered sensors; recorded ones win where a scene has cameras.

    Lidar alone does not win: an agent with cameras would fail in those scenes, and a log may hold
    no more than a few of its sweeps.
    """

    source: Any  # SceneSource or EpisodeSource
    rendering: Rendering
    weather: str
    keep: bool = False  # pictures of scenes in the user's cache; episodes keep none

    @property
    def label(self) -> str:
        """The source's, and that its sensors are rendered."""
        street = self.rendering.street
        where = f", in {Path(street).name}" if street else ""
        how = f"{self.rendering.rig}, {self.weather}{where}"
        return f"{self.source.label}, sensors rendered ({how})"

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
        bare = replace(loaded, sensors=None)
        if self.keep:
            from drivelab.data.array_store import ArrayStore
            from drivelab.sim.sensors.kept import KIND, kept_sensors

            store, origin = ArrayStore(kind=KIND), self.source.provenance()
            return replace(loaded, sensors=kept_sensors(bare, self.rendering, origin, store))
        from drivelab.sim.sensors.rendered import rendered, stage_of_scene

        return replace(loaded, sensors=rendered(bare, stage_of_scene(loaded, self.rendering)))

    def provenance(self) -> Mapping[str, str]:
        """The source's, and the street's file; the rest stands among the bench's options."""
        found, street = dict(self.source.provenance()), self.rendering.street
        if street:
            found["street_sha256"] = _digest(Path(street))
        return found


def _digest(street: Path) -> str:
    """Of a scene file, or of all in a folder."""
    digest = hashlib.sha256()
    for file in sorted(street.glob(f"*{ENDING}")) if street.is_dir() else [street]:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def turned_on(bench: Mapping[str, Any], agent: Any) -> dict[str, Any] | None:
    """The options of a bench as they are for an agent, where some of them are `auto`.

    Sensors are on where the agent asks for some; they are drawn with the rig that its weights were
    trained with (`agent.rendered_rig`), where it says one. None where nothing changes.
    """
    changed: dict[str, Any] = {}
    if bench.get("sensors") == AUTO and (agent.rig.cameras or agent.rig.lidar):
        changed["sensors"] = "on"
    own = getattr(agent, "rendered_rig", None)
    if bench.get("rig") == AUTO and own and {**bench, **changed}.get("sensors") == "on":
        changed["rig"] = own
    return {**bench, **changed} if changed else None
