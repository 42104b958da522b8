"""What agents share whose plans are a network's: weights of a known origin, and acting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from drivelab.agents.learned.driver import Driver, Network, check_device
from drivelab.agents.learned.recorded import RecordedNetwork
from drivelab.agents.learned.sight import Sight
from drivelab.agents.learned.weights import Loaded
from drivelab.types import Observation, Plan


class LearnedAgent:
    """Drives by a network.

    Args:
        loaded: the network that was trained, and where its weights are from.
        sight: how its features are built.
        faster: the trained network -> one that gives the same for less; None takes it as it is.
        inputs: features as built -> as the network takes them.
        device: "cpu", "cuda", "cuda:N".
        precision: "fp32", or "bf16" for products.
    """

    def __init__(
        self,
        loaded: Loaded,
        sight: Sight,
        *,
        faster: Callable[..., Any] | None = None,
        inputs: Callable[[Mapping[str, Any]], dict[str, Any]] = dict,
        device: str = "cpu",
        precision: str = "fp32",
    ) -> None:
        network = loaded.network.requires_grad_(False)
        if faster is not None:  # packed weights are of one type only
            network = faster(network, packed=None if precision == "fp32" else False)
        placed: Network = network.to(check_device(device))
        if faster is not None and not device.startswith("cpu"):
            placed = RecordedNetwork(network)
        self.weights, self.weights_sha256 = loaded.told, loaded.sha256
        self._driver = Driver(placed, sight, inputs, device, precision)
        self.rig, self.rendered_rig = self._driver.rig, sight.rig

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan each."""
        return self._driver.act(observations)
