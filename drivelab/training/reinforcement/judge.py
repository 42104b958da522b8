"""RAD's nine metrics of a policy on clips, driven in the environment it learns in.

The judge of the bench `rad` on the same drives; only that plans are executed by the environment's
own action (the pose of an anchor after 0.1 s) and not tracked by a controller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool
from torch import Tensor, nn

from drivelab.metrics.metric_names import find_metric
from drivelab.sim.envs.core import EnvOptions
from drivelab.training.rollouts.worker import PolicyDriver
from drivelab.training.trials import Act, run_trials

METRIC = "rad9_v2"
BATCH = 20  # clips side by side, so that the memory does not grow with their number


@dataclass(frozen=True, slots=True)
class Look:
    """What came of some clips.

    Attributes:
        score: share of those without any event.
        metrics: the nine, by name.
        rows: of the clips, in their order: name, score, sub-scores and first event.
    """

    score: float
    metrics: Mapping[str, float]
    rows: tuple[Mapping[str, Any], ...]


def judge_clips(act: Act, options: EnvOptions, seeds: Sequence[int]) -> Look:
    """Drive the clips of these seeds and score them.

    Args:
        act: flat observations of all clips -> actions.
        options: of the environment.
        seeds: of the clips.
    """
    metric: Any = find_metric(METRIC)
    rows: list[dict[str, Any]] = []
    for first in range(0, len(seeds), BATCH):
        part = seeds[first : first + BATCH]
        found = run_trials(act, options, part, record=range(len(part)))
        for scene, rollout in zip(found.scenes, found.rollouts, strict=True):
            score = metric.score(scene, rollout)
            event = score.events[0].kind if score.events else None
            told = {**score.subscores, **score.details}
            rows.append({"clip": scene.id, "score": score.score, "event": event, **told})
    means = metric.aggregate(rows)
    score = means.pop("score")
    return Look(score, means, tuple(rows))


def greedy(network: nn.Module, valid: Bool[Tensor, "m n"] | None) -> Act:
    """The most likely action of each axis, by a network on flat vector observations."""
    driver = PolicyDriver(network, valid)

    def act(observations: np.ndarray) -> np.ndarray:
        return driver.decide({"vector": observations}).bins

    return act
