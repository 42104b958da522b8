"""PDMS v1.1 and EPDMS v2.2 against the numbers of the official scorers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from golden_worlds import archive, arrays, golden_scene, read_json

from drivelab.kernels.comfort import SIGNALS, comfort_signals, within_bounds
from drivelab.kernels.tracker import curvature_profile, track_proposals, velocity_profile
from drivelab.metrics.navsim.epdms import epdms_columns, filter_by_human, final_score
from drivelab.metrics.navsim.events import COLLISION_TYPES
from drivelab.metrics.navsim.extended_comfort import LIMITS, two_frame_differences
from drivelab.metrics.navsim.pdms import pdms_columns
from drivelab.metrics.navsim.prepared import Prepared, prepare
from drivelab.metrics.navsim.rules import (
    COMFORT_BOUNDS,
    EPDMS_V2_2,
    PDMS_V1_1,
    PLAN_DT,
    NavsimRules,
)
from drivelab.metrics.navsim.subscores import Subscores, comfort_filters, score_states
from drivelab.metrics.navsim.timeline import plan_states
from drivelab.metrics.navsim.two_stage import StageRow, aggregate_two_stage
from drivelab.types import PACIFICA, StageEntry

TOLERANCE = 1e-6
RULES = {"v1": PDMS_V1_1, "v2": EPDMS_V2_2}
CASES = archive().cases
CASE_IDS = [case["case_id"] for case in CASES]


def to_local(poses: np.ndarray, origin: np.ndarray) -> np.ndarray:
    shift = np.zeros(poses.shape[-1])
    shift[:2] = origin
    return poses - shift


@cache
def judged_reference(scene_index: int, version: str) -> tuple[Prepared, Subscores, np.ndarray]:
    """The scene, and its official reference plan simulated and scored."""
    prepared = prepare(golden_scene(scene_index), RULES[version])
    plan = archive().scene_arrays[f"ref_poses_{version}"][scene_index]
    # The file holds the plan as it enters the simulator: already interpolated to integer times.
    states = track_proposals(
        to_local(plan, prepared.origin)[None], prepared.initial, PACIFICA.wheel_base
    )
    return prepared, score_states(states, prepared.around, RULES[version]), states[0]


def judged_case(index: int, version: str) -> tuple[Prepared, Subscores, np.ndarray, Subscores]:
    prepared, reference, _ = judged_reference(CASES[index]["scene_index"], version)
    states = prepared.simulate(archive().case_arrays["poses"][index][None], PLAN_DT)
    parts = score_states(states, prepared.around, RULES[version], prepared.history)
    return prepared, parts, states, reference


def assert_columns(columns: dict[str, np.ndarray], expected: dict[str, Any]) -> None:
    for name, values in columns.items():
        exact = name not in ("ego_progress", "score")
        assert values[0] == pytest.approx(expected[name], abs=0 if exact else TOLERANCE), name


def assert_steps(parts: Subscores, expected: dict[str, Any]) -> None:
    for name, step in (
        ("collision_time_idx", parts.collision[0, 0]),
        ("ttc_time_idx", parts.ttc_first[0, 0]),
    ):
        assert step == (-1 if expected[name] is None else expected[name]), name
    assert parts.progress[0] == pytest.approx(expected["raw_progress"], abs=TOLERANCE)


@pytest.mark.parametrize("index", range(len(CASES)), ids=CASE_IDS)
def test_simulation_equals_the_official_one(index: int) -> None:
    prepared, _, states, _ = judged_case(index, "v1")
    data = archive().case_arrays
    proposal = plan_states(data["poses"][index][None], PLAN_DT, prepared.pose, prepared.start)
    np.testing.assert_allclose(proposal[0], data["proposal_41"][index], atol=TOLERANCE, rtol=0)
    expected = to_local(data["sim"][index], prepared.origin)
    np.testing.assert_allclose(states[0], expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("index", range(len(CASES)), ids=CASE_IDS)
def test_pdms_v1_equals_the_official_one(index: int) -> None:
    prepared, parts, _, reference = judged_case(index, "v1")
    expected = CASES[index]["v1"]
    assert_columns(pdms_columns(parts, reference), expected)
    assert_steps(parts, expected)
    assert parts.comfort_flags[0].tolist() == expected["comfort_flags"]
    flags = archive().case_arrays["area_flags_v1"][index]
    np.testing.assert_array_equal(
        np.stack([parts.flags[0] & bit != 0 for bit in (1, 2, 4)], 1), flags
    )
    seen = {
        (prepared.around.objects.ids[actor], f"{name.upper()}_COLLISION")
        for actor, mask in enumerate(parts.collision_types[0])
        for bit, name in enumerate(COLLISION_TYPES)
        if mask >> bit & 1
    }
    assert seen == {(actor, kind) for actor, kind in expected["collision_types"]}


@pytest.mark.parametrize("index", range(len(CASES)), ids=CASE_IDS)
def test_epdms_v2_equals_the_official_one(index: int) -> None:
    prepared, parts, _, reference = judged_case(index, "v2")
    expected = CASES[index]["v2"]
    columns = epdms_columns(parts, reference)
    assert_columns(columns, expected)
    assert_steps(parts, expected)
    raw = {name: float(values[0]) for name, values in columns.items()}
    assert final_score(raw, float("nan")) == pytest.approx(expected["pdm_score"], abs=TOLERANCE)

    assert prepared.human is not None
    alone = score_states(
        prepared.simulate(prepared.human[None], PLAN_DT), prepared.around, EPDMS_V2_2
    )
    human = epdms_columns(alone, None)
    assert_columns(human, CASES[index]["v2_human"])
    filtered = filter_by_human(columns, {name: float(v[0]) for name, v in human.items()})
    row = {name: float(values[0]) for name, values in filtered.items()}
    for name, two_frame in (("score_ec1", 1.0), ("score_ec0", 0.0), ("score_ecnan", np.nan)):
        want = CASES[index]["v2_filtered"][name]
        assert final_score(row, two_frame) == pytest.approx(want, abs=TOLERANCE), name


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("index", range(len(archive().scenes)))
def test_reference_plan_simulates_and_scores_as_officially(index: int, version: str) -> None:
    prepared, parts, states = judged_reference(index, version)
    expected = to_local(archive().scene_arrays[f"ref_sim_{version}"][index], prepared.origin)
    np.testing.assert_allclose(states, expected, atol=TOLERANCE, rtol=0)
    raw = archive().scenes[index]
    product = parts.no_collision[0] * parts.drivable[0] * parts.direction[0] * parts.red_light[0]
    if version == "v1":
        want = raw["reference_v1"]
        assert parts.no_collision[0] == want["no_at_fault_collisions"]
        assert parts.drivable[0] == want["drivable_area_compliance"]
        assert parts.ttc[0] == want["time_to_collision_within_bound"]
        assert parts.direction[0] == want["driving_direction_compliance"]
        assert parts.comfort[0] == want["comfort"]
    else:
        assert product == raw["reference_v2"]["multiplicative_product"]
    want = raw[f"reference_{version}"]["raw_progress"]
    assert parts.progress[0] == pytest.approx(want, abs=TOLERANCE)


@pytest.mark.parametrize("index", range(len(archive().scenes)))
def test_densified_boxes_equal_the_official_ones(index: int) -> None:
    from drivelab.kernels.boxes import box_ring

    offsets = archive().scene_arrays["agent_offset"]
    want = archive().scene_arrays["agent_polygons"][offsets[index] : offsets[index + 1]]
    prepared = prepare(golden_scene(index), PDMS_V1_1)
    objects = prepared.around.objects
    rows = {
        agent["id"]: row for agent, row in zip(archive().scenes[index]["agents"], want, strict=True)
    }
    assert set(objects.ids) == {name for name, row in rows.items() if np.isfinite(row).any()}
    for n, name in enumerate(objects.ids):
        got = np.stack([box_ring(box) for box in objects.boxes[:, n]]) + prepared.origin
        np.testing.assert_allclose(got, rows[name], atol=TOLERANCE, rtol=0)


STAGE_LQR = arrays("stage_lqr.npz")


@pytest.mark.parametrize("index", range(len(STAGE_LQR["proposals"])))
def test_tracker_stage(index: int) -> None:
    poses, initial = STAGE_LQR["proposals"][index], STAGE_LQR["init"][index]
    speed = velocity_profile(poses)
    np.testing.assert_allclose(speed, STAGE_LQR["v_profile"][index], atol=TOLERANCE, rtol=0)
    curvature = curvature_profile(poses, speed)
    np.testing.assert_allclose(curvature, STAGE_LQR["k_profile"][index], atol=TOLERANCE, rtol=0)
    states = track_proposals(poses[None], initial, PACIFICA.wheel_base)[0]
    np.testing.assert_allclose(states, STAGE_LQR["sim"][index], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(
    ("file", "samples", "rules"),
    [
        ("stage_comfort_v1.npz", "41", PDMS_V1_1),
        ("stage_comfort_v2.npz", "41", EPDMS_V2_2),
        ("stage_comfort_v2.npz", "55", EPDMS_V2_2),
    ],
)
def test_comfort_stage(file: str, samples: str, rules: NavsimRules) -> None:
    data = arrays(file)
    states = data[f"states_{samples}"]
    to_center = PACIFICA.rear_axle_to_center if rules.at_center else 0.0
    signals = comfort_signals(states, comfort_filters(rules, states.shape[1]), to_center)
    assert signals.shape[1] == len(SIGNALS)
    np.testing.assert_allclose(signals, data[f"signals_{samples}"], atol=TOLERANCE, rtol=0)
    flags = within_bounds(signals, COMFORT_BOUNDS)[0]
    np.testing.assert_array_equal(flags, data[f"flags_{samples}"])


STAGE_EC = arrays("stage_extended_comfort_v2.npz")


@pytest.mark.parametrize("index", range(len(STAGE_EC["passed"])))
def test_extended_comfort_stage(index: int) -> None:
    previous, current = STAGE_EC["prev_states"][index], STAGE_EC["curr_states"][index]
    rms = two_frame_differences(previous, current, 0.5)
    np.testing.assert_allclose(rms, STAGE_EC["rms"][index], atol=TOLERANCE, rtol=0)
    assert bool((rms <= LIMITS).all()) == bool(STAGE_EC["passed"][index])


STAGES = read_json("stage_aggregate_v2.json")


@pytest.mark.parametrize("index", range(len(STAGES)))
def test_two_stage_aggregation(index: int) -> None:
    case = STAGES[index]
    raw = {row["token"]: row for row in case["rows"]}
    rows = {
        token: StageRow(
            token=token,
            start_time=row["start_time"],
            product=row["multiplicative_metrics_prod"],
            weighted=tuple(row["weighted_metrics"][:4]),
            start=(row["start_point_x"], row["start_point_y"]),
            end=(row["endpoint_x"], row["endpoint_y"]),
            columns={"ego_progress": row["ego_progress"]},
        )
        for token, row in raw.items()
    }

    def states(token: str) -> np.ndarray:
        role = "curr_states" if raw[token]["ec_role"] == "now" else "prev_states"
        return STAGE_EC[role][raw[token]["ec_pair"]]

    entries = [
        StageEntry(entry["now"], entry["prev"], tuple(map(tuple, entry["second_stage"])))
        for entry in case["mapping"]
    ]
    result = aggregate_two_stage(rows, entries, states)
    for token, want in case["expected"]["per_token"].items():
        for name, value in want.items():
            assert result.rows[token][name] == pytest.approx(value, abs=TOLERANCE), (token, name)
    for stage in ("combined", "stage_one", "stage_two"):
        for name, value in case["expected"][stage].items():
            got = getattr(result, stage)[name]
            assert got == pytest.approx(value, abs=TOLERANCE), (stage, name)
