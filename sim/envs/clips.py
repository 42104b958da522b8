"""Clips of radlab as episodes of environments: RAD's 8 s among recorded traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivelab.sim.radlab import RULES, SECONDS, clip_ids, clip_scene
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.log_traffic import check_traffic, episode_from_scene

GUARD = 0.2  # of RAD's released code [m]


@dataclass(frozen=True, slots=True)
class ClipEpisodes:
    """Seed -> clip: the seed counts through the clips of a split.

    Attributes:
        split: "train" or "test" of radlab.
        traffic: "replay" repeats what was recorded, "reactive" drives it by IDM.
        guarded: whether borders and headings end a clip only farther than 0.2 m from the expert's
            path, as in RAD's released code; the paper has no such guard.
    """

    split: str = "train"
    traffic: str = "replay"
    guarded: bool = False

    def __post_init__(self) -> None:
        clip_ids(self.split)
        check_traffic(self.traffic)

    def __call__(self, seed: int) -> Episode:
        """The clip of a seed."""
        names = clip_ids(self.split)
        scene = clip_scene(names[seed % len(names)])
        episode = episode_from_scene(scene, duration=SECONDS, traffic=self.traffic)
        guard = GUARD if self.guarded else None
        return replace(episode, termination=replace(RULES, guard=guard))
