"""Observations -> features -> one batch through a network -> plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivelab.agents.features import features_of, rig_of
from drivelab.agents.learned.sight import Sight
from drivelab.errors import ConfigError, MissingExtra, nearest_name
from drivelab.types import Observation, Plan, SensorRig

try:
    import torch
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), extra="nn") from error

PRECISIONS = ("fp32", "bf16")
Network = Callable[[Mapping[str, torch.Tensor]], Mapping[str, torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Driver:
    """Acts by a network.

    Attributes:
        network: features by name, each with a batch axis -> `trajectory` (b, t, 3), and perhaps
            `modes` (b, m, t, 3) with `mode_scores` (b, m), logits.
        sight: how features are built.
        inputs: features as built -> as the network takes them.
        device: where it runs.
        precision: of its products, "fp32" or "bf16".
    """

    network: Network
    sight: Sight
    inputs: Callable[[dict[str, Any]], dict[str, Any]] = dict
    device: str = "cpu"
    precision: str = "fp32"
    rig: SensorRig = field(init=False)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision={self.precision}: expected one of {', '.join(PRECISIONS)}"
                f"{nearest_name(self.precision, PRECISIONS)}"
            )
        object.__setattr__(self, "rig", rig_of(self.sight.features))

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """One plan each.

        Raises:
            DataError: what an observation lacks.
        """
        if not observations:
            return []
        rows = [features_of(observation, self.sight.features) for observation in observations]
        batch = {
            name: torch.from_numpy(np.stack([row[name] for row in rows])).to(self.device)
            for name in rows[0]
        }
        with self._products():
            found = self.network(self.inputs(batch))
        arrays = {name: found[name].double().cpu().numpy() for name in found}
        return [plan_of(arrays, row, self.sight.features.dt) for row in range(len(rows))]

    def _products(self) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)


def plan_of(arrays: Mapping[str, np.ndarray], row: int, dt: float) -> Plan:
    """The plan of one row of a network's answers; modes get the shares of their probabilities."""
    if "modes" not in arrays:
        return Plan(arrays["trajectory"][row], dt)
    scores = 1.0 / (1.0 + np.exp(-arrays["mode_scores"][row]))  # each is taught by itself
    return Plan(
        poses=arrays["trajectory"][row],
        dt=dt,
        modes=arrays["modes"][row],
        probabilities=scores / scores.sum(),
        notes={"mode_scores": scores},
    )


def check_device(device: str) -> str:
    """The device as given, if this machine has it.

    Raises:
        ConfigError: it has not.
    """
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda") or device.startswith("cpu:"):
        raise ConfigError(f"device={device}: expected cpu, cuda, or cuda:N")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"device={device}: PyTorch sees no GPU here; leave device=cpu, or install a build of "
            "torch for this machine's driver"
        )
    number = device.partition(":")[2]
    if number and not (number.isdecimal() and int(number) < torch.cuda.device_count()):
        raise ConfigError(f"device={device}: this machine has {torch.cuda.device_count()} GPUs")
    return device
