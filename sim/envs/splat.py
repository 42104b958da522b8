"""`drivelab/Splat-v0`: RAD's environment, clips of 8 s seen through rendered cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.world.arrays import COLLISION
from drivelab.kernels.world.judge import EVENTS, TERMS
from drivelab.sim.envs.actions import ActionKind
from drivelab.sim.envs.clips import ClipEpisodes
from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.episodes import EpisodeSource
from drivelab.sim.envs.native import NativeEnv
from drivelab.sim.envs.splat_view import FRONT, SplatView
from drivelab.sim.envs.vector import NativeVectorEnv
from drivelab.sim.sensors.rendering import WEATHERS, Rendering

_TERM = TERMS.index("collision")


class SplatCore(EnvCore):
    """Environments in which the ego also feels what stands on its stage."""

    view: SplatView

    def step(self, actions: Any) -> None:
        """One decision of every policy; a contact with the stage counts as a collision."""
        before = self.over.copy()
        super().step(actions)
        for e in np.flatnonzero(~before[:, 0]).tolist():
            if self.view.touches(self.world, e):
                self._collide(e)

    def _collide(self, e: int) -> None:
        verdict, memory = self.verdict, self.verdict.memory[e, 0]
        guard = self.world.starts[e].episode.termination.guard
        if guard is not None and abs(float(self.world.state.way_off[e, 0])) <= guard:
            return
        if int(verdict.events[e, 0]) & COLLISION:
            return
        verdict.events[e, 0] |= COLLISION
        verdict.faults[e, 0] |= COLLISION
        memory[EVENTS] = int(memory[EVENTS]) | COLLISION
        verdict.terms[e, 0, _TERM] = 1.0
        verdict.rewards[e, 0] += verdict.weights[_TERM]
        verdict.returns[e, 0] += verdict.weights[_TERM]
        if verdict.rules[e, 0] > 0.0:
            verdict.ended[e, 0], verdict.over[e, 0] = 1, True


class SplatEnv(NativeEnv):
    """Drive clips of 8 s by what cameras see, 10 decisions a second (RAD, arXiv 2502.13144).

    ## Action space
    As `drivelab/Native-v0`; `"rad"` by default: (lateral, longitudinal) bins of RAD's anchors, of
    which the first 0.1 s is driven. Anchors are drives of RAD's Eq. 3 (a kinematic bicycle at
    constant speed and steering).

    ## Observation space
    `observation="dict"` (default):

    | key | type | what |
    |---|---|---|
    | `images` | uint8 (cameras, height, width, 3) | RGB, in the order of `cameras` |
    | `ego` | float32 (16,) | the ego's own numbers as in `drivelab/Native-v0` |
    | `progress` | float32 (4,) | way left, offset from it, heading relative to it |
    | `route` | float32 (30, 4) | points of the route ahead, 2 m apart, in the ego frame |

    `"flat"`: the images alone.

    ## Reward
    `"rad"` by default: -1 for the event that ends a clip. What stands about, by HUGSIM's rule on
    its Gaussians, and its borders are RAD's static collision.

    ## Starting state
    Clips of radlab (`split="train"`), or episodes of any other kind by `episodes=`: a street is
    built along the route of each. Weather (but for a clear day) and faults of cameras that a
    scenario says go before the options here.

    ## Episode end
    Terminated by RAD's four events: a road user is hit, something that stands or a border is
    touched, 2 m or 40 degrees off the expert's drive. Truncated after 8 s.

    ## Arguments
    Those of `drivelab/Native-v0`, and `split` ("train" or "test"), `traffic` ("replay" or
    "reactive"), `guarded` (borders and headings end a clip only farther than 0.2 m from the
    expert's path, as in RAD's released code), `rig`, `cameras` (of one size), `scale` of their
    pictures, `weather` (a name, or several that clips take turns), `street` (a scene file of the
    place, such as `drivelab reconstruct` writes, or a folder of them by episode, in place of built
    streets), `render_mode`
    ("rgb_array": the cameras side by side).

    ## Version history
    v0: first version.
    """

    def __init__(
        self,
        *,
        episodes: EpisodeSource | str | Sequence[str] | None = None,
        action: str | ActionKind = "rad",
        reward: str | Mapping[str, float] = "rad",
        split: str = "train",
        traffic: str = "replay",
        guarded: bool = False,
        rig: str = "rad",
        cameras: Sequence[str] = FRONT,
        scale: float = 1.0,
        weather: str | Sequence[str] = "day",
        street: str = "",
        **common: Any,
    ) -> None:
        self._splats = splat_view(rig, cameras, scale, weather, street)
        chosen = episodes or ClipEpisodes(split, traffic, guarded)
        super().__init__(episodes=chosen, action=action, reward=reward, **common)

    def render(self) -> np.ndarray | None:
        """The cameras side by side, (height, cameras x width, 3) uint8; None without a mode."""
        if self.render_mode is None:
            return None
        return np.concatenate(list(self.core.observations["images"][0, 0]), axis=1)

    def _make_core(self, options: EnvOptions) -> EnvCore:
        return SplatCore(options, environments=1, view=self._splats)


class SplatVectorEnv(NativeVectorEnv):
    """`num_envs` of `drivelab/Splat-v0` side by side."""

    def __init__(
        self,
        num_envs: int = 1,
        *,
        episodes: EpisodeSource | str | Sequence[str] | None = None,
        action: str | ActionKind = "rad",
        reward: str | Mapping[str, float] = "rad",
        split: str = "train",
        traffic: str = "replay",
        guarded: bool = False,
        rig: str = "rad",
        cameras: Sequence[str] = FRONT,
        scale: float = 1.0,
        weather: str | Sequence[str] = "day",
        street: str = "",
        **common: Any,
    ) -> None:
        self._splats = splat_view(rig, cameras, scale, weather, street)
        chosen = episodes or ClipEpisodes(split, traffic, guarded)
        super().__init__(num_envs, episodes=chosen, action=action, reward=reward, **common)

    def _make_core(self, options: EnvOptions) -> EnvCore:
        return SplatCore(options, environments=self.num_envs, view=self._splats)


def splat_view(
    rig: str, cameras: Sequence[str], scale: float, weather: str | Sequence[str], street: str = ""
) -> SplatView:
    """The view of an environment's options.

    Raises:
        ConfigError: no such rig, camera or weather.
    """
    names = (weather,) if isinstance(weather, str) else tuple(weather)
    for name in names:
        if name not in WEATHERS:
            raise ConfigError(
                f"weather={name!r}: expected one of {', '.join(WEATHERS)}"
                f"{nearest_name(name, WEATHERS)}"
            )
    ways = [Rendering(rig, scale, WEATHERS[name], street=street) for name in names]
    return SplatView(ways, cameras)
