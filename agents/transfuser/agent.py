"""TransFuser as an agent: three cameras and lidar in, one plan out."""

from __future__ import annotations

from typing import Any

from drivelab.agents.learned.agent import LearnedAgent
from drivelab.agents.learned.sight import sight_of
from drivelab.agents.learned.trainee import Trainee
from drivelab.agents.learned.weights import Family, changes_of, load_weights, new_network, preset_of
from drivelab.agents.transfuser.fast import FastTransfuser

FAMILY = Family(
    "transfuser",
    "drivelab.agents.transfuser.config:TransfuserConfig",
    "drivelab.agents.transfuser.policy:TransfuserNetwork",
)


class Transfuser(LearnedAgent):
    """Drives by a TransFuser.

    Args:
        preset: "mini" or "full"; None takes what the weights are of.
        checkpoint: a published Lightning checkpoint or safetensors of ours; None: those that ship.
        image_encoder: "resnet" or "vig_h"; None takes the preset's.
        latent: without lidar, a learned tensor in its place; None takes what the weights are of.
        device: "cpu", "cuda", "cuda:N".
        precision: "fp32", or "bf16" for products.
    """

    def __init__(
        self,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        latent: bool | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        changes = changes_of(image_encoder=image_encoder, latent=latent)
        loaded = load_weights(FAMILY, preset=preset, checkpoint=checkpoint, changes=changes)
        super().__init__(
            loaded, sight_of(loaded.network.config), faster=FastTransfuser, device=device,
            precision=precision,
        )  # fmt: skip

    @classmethod
    def trainee(
        cls,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        latent: bool | None = None,
        **options: Any,
    ) -> Trainee:
        """A network to be taught, with random weights or those of a file."""
        changes = changes_of(image_encoder=image_encoder, latent=latent)
        network = new_network(FAMILY, preset=preset, checkpoint=checkpoint, changes=changes)
        name = preset_of(FAMILY, network.config)
        return Trainee(FAMILY.name, name, network, sight_of(network.config), dict)
