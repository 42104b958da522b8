"""RAD's nine metrics of a policy on clips, driven in the environment it learns in.

The judge of the bench `rad` on the same drives; only that plans are executed by the environment's
own action (the pose of an anchor after 0.1 s) and not tracked by a controller.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Bool
from torch import Tensor, nn

from drivelab.metrics.metric import Event
from drivelab.metrics.metric_names import find_metric
from drivelab.sim.envs.core import EnvOptions
from drivelab.training.rollouts.worker import PolicyDriver
from drivelab.training.trials import Act, ActByName, drive_trials, run_trials
from drivelab.types import Rollout, Scene

if TYPE_CHECKING:
    from drivelab.training.rollouts.seen import Seen

METRIC = "rad9_v2"
BATCH = 20  # clips side by side, so that the memory does not grow with their number


@dataclass(frozen=True, slots=True)
class Look:
    """What came of some clips.

    Attributes:
        score: share of those without any event.
        metrics: the nine by name, and `mean_speed` of the safe steps [m/s].
        rows: of the clips, in their order: name, family, score, sub-scores and first event.
        failures: world, drive and event of the first clips that went wrong, as many as asked for.
    """

    score: float
    metrics: Mapping[str, float]
    rows: tuple[Mapping[str, Any], ...]
    failures: tuple[tuple[Scene, Rollout, Event], ...] = ()


def judge_clips(
    act: Act | ActByName,
    options: EnvOptions,
    seeds: Sequence[int],
    *,
    failures: int = 0,
    seen: Seen | None = None,
) -> Look:
    """Drive the clips of these seeds and score them.

    Args:
        act: flat observations of all clips, or through sensors all of them by name -> actions.
        options: of the environment.
        seeds: of the clips.
        failures: how many clips that went wrong are kept whole.
        seen: through which sensors; None: by numbers.
    """
    metric: Any = find_metric(METRIC)
    rows: list[dict[str, Any]] = []
    kept: list[tuple[Scene, Rollout, Event]] = []
    for first in range(0, len(seeds), BATCH):
        part = seeds[first : first + BATCH]
        if seen is None:
            found = run_trials(cast(Act, act), options, part, record=range(len(part)))
        else:
            core = seen.core(options, len(part))
            found = drive_trials(cast(ActByName, act), core, part, record=range(len(part)))
        for scene, rollout in zip(found.scenes, found.rollouts, strict=True):
            score = metric.score(scene, rollout)
            event = score.events[0].kind if score.events else None
            if event is not None and len(kept) < failures:
                kept.append((scene, rollout, score.events[0]))
            told = {"clip": scene.id, "family": scene.family, "score": score.score, "event": event}
            rows.append({**told, **score.subscores, **score.details})
    means = metric.aggregate(rows)
    score = means.pop("score")
    steps = np.array([row["safe_steps"] for row in rows], float)
    means["mean_speed"] = float(steps @ [row["mean_speed"] for row in rows] / steps.sum())
    return Look(score, means, tuple(rows), tuple(kept))


@contextmanager
def at_rest(network: nn.Module) -> Iterator[None]:
    """A network as it drives, then again as it was: a look changes no running means of norms."""
    was = {layer: layer.training for layer in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for layer, training in was.items():
            layer.training = training


def greedy(network: nn.Module, valid: Bool[Tensor, "m n"] | None) -> Act:
    """The most likely action of each axis; observations are vectors, or all there are by name."""
    driver = PolicyDriver(network, valid)

    def act(observations: np.ndarray | Mapping[str, np.ndarray]) -> np.ndarray:
        seen = {"vector": observations} if isinstance(observations, np.ndarray) else observations
        return driver.decide(seen).bins

    return act
