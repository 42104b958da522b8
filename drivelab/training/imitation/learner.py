"""A network, its optimiser and the mean of its weights: one update at a time, and kept whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from drivelab.agents.learned.trainee import Trainee
from drivelab.errors import RunError
from drivelab.training.checkpoint import load_weights, save_checkpoint
from drivelab.training.imitation.lesson import Batch
from drivelab.training.imitation.schedule import rate_at
from drivelab.training.imitation.settings import ImitationSettings
from drivelab.training.together import average_gradients


class Learner:
    """Teaches one network.

    Args:
        trainee: the network and what it is fed.
        settings: rates.
        total: updates of the whole run, over which the rate falls.
        rank: of the worker, each of which draws noise of its own.

    Attributes:
        updates: done so far.
        mean: of the weights so far, exponentially; what is validated and kept.
    """

    def __init__(
        self, trainee: Trainee, settings: ImitationSettings, total: int, *, rank: int = 0
    ) -> None:
        self.trainee, self.settings, self.total, self.rank = trainee, settings, total, rank
        self.updates = 0
        self.network: nn.Module = trainee.network.to(
            settings.device, memory_format=torch.channels_last
        )
        self.mean = AveragedModel(self.network, multi_avg_fn=self._average)
        self.optimizer = torch.optim.AdamW(
            groups_of(self.network, settings.weight_decay), lr=settings.learning_rate, foreach=True
        )

    def update(self, parts: Sequence[Batch]) -> dict[str, float]:
        """One step of the optimiser on the mean gradient of the batches; mean losses by name.

        Raises:
            RunError: the loss or its gradient is not finite; the weights are as before.
        """
        self.network.train()
        torch.manual_seed(self._draw())
        self.optimizer.zero_grad(set_to_none=True)
        losses: dict[str, float] = {}
        for features, targets in parts:
            for name, value in self._learn(features, targets, 1.0 / len(parts)).items():
                losses[name] = losses.get(name, 0.0) + value / len(parts)
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        average_gradients(parameters)
        norm = float(nn.utils.clip_grad_norm_(parameters, self.settings.clip))
        self._check(losses, norm)
        rate = self.settings.learning_rate * rate_at(self.updates, self.total, self.settings.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.updates += 1
        self.mean.update_parameters(self.network)
        return {**losses, "gradient": norm, "rate": rate}

    def save(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Everything that the next update depends on."""
        save_checkpoint(folder, self._both(), {**facts, "updates": self.updates}, self.optimizer)

    def load(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Go on from what `save` left: the same bits follow on the same machine."""
        load_weights(folder, self._both(), self.optimizer)
        self.updates = int(facts["updates"])

    def _draw(self) -> int:
        """Seed of an update's dropout and noise: so nothing random is kept for a resumed run."""
        sequence = np.random.SeedSequence([self.settings.seed, self.updates, self.rank])
        return int(sequence.generate_state(1, np.uint64)[0])

    def _learn(
        self, features: Mapping[str, Tensor], targets: Mapping[str, Tensor], weight: float
    ) -> dict[str, float]:
        device = self.settings.device
        moved = self.trainee.inputs({k: _moved(v, device) for k, v in features.items()})
        taught = {name: value.to(device) for name, value in targets.items()}
        with self._products():
            found = self.network.loss(moved, taught)  # type: ignore[operator]
        (weight * found["loss"]).backward()
        return {k: float(v.detach()) for k, v in found.items() if k.endswith("loss")}

    def _products(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.settings.device).type, dtype=torch.bfloat16)

    def _average(self, means: Sequence[Tensor], new: Sequence[Tensor], count: Tensor | int) -> None:
        # a short past counts less: the first updates would stay in the mean for too long
        decay = min(self.settings.ema, (1.0 + int(count)) / (10.0 + int(count)))
        for mean, value in zip(means, new, strict=True):
            mean.lerp_(value.to(mean.dtype), 1.0 - decay)

    def _both(self) -> nn.Module:
        return nn.ModuleDict({"network": self.network, "mean": self.mean})

    def _check(self, losses: Mapping[str, float], norm: float) -> None:
        wrong = [name for name, value in losses.items() if not np.isfinite(value)]
        if not np.isfinite(norm):
            wrong.append("gradient")
        if wrong:
            raise RunError(
                f"update {self.updates}: {', '.join(wrong)} not finite, and nothing of it is kept. "
                "Begin a new run with a lower learning_rate=, if this one left a best.safetensors "
                "with agent.checkpoint= of it; or look for damaged scenes"
            )


def _moved(values: Tensor, device: str) -> Tensor:
    """On the device; pictures with channels last, in which convolutions are fastest."""
    if values.ndim != 4:
        return values.to(device)
    return values.to(device, memory_format=torch.channels_last)


def groups_of(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Parameters with weight decay (matrices and kernels) and without (biases, norms)."""
    flat = [p for p in network.parameters() if p.requires_grad and p.ndim < 2]
    deep = [p for p in network.parameters() if p.requires_grad and p.ndim >= 2]
    return [
        {"params": deep, "weight_decay": weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
