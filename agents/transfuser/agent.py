"""TransFuser as an agent: three cameras and lidar in, one plan out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivelab.agents.learned.driver import Driver, check_device
from drivelab.agents.learned.sight import sight_of
from drivelab.agents.learned.trainee import Trainee
from drivelab.agents.learned.weights import BUNDLED, Family, load_weights, new_network
from drivelab.agents.transfuser.fast import FastTransfuser
from drivelab.types import Observation, Plan

FAMILY = Family(
    "transfuser",
    "drivelab.agents.transfuser.config:TransfuserConfig",
    "drivelab.agents.transfuser.policy:TransfuserNetwork",
)


class Transfuser:
    """Drives by a TransFuser.

    Args:
        preset: "mini" or "full"; None takes what the weights are of.
        checkpoint: a published Lightning checkpoint or safetensors of ours; None: those that ship.
        image_encoder: "resnet" or "vig_h"; None takes the preset's.
        device: "cpu", "cuda", "cuda:N".
        precision: "fp32", or "bf16" for products.
    """

    def __init__(
        self,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        changes = {} if image_encoder is None else {"image_encoder": image_encoder}
        loaded = load_weights(FAMILY, preset=preset, checkpoint=checkpoint, changes=changes)
        packed = None if precision == "fp32" else False  # packed weights are of one type only
        network = FastTransfuser(loaded.network, packed=packed).to(check_device(device))
        self.weights, self.weights_sha256 = loaded.told, loaded.sha256
        self._driver = Driver(
            network, sight_of(loaded.network.config), device=device, precision=precision
        )
        self.rig, self.rendered_rig = self._driver.rig, self._driver.sight.rig

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan each."""
        return self._driver.act(observations)

    @classmethod
    def trainee(
        cls,
        preset: str | None = None,
        checkpoint: str | None = None,
        image_encoder: str | None = None,
        **options: Any,
    ) -> Trainee:
        """A network to be taught, with random weights or those of a file."""
        changes = {} if image_encoder is None else {"image_encoder": image_encoder}
        network = new_network(FAMILY, preset=preset, checkpoint=checkpoint, changes=changes)
        return Trainee(FAMILY.name, preset or BUNDLED, network, sight_of(network.config), dict)
