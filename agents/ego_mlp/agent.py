"""The ego-status MLP as an agent: what a planner can know without looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivelab.agents.ego_mlp.policy import KEY, ego_status_from
from drivelab.agents.learned.agent import LearnedAgent
from drivelab.agents.learned.sight import blind
from drivelab.agents.learned.trainee import Trainee
from drivelab.agents.learned.weights import BUNDLED, Family, load_weights, new_network

FAMILY = Family(
    "ego_mlp",
    "drivelab.agents.ego_mlp.config:EgoMlpConfig",
    "drivelab.agents.ego_mlp.policy:EgoMlpNetwork",
    presets=False,
)


class EgoMlp(LearnedAgent):
    """Drives by an ego-status MLP.

    Args:
        checkpoint: a published Lightning checkpoint or safetensors of ours; None: those that ship.
        device: "cpu", "cuda", "cuda:N".
    """

    def __init__(self, checkpoint: str | None = None, device: str = "cpu") -> None:
        loaded = load_weights(FAMILY, preset=None, checkpoint=checkpoint, changes={})
        config = loaded.network.config
        super().__init__(loaded, blind(config.poses, config.dt), inputs=inputs_of, device=device)

    @classmethod
    def trainee(cls, checkpoint: str | None = None, **options: Any) -> Trainee:
        """A network to be taught, with random weights or those of a file."""
        network = new_network(FAMILY, preset=None, checkpoint=checkpoint, changes={})
        config = network.config
        return Trainee(FAMILY.name, BUNDLED, network, blind(config.poses, config.dt), inputs_of)


def inputs_of(features: Mapping[str, Any]) -> dict[str, Any]:
    """The published order of the ego status, of the common features."""
    return {KEY: ego_status_from(features["status_feature"])}
