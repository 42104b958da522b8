"""DiffusionDrive as an agent: three cameras and lidar in, twenty plans out, the best one driven."""

from __future__ import annotations

from typing import Any

from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive
from drivelab.agents.learned.agent import LearnedAgent
from drivelab.agents.learned.sight import sight_of
from drivelab.agents.learned.trainee import Trainee
from drivelab.agents.learned.weights import (
    BUILT_IN,
    BUNDLED,
    Family,
    changes_of,
    load_weights,
    new_network,
    preset_of,
)

FAMILY = Family(
    "diffusiondrive",
    "drivelab.agents.diffusiondrive.config:DiffusionDriveConfig",
    "drivelab.agents.diffusiondrive.policy:DiffusionDriveNetwork",
)


class DiffusionDrive(LearnedAgent):
    """Drives by a DiffusionDrive; plans hold all modes and their shares of probability.

    Args:
        preset: "mini" or "full"; None takes what the weights are of.
        checkpoint: a published Lightning checkpoint or safetensors of ours; None: those that ship.
        image_encoder: "resnet" or "vig_h"; None takes the preset's.
        diffusion: "truncated" or "vanilla"; None takes what the weights are of.
        denoise_steps: of truncated diffusion; None takes 2.
        noise_seed: of the noise at inference; None draws other noise each time.
        noise_share: of the published noise that plans start with, 0 to 1; None takes what the
            weights are of.
        latent: without lidar, a learned tensor in its place; None takes what the weights are of.
        device: "cpu", "cuda", "cuda:N".
        precision: "fp32", or "bf16" for products.
    """

    def __init__(
        self,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        diffusion: str | None = None,
        denoise_steps: int | None = None,
        noise_seed: int | None = 0,
        noise_share: float | None = None,
        latent: bool | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        changes = changes_of(
            image_encoder=image_encoder, diffusion=diffusion, denoise_steps=denoise_steps,
            noise_share=noise_share, latent=latent,
        )  # fmt: skip
        loaded = load_weights(
            FAMILY, preset=preset, checkpoint=checkpoint, fixed=(*BUILT_IN, "diffusion"),
            changes={**changes, "noise_seed": noise_seed},
        )  # fmt: skip
        super().__init__(
            loaded, sight_of(loaded.network.config), faster=FastDiffusionDrive, device=device,
            precision=precision,
        )  # fmt: skip

    @classmethod
    def trainee(
        cls,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        diffusion: str | None = None,
        denoise_steps: int | None = None,
        noise_seed: int | None = 0,
        noise_share: float | None = None,
        latent: bool | None = None,
        **options: Any,
    ) -> Trainee:
        """A network to be taught: a new one, or that of a file, which keeps its anchors.

        The small one begins with the eyes of the TransFuser that ships, as the published one
        begins with those of a ResNet that knew ImageNet.
        """
        changes = changes_of(
            image_encoder=image_encoder, diffusion=diffusion, denoise_steps=denoise_steps,
            noise_share=noise_share, latent=latent,
        )  # fmt: skip
        network = new_network(
            FAMILY, preset=preset, checkpoint=checkpoint,
            changes={**changes, "noise_seed": noise_seed},
        )  # fmt: skip
        set_anchors = network._trajectory_head.set_anchors if checkpoint is None else None
        name = preset_of(FAMILY, network.config)
        trained = name == BUNDLED and checkpoint is None and image_encoder in (None, "resnet")
        return Trainee(
            FAMILY.name, name, network, sight_of(network.config), dict,
            start="transfuser" if trained else None, set_anchors=set_anchors,
        )  # fmt: skip
