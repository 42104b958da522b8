"""RAD's released formulas against golden numbers: imitation, acting, losses, advantages."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import golden_models as golden  # noqa: E402

from drivelab.agents.rad.actions import Choice, choose  # noqa: E402
from drivelab.metrics.closed_loop.jerk import released_jerk  # noqa: E402
from drivelab.planning.rad_anchors import flat_index, rad_anchors  # noqa: E402
from drivelab.sim.envs.actions import next_poses  # noqa: E402
from drivelab.training.reinforcement.advantages import GAMMA, LAMBDA, clip_advantages  # noqa: E402
from drivelab.training.reinforcement.decisions import Decisions  # noqa: E402
from drivelab.training.reinforcement.events import (  # noqa: E402
    RELEASED,
    ClipEvent,
    ClipFrames,
    EventKind,
    collision_side,
    event_rewards,
    first_event,
)
from drivelab.training.reinforcement.imitation import expert_bins, imitation_losses  # noqa: E402
from drivelab.training.reinforcement.objective import RlObjective, rl_losses  # noqa: E402
from drivelab.training.reinforcement.released_advantages import released_streams  # noqa: E402

FILE = golden.ROOT / "rad.json"
GAE = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "closed_loop"
STATIC_SCORE = 25000.0  # of the released script: above it something that stands is hit
COLUMNS = {"dynamic": 0, "static": 1, "position": 2, "heading": 3}
ORDER = [EventKind.DYNAMIC, EventKind.STATIC, EventKind.POSITION, EventKind.HEADING]

pytestmark = pytest.mark.nn


def cases(kind: str) -> list:
    found = [case for case in json.loads(FILE.read_text()) if case["kind"] == kind]
    return [pytest.param(case, id=case.get("name") or case["tag"].strip("/")) for case in found]


@cache
def gae_cases() -> dict:
    return json.loads((GAE / "cases.json").read_text()).get("rad_gae", {})


def single(tag: str, shape: tuple[int, ...]) -> np.ndarray:
    return golden.normal(tag, shape).astype(np.float32)


def logits(case: dict, rows: int = 1, scale: float = 1.0) -> dict:
    """RAD's letters: x is forward, y to the left."""
    return {
        name: scale * torch.from_numpy(single(case["tag"] + letter, (rows, 61, 1)))[..., 0]
        for name, letter in (("longitudinal", "x"), ("lateral", "y"))
    }


@pytest.mark.parametrize("case", cases("il"))
def test_imitation_as_released(case):
    rows = case["B"]
    steps = np.abs(single(case["tag"] + "gt", (rows, 6, 2))) * np.array([1.2, 0.12], np.float32)
    future = np.cumsum(steps, 1) * np.array([1, case["ysign"]], np.float32)
    bins = expert_bins(future[:, 5], rad_anchors(), compat="released")
    assert rad_anchors().valid[bins[:, 1], bins[:, 0]].all()
    outputs = logits(case, rows)
    found = imitation_losses(outputs, torch.from_numpy(bins), None, compat="released")
    golden.close(
        found["longitudinal_loss"], case["out"]["loss_discrete_plan_x"], rtol=1e-5, atol=1e-6
    )
    golden.close(found["lateral_loss"], case["out"]["loss_discrete_plan_y"], rtol=1e-5, atol=1e-6)
    golden.close(found["loss"], sum(case["out"].values()), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", cases("val"))
def test_acting_as_released(case):
    choice = choose(logits(case, scale=2.0), None)
    bins = choice.bins.numpy()
    assert flat_index(bins[0, 0], bins[0, 1]) == case["cls_max_index"]
    both = (choice.lateral_log_prob + choice.longitudinal_log_prob).exp()
    golden.close(both, [case["cls_max"]], rtol=1e-5, atol=1e-7)
    pose = next_poses(bins, np.zeros((1, 3)))[0]
    golden.close(pose, case["odo_next"][-1], rtol=1e-6, atol=1e-6)
    moved = np.array(case["RT"])
    x, y, yaw = pose
    golden.close([x, y], moved[:2, 3], rtol=1e-6, atol=1e-6)
    golden.close([np.cos(yaw), np.sin(yaw)], moved[:2, 0], rtol=1e-6, atol=1e-6)


def decisions_of(case: dict) -> Decisions:
    tag = case["tag"]
    outputs = logits(case)
    old = {}
    for name, letter in (("longitudinal", "dx"), ("lateral", "dy")):
        change = torch.from_numpy(single(tag + letter, (1, 61)))
        old[name] = (outputs[name] + 0.15 * change).log_softmax(-1)[0]
    static, position, heading = case["adv_static_dist_angle"]
    dynamic = case["dyn"]
    old_value = torch.from_numpy(single(tag + "ov", (1, 1)))[0]
    row = lambda value: torch.tensor([float(value)])  # noqa: E731
    hit = ClipEvent(EventKind.DYNAMIC, 1) if case["has_dynamic_collision"] else None
    return Decisions(
        choice=Choice(
            torch.tensor([case["iy"]]),
            torch.tensor([case["ix"]]),
            old["lateral"][case["iy"]][None],
            old["longitudinal"][case["ix"]][None],
        ),
        lateral_advantage=row(static + position + heading),
        longitudinal_advantage=row(dynamic + static),
        event_advantages=torch.tensor([[dynamic, static, position, heading]]),
        lateral_return=row(0),
        longitudinal_return=dynamic + old_value,
        dynamic_side=row(collision_side(hit, np.array([case["fcp_x"], 2.0]))),
        static_side=row(0),
        path_offset=row(0),
        heading_error=row(np.radians(case["yaw_deg"])),
        over=torch.tensor([case["collided_this_frame"]]),
    )


@pytest.mark.parametrize("case", cases("rl"))
def test_losses_and_gradients_as_released(case):
    outputs = logits(case)
    value = torch.from_numpy(single(case["tag"] + "v", (1, 1, 1)))[0, 0]
    outputs |= {"longitudinal_value": value, "lateral_value": torch.zeros(1)}
    leaves = [outputs[name].requires_grad_() for name in ("longitudinal", "lateral")]
    value.requires_grad_()
    found = rl_losses(outputs, decisions_of(case), None, RlObjective(compat="released"))
    found["loss"].backward()
    golden.close(found["loss"], case["loss"], rtol=1e-5, atol=1e-6)
    for letter, leaf in zip("xy", leaves, strict=True):
        golden.close(leaf.grad.norm(), case[f"grad_{letter}_norm"], rtol=1e-5, atol=1e-6)
        if case[f"grad_{letter}_norm"] > 0:
            assert int(leaf.grad.abs().argmax()) == case[f"grad_{letter}_argmax"]
    golden.close(value.grad[0], case["grad_v"], rtol=1e-5, atol=1e-6)


def frames_of(given: dict) -> ClipFrames:
    return ClipFrames(
        np.array(given["is_dynamic_collision_box"]),
        np.array(given["static_collision_score"]) > STATIC_SCORE,
        np.array(given["distance_deviation"]),
        np.radians(given["ego2match_yaw_degrees"]),
    )


@pytest.mark.parametrize("case", cases("advantage"))
def test_episodes_as_released(case):
    given = case["input"]
    clip = frames_of(given)
    event = first_event(clip, RELEASED)
    assert [event is not None and event.kind == kind for kind in ORDER] == (
        case["flags_dyn_static_dist_angle"]
    )
    safe = len(clip.distance) if event is None else event.frame
    assert list(range(safe)) == case["not_gameover"]
    assert given["expert_timestamp"][safe - 1] == case["expert_timestamp"]
    contact = np.array(given["collision_position"][-1 if event is None else event.frame])
    assert contact.tolist() == case["first_collision_position"]
    side = collision_side(event, contact)
    assert [side > 0, side < 0] == [case["front"], case["back"]]
    golden.close(
        released_jerk(np.array(given["linear_v"][:safe])), case["long_jerk_mean"], rtol=1e-9
    )
    golden.close(released_jerk(np.array(given["yaw_v"][:safe])), case["yaw_jerk_mean"], rtol=1e-9)

    rewards = event_rewards(len(clip.distance), event)
    printed = np.array(case["per_frame_dyn_static_dist_angle_gameover"], float)
    steps = len(rewards)
    values = np.array(given["rl_value_function"][: steps + 1])
    streams = released_streams(rewards, values, gamma=GAMMA, decay=LAMBDA)
    golden.close(streams, printed[: steps + 1, :4], rtol=1e-9, atol=1e-12)
    assert not printed[steps + 1 :, :4].any()
    assert printed[:, 4].tolist() == [frame >= steps for frame in range(len(printed))]
    found = clip_advantages(
        rewards,
        lateral_values=0 * values,
        longitudinal_values=values,
        terminated=event is not None,
        compat="released",
    )
    golden.close(found.events, streams[:steps], rtol=0, atol=0)
    golden.close(found.lateral, streams[:steps, 1:].sum(1), rtol=0, atol=1e-12)
    golden.close(found.longitudinal, streams[:steps, :2].sum(1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", EventKind)
def test_single_event_clips_under_both_formulas(kind):
    name = {EventKind.DYNAMIC: "dynamic_collision"}.get(kind, kind.name.lower())
    told = gae_cases()
    values, frame = np.array(told["V"]), told["event_frame"]
    event = ClipEvent(kind, frame)
    rewards = event_rewards(len(values), event)
    assert (told["gamma"], told["lambda"]) == (GAMMA, LAMBDA)
    printed = told["cases"][name]["advantage_released_code"]
    wanted = [[row[k] for k in ("dyn", "static", "distance", "angle")] for row in printed]
    streams = released_streams(rewards, values[: frame + 1], gamma=GAMMA, decay=LAMBDA)
    golden.close(streams, wanted[: frame + 1], rtol=0, atol=6e-4)  # printed with three digits

    axis = {"lateral_values": np.zeros(frame + 1), "longitudinal_values": values[: frame + 1]}
    if kind is not EventKind.DYNAMIC:  # the same numbers on the other axis
        axis = {"lateral_values": values[: frame + 1], "longitudinal_values": np.zeros(frame + 1)}
    found = clip_advantages(rewards, **axis, terminated=True)
    key = next(key for key in told if key.startswith("paper_formula"))
    golden.close(found.events[:, kind], told[key], rtol=0, atol=1e-5)
    other = found.lateral if kind is EventKind.DYNAMIC else found.longitudinal
    assert not other.any()
    assert not np.delete(found.events, kind, 1).any()
