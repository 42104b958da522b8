"""What is trained, and by which objective: the options of `recipe=rad` and `recipe=vadv2`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from drivelab.agents.rad.config import RadConfig
from drivelab.agents.rad.policy import RadNetwork
from drivelab.agents.rad.weights import open_rad
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2
from drivelab.agents.vadv2.vocabulary import load_vocabulary
from drivelab.errors import ConfigError
from drivelab.sim.envs.episodes import episode_source
from drivelab.training.reinforcement.loop import Course
from drivelab.training.reinforcement.objective import RlObjective
from drivelab.training.reinforcement.pupil import Pupil, rad_pupil, vocabulary_pupil
from drivelab.training.rollouts.vocabulary_expert import expert_vocabulary


@dataclass(frozen=True, slots=True)
class RadRecipe:
    """RAD on vector observations; weights and clip ranges as `RlObjective` has them.

    Attributes:
        preset: sizes of the network, see `RadConfig`.
        lateral_clip, longitudinal_clip: how far a ratio of probabilities may go from 1.
        ppo: weight of both axes.
        value: weight of both value heads.
        dynamic_aux, static_aux, position_aux, heading_aux: weights of the auxiliary objectives.
        dynamic_reward, static_reward, position_reward, heading_reward: weights of the rewards.
        gae: "paper" or "released", the formula of the advantages.
    """

    preset: str = "mini"
    lateral_clip: float = 0.1
    longitudinal_clip: float = 0.2
    ppo: float = 1.0
    value: float = 1.0
    dynamic_aux: float = 1.0
    static_aux: float = 1.0
    position_aux: float = 1.0
    heading_aux: float = 1.0
    dynamic_reward: float = 1.0
    static_reward: float = 1.0
    position_reward: float = 1.0
    heading_reward: float = 1.0
    gae: str = "paper"

    def __post_init__(self) -> None:
        RadConfig.preset(self.preset)
        self.objective()

    def objective(self) -> RlObjective:
        """Weights and clip ranges."""
        return RlObjective(
            self.lateral_clip,
            self.longitudinal_clip,
            self.ppo,
            self.value,
            (self.dynamic_aux, self.static_aux, self.position_aux, self.heading_aux),
            (self.dynamic_reward, self.static_reward, self.position_reward, self.heading_reward),
            gae=self.gae,
        )

    def begin(
        self, seed: int, start: Path | None, course: Course, vocabulary: Path
    ) -> tuple[RadNetwork, Pupil]:
        """A network and its kind; RAD's actions need neither clips nor a vocabulary."""
        return self.network(seed, start), rad_pupil()

    def network(self, seed: int, start: Path | None) -> RadNetwork:
        """A network of random weights, or of those of a file.

        Raises:
            ConfigError: the file's network has other sizes than the preset.
            DataError: the file cannot be read.
        """
        config = RadConfig.preset(self.preset)
        if start is None:
            torch.manual_seed(seed)
            return RadNetwork(config)
        found = open_rad(start)
        if found.config != config:
            raise ConfigError(
                f"start={start}: its network is not of preset={self.preset}; it has {found.config}"
            )
        return found.train()


@dataclass(frozen=True, slots=True)
class VocabularyRecipe:
    """VADv2's vocabulary planner on vector observations: an entry is an action.

    Attributes:
        entries: of the vocabulary, standing still among them.
        poses: of an entry.
        dt: between them [s].
        width, hidden, layers, heads: sizes of the network.
        clip: how far a ratio of probabilities may go from 1.
        ppo, value: weights.
    """

    entries: int = 256
    poses: int = 6
    dt: float = 0.5
    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    clip: float = 0.2
    ppo: float = 1.0
    value: float = 1.0

    def __post_init__(self) -> None:
        self._sizes()
        self.objective()
        if self.dt <= 0:
            raise ConfigError(f"dt={self.dt}: expected seconds above 0")

    def objective(self) -> RlObjective:
        """PPO on the one axis that there is, by the rewards of all events."""
        return RlObjective(
            longitudinal_clip=self.clip, ppo=self.ppo, value=self.value,
            auxiliary=(0.0, 0.0, 0.0, 0.0), joint=True,
        )  # fmt: skip

    def begin(
        self, seed: int, start: Path | None, course: Course, vocabulary: Path
    ) -> tuple[VectorVadV2, Pupil]:
        """A network and its kind; the vocabulary is the run's, or made of the training clips.

        Raises:
            ConfigError: the file's network has other sizes, or fewer different drives than entries.
            DataError: the file cannot be read.
        """
        sizes = self._sizes()
        if start is not None:
            found = open_vector_vadv2(start)
            if found.config != sizes:
                raise ConfigError(f"start={start}: its network has other sizes: {found.config}")
            return found.train(), vocabulary_pupil(found.vocabulary.numpy().astype(float), self.dt)
        if vocabulary.is_file():
            entries = load_vocabulary(vocabulary)
        else:
            source = episode_source(course.env.episodes)
            entries = expert_vocabulary(
                source, range(course.size), self.entries, poses=self.poses, dt=self.dt
            )
        torch.manual_seed(seed)
        network = VectorVadV2(sizes, torch.from_numpy(entries))
        return network, vocabulary_pupil(network.vocabulary.numpy().astype(float), self.dt)

    def _sizes(self) -> VectorVadV2Config:
        return VectorVadV2Config(
            width=self.width, hidden=self.hidden, layers=self.layers, heads=self.heads,
            entries=self.entries, poses=self.poses,
        )  # fmt: skip
