"""What is trained, and by which objective: the options of `recipe=rad`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch

from drivelab.agents.learned.sized_weights import other_sizes
from drivelab.agents.rad.config import IMAGE_SIZES, RadConfig
from drivelab.agents.rad.policy import RadNetwork
from drivelab.agents.rad.weights import open_rad
from drivelab.errors import ConfigError, nearest_name
from drivelab.training.reinforcement.compat import is_released
from drivelab.training.reinforcement.loop import Course
from drivelab.training.reinforcement.objective import RlObjective
from drivelab.training.reinforcement.pupil import Pupil, rad_pupil
from drivelab.training.reinforcement.settings import ReinforcementSettings, Say

if TYPE_CHECKING:
    from drivelab.training.rollouts.pictures import Pictures


@dataclass(frozen=True, slots=True)
class RadRecipe:
    """RAD on vector observations or pictures; weights and clip ranges as `RlObjective` has them.

    Attributes:
        preset: sizes of the network, see `RadConfig`.
        image_encoder: of pictures: "slim", "resnet" or "vig_h".
        lateral_clip, longitudinal_clip: how far a ratio of probabilities may go from 1.
        ppo: weight of both axes.
        value: weight of both value heads.
        dynamic_aux, static_aux, position_aux, heading_aux: weights of the auxiliary objectives.
        dynamic_reward, static_reward, position_reward, heading_reward: weights of the rewards.
        gae: "paper" or "released", the formula of the advantages.
    """

    preset: str = "mini"
    image_encoder: str = "slim"
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

    observations: ClassVar[tuple[str, ...]] = ("vector", "images")

    def __post_init__(self) -> None:
        RadConfig.preset(self.preset)
        if self.image_encoder not in IMAGE_SIZES:
            raise ConfigError(
                f"recipe.image_encoder={self.image_encoder}: expected one of "
                f"{', '.join(IMAGE_SIZES)}{nearest_name(str(self.image_encoder), IMAGE_SIZES)}"
            )
        for option in fields(self):  # named as they are typed, not as the objective has them
            value = getattr(self, option.name)
            if option.type == "float" and not 0 <= value < inf:
                raise ConfigError(f"recipe.{option.name}={value}: expected a number from 0 on")
        is_released(self.gae, option="recipe.gae")

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
        self,
        settings: ReinforcementSettings,
        start: Path | None,
        course: Course,
        vocabulary: Path,
        say: Say,
    ) -> tuple[RadNetwork, Pupil]:
        """A network and its kind; RAD's actions need neither clips nor a vocabulary."""
        pictures = cast("Pictures | None", course.seen)
        return self.network(settings.seed, start, pictures), rad_pupil()

    def network(
        self, seed: int, start: Path | None, pictures: Pictures | None = None
    ) -> RadNetwork:
        """A network of random weights, or of those of a file.

        Args:
            seed: of the weights.
            start: file of weights.
            pictures: that it sees; None: it sees numbers.

        Raises:
            ConfigError: the file's network has other sizes than the preset, or sees other things.
            DataError: the file cannot be read.
        """
        if pictures is None and self.image_encoder != "slim":
            raise ConfigError(
                f"recipe.image_encoder={self.image_encoder}: with obs=vector there are no "
                "pictures; leave it out, or say obs=images"
            )
        config = RadConfig.preset(self.preset, **self._sight(pictures))
        if start is None:
            torch.manual_seed(seed)
            return RadNetwork(config)
        found = open_rad(start)
        if found.config != config:
            raise ConfigError(
                f"start={start}: its network has {other_sizes(found.config, config)}; say "
                "recipe.preset=, recipe.image_encoder= and obs= as it was taught with"
            )
        return found.train()

    def _sight(self, pictures: Pictures | None) -> dict[str, Any]:
        """What a network's configuration says of its eyes."""
        if pictures is None:
            return {}
        _, height, width, _ = pictures.shape
        return {
            "encoder": "image", "image_encoder": self.image_encoder, "rig": pictures.rig,
            "cameras": pictures.cameras, "pixels": (width, height),
        }  # fmt: skip
