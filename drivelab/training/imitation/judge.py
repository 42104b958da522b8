"""How well a network would have driven the validation scenes: the mean PDMS of its plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from drivelab.data.source import SceneSource
from drivelab.errors import DataError, DrivelabError
from drivelab.metrics.metric_names import find_metric
from drivelab.training.imitation.lesson import Lesson, in_turn

METRIC = "pdms_v1.1"
BATCH = 25


@dataclass(frozen=True, slots=True)
class Look:
    """Of one look.

    Attributes:
        pdms: mean over the scenes.
        distance: mean distance of planned from recorded positions [m].
        subscores: means by name.
        scenes: that were scored.
    """

    pdms: float
    distance: float
    subscores: Mapping[str, float]
    scenes: int


class Judge:
    """Holds the validation scenes ready to be scored.

    Args:
        lesson: whose validation scenes.
        dt: between planned poses [s].

    Attributes:
        ids: of the scenes that can be scored.
        failed: why others cannot, by scene.

    Raises:
        DataError: none of them can be scored.
    """

    def __init__(self, lesson: Lesson, dt: float) -> None:
        self.lesson, self.dt = lesson, dt
        self.metric: Any = find_metric(METRIC)
        source: SceneSource = lesson.validation.recipe.source
        self._prepared, self.failed = {}, {}
        for scene in lesson.validation_ids:
            try:
                self._prepared[scene] = self.metric.prepare(source.load(scene))
            except DrivelabError as error:
                self.failed[scene] = str(error)
        self.ids = tuple(self._prepared)
        if not self.ids:
            why = next(iter(self.failed.values()), "there are none")
            raise DataError(f"no validation scene can be scored by {METRIC}: {why}")

    def try_out(self, network: Any, inputs: Callable[[Any], Any], device: str) -> Look:
        """Plans of the network in inference mode, scored."""
        network.eval()
        plans, targets = [], []
        with torch.inference_mode():
            for features, taught in in_turn(self.lesson.validation, self.ids, BATCH):
                moved = {name: value.to(device) for name, value in features.items()}
                plans.append(network(inputs(moved))["trajectory"].double().cpu().numpy())
                targets.append(taught["trajectory"].numpy())
        poses, human = np.concatenate(plans), np.concatenate(targets)
        scores = [
            self.metric.score(prepared, plan[None], self.dt)[0]
            for prepared, plan in zip(self._prepared.values(), poses, strict=True)
        ]
        names = scores[0].subscores
        return Look(
            float(np.mean([score.score for score in scores])),
            float(np.hypot(*(poses - human)[..., :2].transpose(2, 0, 1)).mean()),
            {name: float(np.mean([s.subscores[name] for s in scores])) for name in names},
            len(scores),
        )
