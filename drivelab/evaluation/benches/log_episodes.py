"""Scenes of any source as episodes of the native world: the recorded ego becomes the expert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.world.episode import Episode, Termination
from drivelab.sim.world.log_traffic import episode_from_scene

TRAFFIC = ("replay", "reactive")


@dataclass(frozen=True, slots=True)
class LogEpisodes:
    """Episodes that begin at the current moment of every scene.

    `traffic` says what the others do: "replay" repeats what was recorded, "reactive" lets them
    drive their recorded way by IDM.
    """

    scenes: SceneSource
    duration: float  # [s]
    traffic: str
    termination: Termination
    note: str = ""  # what the label says besides the source

    @property
    def label(self) -> str:
        """The source's label, with how the others move."""
        return f"{self.scenes.label}, {self.traffic} traffic{self.note}"

    @property
    def data(self) -> str:
        """As the source says."""
        return self.scenes.data

    @property
    def licence(self) -> str:
        """As the source says."""
        return self.scenes.licence

    def scene_ids(self) -> tuple[str, ...]:
        """All scenes of the source."""
        return self.scenes.scene_ids()

    def load(self, scene_id: str) -> Episode:
        """One scene as an episode."""
        episode = episode_from_scene(
            self.scenes.load(scene_id), duration=self.duration, traffic=self.traffic
        )
        return replace(episode, termination=self.termination)

    def provenance(self) -> Mapping[str, str]:
        """As the source says."""
        return self.scenes.provenance()


def check_traffic(traffic: str) -> None:
    """Refuse a kind of traffic that is not there."""
    if traffic not in TRAFFIC:
        raise ConfigError(
            f"traffic={traffic}: expected one of {', '.join(TRAFFIC)}"
            f"{nearest_name(traffic, TRAFFIC)}"
        )
