"""`drivelab/Native-v0`: one environment of the native world with numbers to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded

from drivelab.errors import ConfigError
from drivelab.sim.envs.actions import ActionKind
from drivelab.sim.envs.core import SEEDS, EnvCore, EnvOptions
from drivelab.sim.envs.episodes import ALL_FAMILIES, EpisodeSource, asked_seed
from drivelab.sim.envs.picture import check_render_mode, picture
from drivelab.sim.envs.vector_view import VectorView
from drivelab.sim.envs.views import View, check_form
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.native import Dynamics


class NativeEnv(gym.Env[Any, Any]):
    """Drive one vehicle among others along a route, 10 decisions a second.

    ## Action space
    `action="control"` (default): `Box(-1, 1, (2,))`.

    | index | meaning | -1 | 0 | +1 |
    |---|---|---|---|---|
    | 0 | acceleration [m/s^2] | -6 | 0 | 3 |
    | 1 | steering angle aimed at [rad], at most 0.6 rad/s | -0.5 (right) | 0 | 0.5 (left) |

    `action="trajectory"`: `Box (8, 3)`, rear-axle poses (x [m], y [m], yaw [rad]) at 0.5, 1.0, ...
    4.0 s in the present ego frame; an LQR tracker follows them for 0.1 s.
    `action="rad"`: `MultiDiscrete([61, 61])`, (lateral, longitudinal) bins of RAD's anchors;
    the first 0.1 s of the anchor is executed.
    An action outside of its space is refused, never clipped.

    ## Observation space
    `observation="dict"` (default): the parts of `EGO_LAYOUT` by name; `"flat"`: one `Box` of the
    same numbers in the same order. docs/environments.md has the table of indices and bounds.

    ## Reward
    The weighted sum of named terms (`reward={"collision": -20.0}` changes weights;
    `reward="rad"` is -1 for each event of RAD). Every weighted term is in `info["reward_terms"]`.

    ## Starting state
    `episodes=` says where episodes come from: names of training families (default: straight,
    curve, follow, merge), a scenario (YAML file or name), or a function seed -> Episode. `reset`
    draws the seed of the next episode; `options={"episode_seed": 7}` asks for one,
    `options={"episode": episode}` brings one.

    ## Episode end
    Terminated by the events that the episode's `Termination` names (collision, off-road, route
    done, ...); truncated after `max_steps`, or the episode's duration.

    ## Arguments
    `episodes`, `action`, `reward`, `observation`, `max_steps`, `dynamics` ("kinematic" or
    "dynamic"), `render_mode` (None or "rgb_array").

    ## Version history
    v0: first version.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    view: ClassVar[type[View]] = VectorView

    def __init__(
        self,
        *,
        episodes: EpisodeSource | str | Sequence[str] = ALL_FAMILIES,
        action: str | ActionKind = "control",
        reward: str | Mapping[str, float] = "default",
        observation: str = "dict",
        max_steps: int | None = None,
        dynamics: Dynamics = "kinematic",
        render_mode: str | None = None,
    ) -> None:
        self.render_mode = check_render_mode(render_mode)
        self.observation = check_form(observation)
        options = EnvOptions(episodes, action, reward, max_steps, dynamics)
        self.core = self._make_core(options)
        self.action_space = self.core.action_space
        self.observation_space = self.core.view.space(self.observation)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode."""
        super().reset(seed=seed)
        episode_seed = asked_seed(options, ("episode", "episode_seed"))
        given = (options or {}).get("episode")
        if given is not None:
            if not isinstance(given, Episode):
                raise ConfigError(f"episode={given!r}: expected a drivelab.sim.world Episode")
            self.core.reset_to({0: given})
        else:
            if episode_seed is None:
                episode_seed = int(self.np_random.integers(SEEDS))
            self.core.reset({0: episode_seed})
        return self._observation(), self.core.info(0)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Decide once and let 0.1 s pass."""
        core = self.core
        if core.over[0, 0]:
            raise ResetNeeded(_what_ended(core))
        core.step(action)
        ended = core.verdict.ended[0, 0]
        return (
            self._observation(),
            float(core.verdict.rewards[0, 0]),
            bool(ended == 1),
            bool(ended == 2),
            core.info(0),
        )

    def render(self) -> np.ndarray | None:
        """The surroundings from above, (384, 384, 3) uint8; None without a render mode."""
        return None if self.render_mode is None else picture(self.core.world, 0)

    def _make_core(self, options: EnvOptions) -> EnvCore:
        return EnvCore(options, environments=1, view=self.view())

    def _observation(self) -> Any:
        return self.core.view.pack(self.core.observations, (0, 0), self.observation)


def _what_ended(core: EnvCore) -> str:
    info = core.info(0)  # raises where there has been no reset yet
    return (
        f"episode {info['episode_id']} has ended at {info['time']:.1f} s "
        f"({', '.join(info['events'])}): call reset() before step()"
    )
