"""PDM-Closed against the official planner: route, centreline, proposals, scores, choice."""

from __future__ import annotations

import numpy as np
import pytest
from golden_worlds import arrays, planner_scene, read_json

from drivelab.metrics.navsim.pdm_closed.planner import plan_pdm_closed
from drivelab.metrics.navsim.route_context import route_context
from drivelab.metrics.navsim.rules import EPDMS_V2_2, PDMS_V1_1

ENTRIES = read_json("stage_pdm_closed.json")
DATA = arrays("stage_pdm_closed.npz")
IDS = [f"{i}-{entry['kind']}-{entry['scene_id']}" for i, entry in enumerate(ENTRIES)]


@pytest.mark.parametrize("index", range(len(ENTRIES)), ids=IDS)
def test_planner_equals_the_official_one(index: int) -> None:
    entry = ENTRIES[index]
    scene = planner_scene(entry)
    context = route_context(scene)
    assert list(context.route) == entry["route_blocks_corrected"]
    assert list(context.lanes) == entry["route_lane_ids"]
    assert len(context.centreline) == entry["centerline_vertices"]
    np.testing.assert_allclose(context.centreline[0], entry["centerline_first"], atol=1e-6, rtol=0)
    np.testing.assert_allclose(context.centreline[-1], entry["centerline_last"], atol=1e-6, rtol=0)
    for rules, version in ((PDMS_V1_1, "v1"), (EPDMS_V2_2, "v2")):
        plan = plan_pdm_closed(scene, context, rules)
        np.testing.assert_allclose(plan.proposals, DATA["proposals"][index], atol=1e-6, rtol=0)
        np.testing.assert_allclose(plan.scores, DATA[f"scores_{version}"][index], atol=1e-6, rtol=0)
        assert plan.chosen == entry[f"chosen_{version}"]
