"""PDM-Closed as an agent; the planner itself is the reference of the NAVSIM scores."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.errors import PlanError
from drivelab.geometry.poses import relative
from drivelab.metrics.navsim.pdm_closed import plan_pdm_closed
from drivelab.metrics.navsim.route_context import route_context
from drivelab.metrics.navsim.rules import EPDMS_V2_2, PDMS_V1_1
from drivelab.types import Observation, Plan, Privilege, SensorRig

RULES = {"v1.1": PDMS_V1_1, "v2.2": EPDMS_V2_2}
STRIDE = 5  # 10 Hz poses per handed-over pose


class PdmClosed:
    """Score 15 IDM proposals against a constant-velocity forecast and take the best.

    `rules` says by which score the proposals are ranked: "v1.1" (PDMS) or "v2.2" (EPDMS).
    """

    def __init__(self, rules: str = "v1.1") -> None:
        if rules not in RULES:
            raise PlanError(f"unknown rules {rules!r}; expected one of {', '.join(RULES)}")
        self.rig = SensorRig(history=1, privilege=Privilege.STATE)
        self._rules = RULES[rules]

    def act(self, observations: Sequence[Observation]) -> list[Plan]:
        """Plan each scene from its map and present boxes."""
        return [self._plan(observation) for observation in observations]

    def _plan(self, observation: Observation) -> Plan:
        scene = observation.scene
        if scene is None:
            raise PlanError(f"scene {observation.scene_id}: map and boxes were not handed over")
        plan = plan_pdm_closed(scene, route_context(scene), self._rules)
        pose = scene.ego.poses[scene.now]
        modes = relative(pose, plan.proposals[:, STRIDE::STRIDE])
        return Plan(
            poses=modes[plan.chosen],
            dt=0.1 * STRIDE,
            modes=modes,
            notes={"proposal": plan.chosen, "scores": plan.scores},
        )
