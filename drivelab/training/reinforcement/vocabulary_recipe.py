"""What is trained, and by which objective: the options of `recipe=vadv2`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import inf
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from drivelab.agents.learned.sized_weights import other_sizes
from drivelab.agents.vadv2.vector_policy import VectorVadV2, VectorVadV2Config
from drivelab.agents.vadv2.vector_twin import VectorTwin
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2
from drivelab.agents.vadv2.vocabulary import load_vocabulary
from drivelab.errors import ConfigError, DataError
from drivelab.sim.envs.episodes import episode_source
from drivelab.training.reinforcement.loop import Course
from drivelab.training.reinforcement.objective import RlObjective
from drivelab.training.reinforcement.pupil import Pupil
from drivelab.training.reinforcement.settings import ReinforcementSettings, Say
from drivelab.training.reinforcement.vocabulary_pupils import (
    DRAWN,
    SAMPLED,
    twin_pupil,
    vocabulary_pupil,
)
from drivelab.training.rollouts.record_expert import expert_vocabulary

AGAIN = "remove the file, and it is made again"


@dataclass(frozen=True, slots=True)
class VocabularyRecipe:
    """VADv2's vocabulary planner on vector observations: an entry is an action.

    Attributes:
        planning: "probabilistic", or "deterministic" for the twin, which imitates only.
        entries: of the vocabulary, standing still among them; the twin has none.
        shifted: whether the state moves them, all alike; not in the paper.
        sampled: of them that teach a decision in one update of imitation, the nearest always.
        drawn: the likeliest so many are what reinforcement draws from.
        driven: entries of which the nearest to the record is what the expert drives by.
        poses: of an entry or of the twin's plan.
        dt: between them [s].
        width, hidden, layers, heads: sizes of the network.
        clip: how far a ratio of probabilities may go from 1.
        ppo, value: weights.
        dynamic_aux, static_aux, position_aux, heading_aux: of the auxiliary objectives, by event.
    """

    planning: str = "probabilistic"
    entries: int = 256
    shifted: bool = True
    sampled: int = SAMPLED
    drawn: int = DRAWN
    driven: int = 256
    poses: int = 6
    dt: float = 0.5
    width: int = 64
    hidden: int = 128
    layers: int = 2
    heads: int = 4
    clip: float = 0.2
    ppo: float = 1.0
    value: float = 1.0
    dynamic_aux: float = 1.0
    static_aux: float = 1.0
    position_aux: float = 1.0
    heading_aux: float = 1.0

    def __post_init__(self) -> None:
        least_of = {"sampled": 2, "drawn": 2, "driven": 1}
        if self.planning == "probabilistic":
            least_of["entries"] = 2
        for name, least in least_of.items():
            value = getattr(self, name)
            if type(value) is not int or value < least:  # nothing is learnt from a choice of one
                raise ConfigError(
                    f"recipe.{name}={value!r}: expected a whole number from {least} on"
                )
        for option in fields(self):  # named as they are typed, not as the objective has them
            value = getattr(self, option.name)
            if option.type == "float" and option.name != "dt" and not 0 <= value < inf:
                raise ConfigError(f"recipe.{option.name}={value}: expected a number from 0 on")
        self._config()
        self.objective()

    def objective(self) -> RlObjective:
        """PPO on the one axis that there is, by the rewards of all events, and RAD's sides."""
        return RlObjective(
            longitudinal_clip=self.clip,
            ppo=self.ppo,
            value=self.value,
            auxiliary=(self.dynamic_aux, self.static_aux, self.position_aux, self.heading_aux),
            joint=True,
        )

    def begin(
        self,
        settings: ReinforcementSettings,
        start: Path | None,
        course: Course,
        vocabulary: Path,
        say: Say,
    ) -> tuple[VectorVadV2 | VectorTwin, Pupil]:
        """A network and its kind; the vocabulary is the file's, the run's, or made of the clips.

        Raises:
            ConfigError: reinforcement of the twin, a file's network of other sizes, or fewer
                different drives than entries.
            DataError: the file cannot be read.
        """
        self._check_mode(settings.mode)
        found = None if start is None else self._opened(start)
        own = found.vocabulary.numpy().astype(float) if isinstance(found, VectorVadV2) else None
        if own is not None and len(own) >= self.driven:
            all_entries = own
        else:
            all_entries = self._entries(course, vocabulary, say)
        # furthest trajectory sampling adds one after the other: the first ones are a smaller one's
        driven = all_entries[: self.driven]
        torch.manual_seed(settings.seed)
        if self.planning == "deterministic":
            pupil = twin_pupil(driven, self.dt)
            return found or VectorTwin(self._config()), replace(pupil, vocabulary=all_entries)
        entries = all_entries[: self.entries] if own is None else own
        network = found or VectorVadV2(self._config(), torch.from_numpy(entries))
        pupil = vocabulary_pupil(entries, driven, self.dt, sampled=self.sampled, drawn=self.drawn)
        return network, replace(pupil, vocabulary=all_entries)

    def _check_mode(self, mode: str) -> None:
        if self.planning == "deterministic" and mode != "il":
            raise ConfigError(
                f"mode={mode}: recipe.planning=deterministic plans one trajectory and has no "
                "actions whose probability could be reinforced; it is taught by mode=il alone"
            )

    def _opened(self, start: Path) -> VectorVadV2 | VectorTwin:
        found, config = open_vector_vadv2(start), self._config()
        if found.config != config:
            raise ConfigError(
                f"start={start}: its network has {other_sizes(found.config, config)}; say "
                "them as recipe.NAME="
            )
        return found.train()

    def _entries(self, course: Course, vocabulary: Path, say: Say) -> Float[np.ndarray, "k t 3"]:
        """Of the run's folder or of the training clips, as precise as weights keep them."""
        if vocabulary.is_file():
            entries = load_vocabulary(vocabulary, AGAIN)
            if len(entries) < self._made or entries.shape[1] != self.poses:
                raise DataError(
                    f"shape {entries.shape}, expected ({self._made}, {self.poses}, 3); {AGAIN}",
                    file=vocabulary,
                )
        else:
            say(f"making a vocabulary of what {course.size} experts drove")
            entries = expert_vocabulary(
                episode_source(course.env.episodes), range(course.size), self._made,
                poses=self.poses, dt=self.dt,
            )  # fmt: skip
        return entries.astype(np.float32).astype(float)

    @property
    def _made(self) -> int:
        """Entries that are made of the clips."""
        twin = self.planning == "deterministic"
        return self.driven if twin else max(self.entries, self.driven)

    def _config(self) -> VectorVadV2Config:
        return VectorVadV2Config(
            width=self.width, hidden=self.hidden, layers=self.layers, heads=self.heads,
            entries=self.entries, poses=self.poses, dt=float(self.dt), planning=self.planning,
            shifted=self.shifted and self.planning == "probabilistic",
        )  # fmt: skip
