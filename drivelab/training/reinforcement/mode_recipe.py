"""What is trained, and by which objective: the options of `recipe=diffusiondrive`."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import ClassVar

import torch

from drivelab.agents.diffusiondrive.agent import FAMILY
from drivelab.agents.diffusiondrive.mode_policy import ModePolicy
from drivelab.agents.learned.sight import sight_of
from drivelab.agents.learned.weights import BUNDLED, bundled_file
from drivelab.errors import ConfigError
from drivelab.sim.sensors.rendering import WEATHERS, Rendering
from drivelab.training.reinforcement.loop import Course
from drivelab.training.reinforcement.mode_pupil import mode_pupil, open_planner
from drivelab.training.reinforcement.objective import RlObjective
from drivelab.training.reinforcement.pupil import Pupil
from drivelab.training.reinforcement.settings import ReinforcementSettings, Say
from drivelab.training.rollouts.sensors import Sensors


@dataclass(frozen=True, slots=True)
class ModeRecipe:
    """DiffusionDrive from cameras and lidar: which of its plans is driven is the action.

    Attributes:
        preset: of the weights that ship, if the run has no `start`; None: "mini".
        temperature: that scores are divided by, see `ModePolicyConfig`.
        clip: how far a ratio of probabilities may go from 1.
        ppo, value: weights.
    """

    preset: str | None = None
    temperature: float = 0.3
    clip: float = 0.2
    ppo: float = 1.0
    value: float = 1.0

    observations: ClassVar[tuple[str, ...]] = ("sensors",)

    def __post_init__(self) -> None:
        if not 0 <= self.clip < inf:
            raise ConfigError(f"recipe.clip={self.clip}: expected a number from 0 on")
        self.objective()
        if not self.temperature > 0:
            raise ConfigError(f"recipe.temperature={self.temperature}: expected a number above 0")

    @property
    def shipped(self) -> Path:
        """The weights that a run without `start` goes on from."""
        return bundled_file(FAMILY, self.preset or BUNDLED)

    def objective(self) -> RlObjective:
        """PPO on the one axis that there is, by the rewards of all events."""
        return RlObjective(
            longitudinal_clip=self.clip, ppo=self.ppo, value=self.value,
            auxiliary=(0.0, 0.0, 0.0, 0.0), joint=True,
        )  # fmt: skip

    def sensors(self, start: Path | None, *, weather: str, keep: str) -> Sensors:
        """Those that the network of `start`, or the one that ships, looks through.

        Raises:
            ConfigError: no such weather.
            DataError: the file cannot be read.
        """
        sight = sight_of(self.policy(start).network.config)
        assert sight.rig is not None
        return Sensors(sight.features, Rendering(sight.rig, 1.0, WEATHERS[weather], keep=keep))

    def begin(
        self,
        settings: ReinforcementSettings,
        start: Path | None,
        course: Course,
        vocabulary: Path,
        say: Say,
    ) -> tuple[ModePolicy, Pupil]:
        """The policy to go on from, and its kind; its actions need no vocabulary."""
        torch.manual_seed(settings.seed)  # of the value's head
        policy = self.policy(start)
        return policy.train(), mode_pupil(policy, self.preset)

    def policy(self, start: Path | None) -> ModePolicy:
        """That of a file, or of the weights that ship."""
        return open_planner(start, temperature=self.temperature, preset=self.preset)
