"""A worker: worlds, and a frozen copy of the policy that drives in them.

Weights come in by version and clips go out as arrays, so that it is the same whether it runs in
the learner's process or in one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from drivelab.agents.rad.actions import choose
from drivelab.errors import ConfigError, DataError, RunError
from drivelab.planning.rad_anchors import BINS
from drivelab.sim.radlab import LENGTH
from drivelab.training.rollouts.clips import UNTAUGHT, Harvest
from drivelab.training.rollouts.runner import ClipRunner, Decided, MakeCore


class PolicyDriver:
    """Decides by a network, and draws by the probabilities that it gives.

    Args:
        network: outputs as `RadNetwork`.
        valid: the mask of the actions, [longitudinal, lateral].
        generator: draws; None takes the most likely bins.
        version: of the network's weights.
    """

    def __init__(
        self,
        network: nn.Module,
        valid: Bool[Tensor, "m n"] | None,
        *,
        generator: torch.Generator | None = None,
        version: int = UNTAUGHT,
    ) -> None:
        self.network, self.valid, self.generator = network, valid, generator
        self.version = version

    def decide(self, features: Mapping[str, np.ndarray], runner: object = None) -> Decided:
        """Bins with the logarithms of their probabilities, and values; of plans the chosen one.

        Where a network tells `entries` that it decides among, they are kept with the decision.

        Raises:
            ConfigError: the network has another number of actions than the environment.
            DataError: outputs that are not finite.
        """
        outputs = self._outputs(features)
        choice = choose(outputs, self.valid, generator=self.generator)
        log_probs = torch.stack([choice.lateral_log_prob, choice.longitudinal_log_prob], -1)
        plans, among = outputs.get("plans"), outputs.get("entries")
        chosen = None if plans is None else plans[torch.arange(len(plans)), choice.longitudinal]
        return Decided(
            choice.bins.numpy(), log_probs.numpy(), _values(outputs),
            features={} if among is None else {"entries": among.numpy()},
            actions=None if chosen is None else chosen.numpy(),
        )  # fmt: skip

    def values(self, features: Mapping[str, np.ndarray]) -> Float[np.ndarray, "k 2"]:
        """Of states, (lateral, longitudinal)."""
        return _values(self._outputs(features))

    def _outputs(self, features: Mapping[str, np.ndarray]) -> Mapping[str, Tensor]:
        device = next(self.network.parameters()).device  # a look drives with the learner's own
        with torch.inference_mode():
            given = {k: torch.from_numpy(v).to(device) for k, v in features.items()}
            outputs = {name: value.cpu() for name, value in self.network(given).items()}
        sizes = {name: outputs[name].shape[-1] for name in ("lateral", "longitudinal")}
        ahead, aside = (BINS, BINS) if self.valid is None else self.valid.shape
        if (sizes["longitudinal"], sizes["lateral"]) != (ahead, aside):
            raise ConfigError(
                f"the policy has {sizes['lateral']} lateral and {sizes['longitudinal']} "
                f"longitudinal actions, the environment {aside} and {ahead}: make it with as many "
                f"(RadConfig(bins={BINS}) for RAD's)"
            )
        return outputs


class RolloutWorker:
    """Collects whole clips.

    Args:
        make_core: makes worlds with RAD's actions.
        network: a copy that is its own; `load` fills it.
        valid: the mask of the actions that is driven and learnt with.
        steps: decisions of the longest clip.

    Attributes:
        version: of the weights that drive, `UNTAUGHT` before the first.
    """

    def __init__(
        self,
        make_core: MakeCore,
        network: nn.Module,
        valid: Bool[Tensor, "m n"] | None,
        *,
        steps: int = LENGTH,
    ) -> None:
        self._runner = ClipRunner(make_core, steps=steps)
        self._generator = torch.Generator()
        network = network.eval().requires_grad_(False)
        self._driver = PolicyDriver(network, valid, generator=self._generator)

    @property
    def version(self) -> int:
        """Of the weights that drive."""
        return self._driver.version

    def load(self, version: int, weights: Mapping[str, np.ndarray]) -> None:
        """Take the weights of a policy.

        Raises:
            RunError: they are older than those at hand, or of another network.
        """
        if version < self.version:
            raise RunError(
                f"weights of version {version} for a worker that drives with version "
                f"{self.version}; weights only get newer: make a new worker to go back"
            )
        network = self._driver.network
        try:
            network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        except RuntimeError as error:
            raise RunError(
                f"weights of version {version} are of another network: {error}"
            ) from error
        self._driver.version = version

    def collect(self, seeds: Sequence[int], draws: int) -> Harvest:
        """Drive the clips of these seeds to their ends.

        Args:
            seeds: given to the source of episodes.
            draws: seed of the actions that are drawn; the same bits follow from the same one.

        Raises:
            RunError: no weights were loaded, or not one clip could be driven.
            ConfigError, DataError: the network cannot drive, see `PolicyDriver.decide`.
        """
        if self.version == UNTAUGHT:
            raise RunError("this worker has no weights yet: call load() before collect()")
        self._generator.manual_seed(draws)
        return self._runner.run(self._driver, seeds)


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    """What `RolloutWorker.load` takes; a copy."""
    return {k: v.detach().cpu().numpy().copy() for k, v in network.state_dict().items()}


def _values(outputs: Mapping[str, Tensor]) -> Float[np.ndarray, "b 2"]:
    values = torch.stack([outputs["lateral_value"], outputs["longitudinal_value"]], -1)
    if not bool(torch.isfinite(values).all()):
        raise DataError(
            "values that are not finite: the network has diverged; go back to a checkpoint from "
            "before",
            where="outputs",
        )
    return values.numpy()
