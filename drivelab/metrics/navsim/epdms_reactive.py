"""EPDMS v2.2 with reactive traffic (parity with the official policy not verified)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from drivelab.metrics.metric import SceneScore
from drivelab.metrics.navsim.epdms import Epdms, epdms_columns, scene_scores
from drivelab.metrics.navsim.prepared import Prepared, prepare
from drivelab.metrics.navsim.reactive import Drivers, find_drivers, reactive_objects
from drivelab.metrics.navsim.rules import EPDMS_V2_2, PLAN_DT
from drivelab.metrics.navsim.subscores import score_states
from drivelab.types import Scene


@dataclass(frozen=True, slots=True, eq=False)
class ReactivePrepared:
    """A prepared scene, who drives in it, and what the human scores among them."""

    scene: Prepared
    drivers: Drivers
    human: dict[str, float] | None

    def among(self, states: Float[np.ndarray, "41 11"]) -> Prepared:
        """The scene as its traffic answers these ego states."""
        around = self.scene.around
        half_length, half_width, to_center = around.ego_size
        cos, sin = np.cos(states[:, 2]), np.sin(states[:, 2])
        sizes = np.broadcast_to([half_length, half_width], (len(states), 2))
        ego = np.column_stack(
            [states[:, 0] + to_center * cos, states[:, 1] + to_center * sin, cos, sin, sizes]
        )
        objects = reactive_objects(around.objects, self.drivers, ego)
        return replace(self.scene, around=replace(around, objects=objects))


class EpdmsReactive(Epdms):
    """EPDMS against IDM vehicles that answer each plan; reference and human meet the same rule."""

    name = "epdms_v2.2_reactive"

    def prepare(self, scene: Scene) -> ReactivePrepared:  # type: ignore[override]
        """As EPDMS, and a path for every moving vehicle."""
        prepared = prepare(scene, EPDMS_V2_2)
        drivers = find_drivers(scene, prepared.around.objects, prepared.origin)
        ready = ReactivePrepared(prepared, drivers, None)
        if scene.synthetic or prepared.human is None:
            return ready
        states = prepared.simulate(prepared.human[None], PLAN_DT)
        parts = score_states(states, ready.among(states[0]).around, EPDMS_V2_2)
        human = {name: float(values[0]) for name, values in epdms_columns(parts, None).items()}
        return replace(ready, human=human)

    def score(  # type: ignore[override]
        self, prepared: ReactivePrepared, plans: Float[np.ndarray, "b t 3"], dt: float
    ) -> list[SceneScore]:
        """Simulate each plan, let traffic answer it, judge it and the reference among them."""
        scores = []
        simulated = prepared.scene.simulate(plans, dt)
        for plan, states in zip(plans, simulated, strict=True):
            scene = prepared.among(states)
            parts = score_states(states[None], scene.around, EPDMS_V2_2, scene.history)
            reference = score_states(scene.reference_track, scene.around, EPDMS_V2_2)
            scores += scene_scores(
                scene, states[None], parts, reference, prepared.human, plan[None]
            )
        return scores
