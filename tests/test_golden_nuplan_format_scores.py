"""PDMS and EPDMS from NAVSIM logs and nuPlan maps on disk, against the official programs."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from golden_worlds import GOLDEN

from drivelab.data.navsim.source import NavsimSource
from drivelab.kernels import ego_area
from drivelab.kernels.boxes import box_ring
from drivelab.metrics.navsim.epdms import epdms_columns, filter_by_human, final_score
from drivelab.metrics.navsim.pdms import pdms_columns
from drivelab.metrics.navsim.prepared import prepare
from drivelab.metrics.navsim.route_context import route_context
from drivelab.metrics.navsim.rules import EPDMS_V2_2, PDMS_V1_1, PLAN_DT
from drivelab.metrics.navsim.subscores import score_states
from drivelab.metrics.navsim.timeline import reference_states
from drivelab.types import Scene

FOLDER = GOLDEN / "nuplan_format"
V1 = json.loads((FOLDER / "expected" / "pdms_v11_expected.json").read_text())["scenes"]
V2 = json.loads((FOLDER / "expected" / "epdms_v22_expected.json").read_text())["scenes"]
TOLERANCE = 1e-6
KINDS = {
    "ROADBLOCK": ego_area.ROADBLOCK,
    "LANE": ego_area.LANE,
    "LANE_CONNECTOR": ego_area.LANE_CONNECTOR,
    "INTERSECTION": ego_area.INTERSECTION,
    "CARPARK_AREA": ego_area.CARPARK,
}


def plans_of(entry: dict[str, Any]) -> list[str]:
    return [name for name, value in entry.items() if isinstance(value, dict)]


@cache
def scene(token: str) -> Scene:
    split = next((FOLDER / "data" / "split").glob("*.yaml"))
    return NavsimSource(FOLDER / "data", FOLDER / "data" / "maps", split).load(token)


@cache
def expected_arrays() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "expected" / "pdms_v11_expected.npz") as data:
        return {name: data[name] for name in data}


@pytest.mark.parametrize("entry", V1, ids=[entry["token"] for entry in V1])
def test_metric_cache_equals_the_official_one(entry: dict[str, Any]) -> None:
    token = entry["token"]
    context = route_context(scene(token))
    assert list(context.lanes) == entry["route_lane_ids"]
    got = list(zip(context.drivable.ids, context.drivable.kinds, strict=True))
    assert got == [(name, KINDS[kind]) for name, kind in entry["area"]]
    want = expected_arrays()
    # Map coordinates are rounded to 1e-3 m in the file format's own tolerance.
    np.testing.assert_allclose(context.centreline, want[f"{token}_centerline"], atol=1e-3, rtol=0)
    prepared = prepare(scene(token), PDMS_V1_1)
    shift = np.array([*prepared.origin, 0.0])
    reference = reference_states(prepared.reference_poses - shift, prepared.start)[0] + shift
    np.testing.assert_allclose(reference, want[f"{token}_pdm_closed"], atol=1e-3, rtol=0)
    objects = prepared.around.objects
    assert sorted(objects.ids) == sorted(entry["box_tracks"])
    boxes = want[f"{token}_boxes10hz"]
    for column, name in enumerate(entry["box_tracks"]):
        rows = objects.boxes[:, objects.ids.index(name)]
        rings = np.stack([box_ring(row) for row in rows]) + prepared.origin
        np.testing.assert_allclose(rings, boxes[:, column], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("entry", "plan"),
    [(entry, plan) for entry in V1 for plan in plans_of(entry)],
    ids=[f"{entry['token']}-{plan}" for entry in V1 for plan in plans_of(entry)],
)
def test_pdms_from_files(entry: dict[str, Any], plan: str) -> None:
    prepared = prepare(scene(entry["token"]), PDMS_V1_1)
    want = entry[plan]
    parts = score_states(
        prepared.simulate(np.array([want["poses"]]), PLAN_DT), prepared.around, PDMS_V1_1
    )
    for name, values in pdms_columns(parts, prepared.reference).items():
        assert values[0] == pytest.approx(want[name], abs=TOLERANCE), name


@pytest.mark.parametrize(
    ("entry", "plan"),
    [(entry, plan) for entry in V2 for plan in plans_of(entry)],
    ids=[f"{entry['token']}-{plan}" for entry in V2 for plan in plans_of(entry)],
)
def test_epdms_from_files(entry: dict[str, Any], plan: str) -> None:
    token = entry["token"]
    poses = next(other for other in V1 if other["token"] == token)[plan]["poses"]
    prepared = prepare(scene(token), EPDMS_V2_2)
    parts = score_states(
        prepared.simulate(np.array([poses]), PLAN_DT),
        prepared.around,
        EPDMS_V2_2,
        prepared.history,
    )
    raw = epdms_columns(parts, prepared.reference)
    assert prepared.human is not None
    human_parts = score_states(
        prepared.simulate(prepared.human[None], PLAN_DT), prepared.around, EPDMS_V2_2
    )
    human = {name: float(v[0]) for name, v in epdms_columns(human_parts, None).items()}
    filtered = filter_by_human(raw, human)
    for columns, label in ((raw, "unfiltered"), (filtered, "filtered")):
        for name, values in columns.items():
            want = entry[plan][label][name]
            assert values[0] == pytest.approx(want, abs=TOLERANCE), (label, name)
    row = {name: float(values[0]) for name, values in filtered.items()}
    want = entry[plan]["final_score_without_two_frame_comfort"]
    assert final_score(row, float("nan")) == pytest.approx(want, abs=TOLERANCE)
