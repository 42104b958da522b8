"""VADv2 on vector observations as an agent: a plan of its distribution, or the twin's.

It decides every 0.1 s, as in the environment that the weights are trained in; the bench's tracker
(`controller=lqr`) follows the plan until then with what the environment uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drivelab.agents.learned.driver import check_device
from drivelab.agents.learned.vectors import vectors_of
from drivelab.agents.learned.weights import Family, Loaded, loaded_from
from drivelab.agents.rad.vector_encoder import KEY
from drivelab.agents.vadv2.choice import choice_noise, neighbours_mean, shifted_by
from drivelab.agents.vadv2.config import CHOICES
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2
from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.types import Observation, Plan, Privilege, SensorRig

MODES = 20  # most probable entries that a plan tells of


class VectorDriver:
    """Drives by a `VectorVadV2` or a `VectorTwin`, whose input holds the map and the boxes.

    Args:
        loaded: the network, and where its weights are from.
        choice: of the distribution: "mean" of neighbours, as it is judged while it learns,
            "argmax" or "sample".
        sample_seed: of "sample"; None draws another entry each time.
        device: "cpu", "cuda", "cuda:N".

    Raises:
        ConfigError: no such choice, or none that the twin has; no such device.
    """

    rendered_rig = None

    def __init__(
        self, loaded: Loaded, *, choice: str = "mean", sample_seed: int | None = 0,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        if choice not in CHOICES:
            raise ConfigError(
                f"agent.choice={choice}: expected one of {', '.join(CHOICES)}"
                f"{nearest_name(choice, CHOICES)}"
            )
        if choice == "sample" and loaded.network.config.planning == "deterministic":
            raise ConfigError(
                "agent.choice=sample: these weights are of planning=deterministic, which has one "
                "plan and nothing to draw from; leave it out"
            )
        if sample_seed is not None and type(sample_seed) is not int:
            raise ConfigError(
                f"agent.sample_seed={sample_seed}: expected a whole number, or null for another "
                "entry each time"
            )
        self.rig = SensorRig(history=1, vector=True, privilege=Privilege.STATE)
        self.weights, self.weights_sha256 = loaded.told, loaded.sha256
        self._device, self._choice, self._seed = check_device(device), choice, sample_seed
        self._network: Any = loaded.network.requires_grad_(False).to(self._device)

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan each.

        Raises:
            DataError: an observation without its numbers, or a network that has diverged.
        """
        if not observations:
            return []
        rows = torch.from_numpy(vectors_of(observations)).to(self._device)
        with torch.inference_mode():
            found = self._network({KEY: rows})
            if "trajectory" not in found:
                return self._chosen(found)
        poses = found["trajectory"].double().cpu().numpy()
        return [Plan(plan, self._network.config.dt) for plan in poses]

    def _chosen(self, found: Mapping[str, Tensor]) -> list[Plan]:
        """Plans with the most probable entries, and with the value of the state in their notes."""
        scores, values = found["longitudinal"], found["longitudinal_value"]
        shift = found.get("shift")
        if not bool(torch.isfinite(scores).all()):
            raise DataError(
                "scores that are not finite: the network has diverged; take weights from before",
                where="vadv2",
            )
        entries = self._network.vocabulary
        probabilities = scores.softmax(-1)
        if self._choice == "sample":
            scores = scores + choice_noise(len(scores), entries, self._seed)
        driven = neighbours_mean(scores, entries) if self._choice == "mean" else None
        taken = scores.argmax(-1)
        most = probabilities.topk(min(MODES, len(entries)), dim=-1)
        given = probabilities.gather(-1, taken[:, None])[:, 0]
        driven = entries[taken] if driven is None else driven
        both = (shifted_by(plans, shift) for plans in (driven, entries[most.indices]))
        poses, modes = (x.double().cpu().numpy() for x in both)
        shares = most.values.double().cpu().numpy()
        return [
            Plan(
                poses[k], self._network.config.dt, modes[k], shares[k] / shares[k].sum(),
                {"entry": int(taken[k]), "probability": float(given[k]), "value": float(values[k])},
            )
            for k in range(len(poses))
        ]  # fmt: skip


def open_vector(
    file: Path, shipped: Family | None, planning: str | None, entries: int | None
) -> Loaded:
    """The network of a file, which is driven as what it was taught to be.

    Args:
        file: that `save_vector_vadv2` wrote.
        shipped: whose weights they are, where the package brought them.
        planning: what was asked for; None: whatever the file holds.
        entries: likewise.

    Raises:
        ConfigError: it was taught with other options.
        DataError: the file cannot be read or does not fit.
    """
    network = open_vector_vadv2(file)
    for name, value in {"planning": planning, "entries": entries}.items():
        own = getattr(network.config, name)
        if value is not None and value != own:
            raise ConfigError(
                f"agent.{name}={value}: {file} was taught with {name}={own}; leave the option "
                "out, or take other weights"
            )
    return loaded_from(network, file, shipped=shipped)


def check_vector_options(*, image_encoder: str | None, precision: str) -> None:
    """Refuse options of pictures and of their products.

    Raises:
        ConfigError: one of them is given.
    """
    if image_encoder is not None:
        raise ConfigError(
            f"agent.image_encoder={image_encoder}: these weights see vector observations, no "
            "pictures; leave it out"
        )
    if precision != "fp32":
        raise ConfigError(
            f"agent.precision={precision}: weights on vector observations drive by fp32 alone; "
            "leave it out"
        )
