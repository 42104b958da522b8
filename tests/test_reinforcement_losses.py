"""PPO per axis, auxiliary objectives and imitation: by hand, mirrored, masked, damaged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from drivelab.agents.rad import RadConfig  # noqa: E402
from drivelab.agents.rad.actions import Choice, choose  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.errors import ConfigError, DataError  # noqa: E402
from drivelab.planning.rad_anchors import BINS, rad_anchors  # noqa: E402
from drivelab.training.reinforcement.advantages import clip_advantages  # noqa: E402
from drivelab.training.reinforcement.auxiliary import side_gap, side_loss  # noqa: E402
from drivelab.training.reinforcement.decisions import Decisions  # noqa: E402
from drivelab.training.reinforcement.events import ClipEvent, EventKind, event_rewards  # noqa: E402
from drivelab.training.reinforcement.imitation import expert_bins, imitation_losses  # noqa: E402
from drivelab.training.reinforcement.objective import RlObjective, rl_losses  # noqa: E402
from drivelab.training.reinforcement.ppo import clipped_surrogate, kl_estimate  # noqa: E402

pytestmark = pytest.mark.nn
VALID = torch.from_numpy(rad_anchors().valid.copy())
ROWS = 16


def outputs_of(seed: int, rows: int = ROWS) -> dict:
    gen = torch.Generator().manual_seed(seed)
    sizes = {"lateral": (rows, BINS), "longitudinal": (rows, BINS)}
    sizes |= {"lateral_value": (rows,), "longitudinal_value": (rows,)}
    return {name: torch.randn(size, generator=gen).requires_grad_() for name, size in sizes.items()}


def decisions_of(outputs: dict, seed: int = 0, valid=VALID) -> Decisions:
    """Decisions that an older policy, of slightly other logits, drew."""
    gen = torch.Generator().manual_seed(seed)
    older = {
        name: outputs[name].detach() + 0.3 * torch.randn(ROWS, BINS, generator=gen)
        for name in ("lateral", "longitudinal")
    }
    row = lambda: torch.randn(ROWS, generator=gen)  # noqa: E731
    return Decisions(
        choose(older, valid, generator=gen),
        *(row(), row()),
        torch.randn(ROWS, 4, generator=gen),
        *(row(), row()),
        *(row().sign(), row().sign()),
        *(row(), row()),
        torch.zeros(ROWS, dtype=torch.bool),
    )


def mirrored(outputs: dict, decisions: Decisions) -> tuple[dict, Decisions]:
    """The same with left and right swapped."""
    choice = decisions.choice
    flipped = {**outputs, "lateral": outputs["lateral"].detach().flip(-1).requires_grad_()}
    return flipped, replace(
        decisions,
        choice=replace(choice, lateral=BINS - 1 - choice.lateral),
        static_side=-decisions.static_side,
        path_offset=-decisions.path_offset,
        heading_error=-decisions.heading_error,
    )


@pytest.mark.parametrize(
    ("advantage", "ratio", "loss", "slope"),
    [
        (1.0, 1.5, -1.2, 0.0),  # better than thought and far enough: no more of it
        (1.0, 0.5, -0.5, -1.0),
        (-1.0, 1.5, 1.5, 1.0),
        (-1.0, 0.5, 0.8, 0.0),
        (2.0, 1.1, -2.2, -2.0),
    ],
)
def test_clipped_objective_by_hand(advantage, ratio, loss, slope):
    old = torch.tensor([-3.0])
    new = (old + np.log(ratio)).requires_grad_()
    found = clipped_surrogate(new, old, torch.tensor([advantage]), clip=0.2)
    found.loss.sum().backward()
    assert found.loss.item() == pytest.approx(loss, rel=1e-6)
    assert new.grad.item() == pytest.approx(slope * ratio, rel=1e-6)
    assert bool(found.inside) == (ratio == 1.1)


def test_the_first_step_is_a_policy_gradient():
    new = torch.zeros(3, requires_grad=True)
    advantage = torch.tensor([1.0, -2.0, 0.0])
    clipped_surrogate(new, torch.zeros(3), advantage, clip=0.1).loss.sum().backward()
    torch.testing.assert_close(new.grad, -advantage)


def test_divergence_by_hand():
    new = torch.log(torch.tensor([0.5, 0.5]))
    old = torch.log(torch.tensor([0.25, 0.75]))
    wanted = 0.25 * np.log(0.25 / 0.5) + 0.75 * np.log(0.75 / 0.5)
    estimate = (torch.tensor([0.25, 0.75]) * kl_estimate(new, old)).sum()
    assert estimate.item() == pytest.approx(wanted, rel=1e-6)
    assert not kl_estimate(old, old).any()


def test_clip_zero_changes_nothing():
    torch.manual_seed(0)
    network = RadNetwork(RadConfig.preset("mini"))
    features = {"vector": torch.randn(ROWS, 515)}
    outputs = network(features)
    driven = choose(outputs, VALID, generator=torch.Generator().manual_seed(1))
    driven = replace(
        driven,
        lateral_log_prob=driven.lateral_log_prob.detach(),
        longitudinal_log_prob=driven.longitudinal_log_prob.detach(),
    )
    decisions = replace(decisions_of(outputs), choice=driven)
    ppo_only = RlObjective(value=0.0, auxiliary=(0.0,) * 4)
    still = replace(ppo_only, lateral_clip=0.0, longitudinal_clip=0.0)
    for objective, moves in ((still, False), (ppo_only, True)):
        network.zero_grad()
        rl_losses(network(features), decisions, VALID, objective)["loss"].backward()
        moved = [p for p in network.parameters() if p.grad is not None and p.grad.any()]
        assert bool(moved) is moves


def test_side_loss_by_hand():
    probabilities = torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 3)
    taken = torch.tensor([2, 0, 3])
    torch.testing.assert_close(side_gap(probabilities, taken), torch.tensor([-0.1, -0.9, 0.6]))
    found = side_loss(
        probabilities,
        taken,
        advantage=torch.tensor([-2.0, 3.0, -1.0]),
        side=torch.tensor([1.0, 1.0, 0.0]),
    )
    torch.testing.assert_close(found, torch.tensor([0.2, 0.0, 0.0]))


def test_an_order_takes_the_place_of_the_bins():
    probabilities = torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 2)
    taken = torch.tensor([2, 0])
    bins = torch.arange(4.0).expand(2, -1)
    plain = side_gap(probabilities, taken)
    torch.testing.assert_close(side_gap(probabilities, taken, 0.1 * bins - 7.0), plain)
    torch.testing.assert_close(side_gap(probabilities, taken, -bins), -plain)
    order = torch.tensor([[5.0, 3.0, 3.0, 1.0], [0.0, 2.0, -1.0, 0.0]])  # equals are on no side
    torch.testing.assert_close(
        side_gap(probabilities, taken, order), torch.tensor([0.4 - 0.1, 0.3 - 0.2])
    )


def decided(outputs: dict, kind: EventKind, side: float, taken: int) -> Decisions:
    """One decision that led to an event on one side."""
    advantages, zero = torch.zeros(1, 4), torch.zeros(1)
    advantages[0, kind] = -0.5
    errors = {
        EventKind.DYNAMIC: "dynamic_side",
        EventKind.STATIC: "static_side",
        EventKind.POSITION: "path_offset",
        EventKind.HEADING: "heading_error",
    }
    decisions = Decisions(
        choose(outputs, None), *(zero, zero), advantages, *(zero,) * 6, torch.tensor([False])
    )
    aside = torch.tensor([taken if outputs["lateral"].shape[-1] > 1 else 0])
    choice = replace(decisions.choice, lateral=aside, longitudinal=torch.tensor([taken]))
    detached = {name: getattr(choice, name).detach() for name in
                ("lateral_log_prob", "longitudinal_log_prob")}  # fmt: skip
    return replace(
        decisions, choice=replace(choice, **detached), **{errors[kind]: torch.tensor([0.3 * side])}
    )


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("kind", EventKind)
def test_probability_moves_to_the_safe_side(kind, side):
    """Hit ahead: slower. Obstacle, path error or heading error on the left: to the right."""
    outputs = {
        name: torch.zeros(1, BINS, requires_grad=True) for name in ("lateral", "longitudinal")
    }
    outputs |= {name: torch.zeros(1) for name in ("lateral_value", "longitudinal_value")}
    rl_losses(outputs, decided(outputs, kind, side, 20), None)["loss"].backward()
    moved, other = ("longitudinal", "lateral") if kind == 0 else ("lateral", "longitudinal")
    step = -outputs[moved].grad[0]
    assert (side * step[:20] > 0).all()
    assert (side * step[21:] < 0).all()
    assert not outputs[other].grad.any()


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("kind", EventKind)
def test_probability_of_whole_plans_moves_by_their_order(kind, side):
    outputs = {"lateral": torch.zeros(1, 1), "longitudinal": torch.zeros(1, 4, requires_grad=True)}
    outputs |= {name: torch.zeros(1) for name in ("lateral_value", "longitudinal_value")}
    orders = {
        "progress": torch.tensor([[9.0, 5.0, 1.0, 5.0]]),
        "bend": torch.tensor([[0.1, 0.0, -0.3, -0.2]]),
    }
    objective = RlObjective(joint=True)
    decisions = decided(outputs, kind, side, taken=1)
    rl_losses({**outputs, **orders}, decisions, None, objective)["loss"].backward()
    step = -side * outputs["longitudinal"].grad[0]
    assert step[0] < 0  # the fastest, and the one most to the left
    assert step[2] > 0
    if kind is EventKind.DYNAMIC:  # as fast as what was driven
        torch.testing.assert_close(step[[1, 3]], torch.zeros(2))
    else:
        assert step[3] > 0
    with pytest.raises(DataError, match="no `progress` and `bend` of the actions"):
        rl_losses(outputs, decisions, None, objective)


@pytest.mark.parametrize("compat", ["paper", "released"])
@pytest.mark.parametrize("seed", range(5))
def test_swapping_left_and_right_mirrors_losses_and_gradients(compat, seed):
    outputs = outputs_of(seed)
    decisions = decisions_of(outputs, seed)
    flipped, swapped = mirrored(outputs, decisions)
    objective = RlObjective(compat=compat)
    one = rl_losses(outputs, decisions, VALID, objective)
    other = rl_losses(flipped, swapped, VALID, objective)
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-5, atol=1e-6)
    one["loss"].backward()
    forward = outputs["longitudinal"].grad.clone()
    outputs["longitudinal"].grad = None
    other["loss"].backward()
    torch.testing.assert_close(flipped["lateral"].grad.flip(-1), outputs["lateral"].grad)
    torch.testing.assert_close(outputs["longitudinal"].grad, forward)


def test_value_heads_learn_their_own_returns():
    outputs = outputs_of(0)
    decisions = decisions_of(outputs)
    found = rl_losses(outputs, decisions, VALID)["value_loss"]
    wanted = sum(
        0.5 * (outputs[f"{axis}_value"] - getattr(decisions, f"{axis}_return")).square().mean()
        for axis in ("lateral", "longitudinal")
    )
    torch.testing.assert_close(found, wanted)


def test_the_loss_is_the_weighted_sum_of_its_parts():
    outputs = outputs_of(0)
    decisions = decisions_of(outputs)
    plain = rl_losses(outputs, decisions, VALID)
    weighted = RlObjective(ppo=2.0, value=0.5, auxiliary=(1.0, 0.0, 3.0, 1.0))
    found = rl_losses(outputs, decisions, VALID, weighted)
    for name, factor in weighted.weights().items():
        torch.testing.assert_close(found[name], factor * plain[name])
    parts = [found[name] for name in weighted.weights()]
    torch.testing.assert_close(found["loss"], torch.stack(parts).sum())


def test_masked_bins_have_no_say():
    outputs = outputs_of(3)
    with torch.no_grad():
        outputs["longitudinal"][:, 2:] = -30.0  # slow: nearly all lateral bins are masked
    decisions = decisions_of(outputs, 3)
    masked = ~VALID[decisions.choice.longitudinal]
    found = rl_losses(outputs, decisions, VALID)
    found["loss"].backward()
    assert not outputs["lateral"].grad[masked].any()
    other = {**outputs, "lateral": outputs["lateral"].detach() + 7.0 * masked}
    torch.testing.assert_close(rl_losses(other, decisions, VALID)["loss"], found["loss"])


def test_decisions_that_are_over_do_not_count():
    outputs = outputs_of(1)
    decisions = decisions_of(outputs)
    half = torch.arange(ROWS) >= ROWS // 2
    cut = replace(decisions, over=half)
    found = rl_losses(outputs, cut, VALID)
    rubbish = replace(cut, lateral_advantage=cut.lateral_advantage + 1e6 * half)
    torch.testing.assert_close(rl_losses(outputs, rubbish, VALID)["loss"], found["loss"])
    found["loss"].backward()
    assert not outputs["lateral"].grad[half].any()
    assert outputs["lateral"].grad[~half].any()
    nothing = rl_losses(outputs, replace(cut, over=torch.ones(ROWS, dtype=torch.bool)), VALID)
    assert nothing["loss"].item() == 0.0


def test_the_policy_that_drove_diverges_by_nothing():
    outputs = outputs_of(2)
    choice = choose(outputs, VALID, generator=torch.Generator().manual_seed(0))
    found = rl_losses(outputs, replace(decisions_of(outputs), choice=choice), VALID)
    for name in ("lateral_kl", "longitudinal_kl", "lateral_clipped", "longitudinal_clipped"):
        assert found[name].item() == 0.0


def test_an_action_that_the_mask_forbids_is_refused():
    outputs = outputs_of(0)
    decisions = decisions_of(outputs)
    choice = replace(
        decisions.choice,
        lateral=torch.zeros(ROWS, dtype=torch.long),
        longitudinal=torch.zeros(ROWS, dtype=torch.long),
    )
    with pytest.raises(DataError, match=r"row 0: the lateral bin 0 is masked at the long"):
        rl_losses(outputs, replace(decisions, choice=choice), VALID)


def test_damaged_decisions_and_objectives_are_refused():
    outputs = outputs_of(0)
    decisions = decisions_of(outputs)
    with pytest.raises(DataError, match=r"event_advantages: shape \(16, 3\), expected \(16, 4\)"):
        replace(decisions, event_advantages=decisions.event_advantages[:, :3])
    with pytest.raises(ConfigError, match=r"compat='papers'.*did you mean 'paper'"):
        RlObjective(compat="papers")
    with pytest.raises(ConfigError, match="expected 4 weights: dynamic, static"):
        RlObjective(auxiliary=(1.0, 1.0))
    with pytest.raises(ConfigError, match=r"lateral_clip=-0\.1"):
        RlObjective(lateral_clip=-0.1)
    with pytest.raises(ConfigError, match="value=nan"):
        RlObjective(value=float("nan"))


def test_expert_bins_by_hand():
    # 7.6 m ahead are 30.4 steps, 0.06 m to the left 2.4; what is out of reach takes the last bin.
    motion = np.array([[7.6, 0.06], [0.0, 0.0], [99.0, -9.0], [-3.0, 0.0]])
    wanted = [[32, 30], [30, 0], [0, 60], [30, 0]]
    assert expert_bins(motion, rad_anchors()).tolist() == wanted
    # At 0.5 m in 0.5 s the bins 28 to 32 remain of the lateral ones: 42 becomes 32.
    lateral, longitudinal = expert_bins(np.array([[0.5, 0.3]]), rad_anchors())[0]
    assert (longitudinal, lateral) == (2, 32)
    assert VALID[longitudinal, lateral]
    assert not VALID[longitudinal, lateral + 1]


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_expert_bins_are_valid_near_and_mirrored(compat):
    rng = np.random.default_rng(0)
    motion = np.column_stack([rng.uniform(0, 15, 200), rng.uniform(-0.7, 0.7, 200)])
    bins = expert_bins(motion, rad_anchors(), compat=compat)
    assert VALID.numpy()[bins[:, 1], bins[:, 0]].all()
    swapped = expert_bins(motion * [1, -1], rad_anchors(), compat=compat)
    np.testing.assert_array_equal(swapped[:, 0], BINS - 1 - bins[:, 0])
    np.testing.assert_array_equal(swapped[:, 1], bins[:, 1])
    fast = motion[:, 0] > 3.0
    ends = rad_anchors().poses[bins[:, 1], bins[:, 0], -1, :2]
    assert (np.abs(ends - motion)[fast] < [0.15, 0.03]).all()


def test_imitation_by_hand():
    # Even chances over n bins: log n, and (1 - 1/n)^2 of it under the focal loss.
    outputs = {name: torch.zeros(2, BINS) for name in ("lateral", "longitudinal")}
    bins = torch.tensor([[30, 10], [31, 20]])
    entropy = np.log(BINS)
    found = imitation_losses(outputs, bins, None, compat="released")
    assert found["loss"].item() == pytest.approx(2 * entropy, rel=1e-6)
    found = imitation_losses(outputs, bins, VALID)
    focal = (1 - 1 / BINS) ** 2 * entropy
    assert found["lateral_loss"].item() == pytest.approx(focal, rel=1e-6)
    standing = imitation_losses(outputs, torch.tensor([[30, 0], [30, 1]]), VALID)
    assert standing["lateral_loss"].item() == 0.0  # one bin is left, and it is sure


@pytest.mark.parametrize("compat", ["paper", "released"])
def test_imitation_learns_the_expert(compat):
    outputs = outputs_of(5)
    leaves = [outputs["lateral"], outputs["longitudinal"]]
    bins = torch.from_numpy(
        expert_bins(
            np.random.default_rng(1).uniform([2, -0.5], [14, 0.5], (ROWS, 2)), rad_anchors()
        )
    )
    optimizer = torch.optim.Adam(leaves, lr=0.5)
    for _ in range(60):
        optimizer.zero_grad()
        imitation_losses(outputs, bins, VALID, compat=compat)["loss"].backward()
        optimizer.step()
    torch.testing.assert_close(choose(outputs, VALID).bins, bins)


def test_imitation_of_what_cannot_be_is_refused():
    outputs = outputs_of(0, rows=1)
    with pytest.raises(DataError, match=r"bins \[0, 0\].*are masked"):
        imitation_losses(outputs, torch.tensor([[0, 0]]), VALID)
    with pytest.raises(DataError, match="without an expert cannot be imitated"):
        expert_bins(np.array([[np.nan, 0.0]]), rad_anchors())
    with pytest.raises(DataError, match="expected \\(batch, 2\\)"):
        expert_bins(np.zeros((3, 3)), rad_anchors())
    with pytest.raises(ConfigError, match="compat='x'"):
        imitation_losses(outputs, torch.tensor([[30, 10]]), None, compat="x")


def test_choices_know_their_place():
    choice = Choice(*torch.tensor([[3], [4]]), *torch.zeros(2, 1))
    assert choice.bins.tolist() == [[3, 4]]


def drive_clips(leaves: dict, seed: int, count: int = 64) -> tuple[Decisions, float]:
    """Clips of one decision: faster than bin 35 hits a car ahead, left of bin 40 an obstacle."""
    many = {name: leaf.detach().expand(count, *leaf.shape[1:]) for name, leaf in leaves.items()}
    choice = choose(many, VALID, generator=torch.Generator().manual_seed(seed))
    crash = (choice.longitudinal > 35).numpy()
    scrape = (choice.lateral > 40).numpy() & ~crash
    value = {f"{name}s": np.full(2, leaves[name].item()) for name in leaves if "value" in name}
    columns = []
    for row in range(count):
        kind = EventKind.DYNAMIC if crash[row] else EventKind.STATIC
        event = ClipEvent(kind, 1) if crash[row] or scrape[row] else None
        found = clip_advantages(event_rewards(2, event), **value, terminated=event is not None)
        returns = (found.lateral_return, found.longitudinal_return)
        columns.append([*found.lateral, *found.longitudinal, *found.events[0], *np.ravel(returns)])
    numbers = torch.from_numpy(np.array(columns)).float()
    sides = (torch.from_numpy(crash).float(), torch.from_numpy(scrape).float())
    none = torch.zeros(count)
    return Decisions(
        choice, numbers[:, 0], numbers[:, 1], numbers[:, 2:6], numbers[:, 6], numbers[:, 7],
        *sides, none, none, none > 0,
    ), float((crash | scrape).mean())  # fmt: skip


@pytest.mark.parametrize("auxiliary", [0.0, 1.0])
def test_a_policy_learns_to_avoid_what_ends_its_clips(auxiliary):
    axes = ("lateral", "longitudinal")
    leaves = {name: torch.zeros(1, BINS, requires_grad=True) for name in axes}
    leaves |= {f"{name}_value": torch.zeros(1, requires_grad=True) for name in axes}
    optimizer = torch.optim.Adam(leaves.values(), lr=0.3)
    objective = RlObjective(auxiliary=(auxiliary,) * 4)
    shares = []
    for turn in range(15):
        decisions, share = drive_clips(leaves, turn)
        shares.append(share)
        for _ in range(2):
            rows = len(decisions.over)
            outputs = {name: leaf.expand(rows, *leaf.shape[1:]) for name, leaf in leaves.items()}
            optimizer.zero_grad()
            rl_losses(outputs, decisions, VALID, objective)["loss"].backward()
            optimizer.step()
    assert shares[0] > 0.5
    assert np.mean(shares[-5:]) < 0.1
