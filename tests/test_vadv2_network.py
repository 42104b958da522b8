"""VADv2's network: both ways of planning, its distribution, streaming, the fast one."""

from __future__ import annotations

import golden_models as golden
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.agents.transfuser.config import TransfuserConfig
from drivelab.agents.transfuser.policy import TransfuserNetwork
from drivelab.agents.vadv2 import VadV2Config
from drivelab.agents.vadv2.choice import neighbours_mean, shifted_by
from drivelab.agents.vadv2.fast import FastVadV2
from drivelab.agents.vadv2.head import ProbabilisticHead
from drivelab.agents.vadv2.losses import drawn_entries
from drivelab.agents.vadv2.memory import Memory, SceneTokens, no_memory, seen_from
from drivelab.agents.vadv2.policy import VadV2Network
from drivelab.errors import ConfigError, DataError

pytestmark = pytest.mark.nn
PLANNINGS = ("probabilistic", "deterministic")
SMALL = {
    "camera": (32, 64), "lidar": (64, 64), "image_depths": (1, 1, 1, 1), "bev_channels": 8,
    "image_widths": (8, 8, 8, 8), "lidar_widths": (8, 8, 8, 8), "width": 16, "hidden": 16,
    "heads": 2, "entries": 12, "modes": 5, "waves": 4,
}  # fmt: skip


def vocabulary(entries: int) -> torch.Tensor:
    found = torch.cat([golden.anchors(), torch.zeros(20, 8, 1)], -1)
    return torch.cat([found * (1 + 0.1 * turn) for turn in range(-(-entries // 20))])[:entries]


def made(**changes) -> VadV2Network:
    torch.manual_seed(0)
    network = VadV2Network(VadV2Config.preset("mini", **changes))
    if isinstance(network._planning_head, ProbabilisticHead):
        network._planning_head.set_vocabulary(vocabulary(network.config.entries))
    return network


def small(**changes) -> VadV2Network:
    return made(**{**SMALL, **changes})


def frame(seed: int, rows: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "camera_feature": torch.rand(rows, 3, 32, 64, generator=generator),
        "lidar_feature": torch.rand(rows, 1, 64, 64, generator=generator),
        "status_feature": torch.rand(rows, 8, generator=generator),
    }


def mini_scene(network: VadV2Network, rows: int = 2):
    return golden.features(3, rows, network.config.camera), golden.targets(3, rows)


@pytest.mark.parametrize("planning", PLANNINGS)
def test_mini_is_small_and_the_twin_has_the_same_encoder(planning):
    network, eyes = made(planning=planning), TransfuserNetwork(TransfuserConfig.preset("mini"))
    assert sum(p.numel() for p in network.parameters()) <= 3_000_000
    shared = {n: p.shape for n, p in network.named_parameters() if "_planning_head" not in n}
    seen = {n: p.shape for n, p in eyes.named_parameters() if "_trajectory_head" not in n}
    assert seen.items() <= shared.items()
    cascade = [n for n, _ in network.named_parameters() if "cascade" in n]
    assert len(cascade) == 3 * 12


@pytest.mark.parametrize("planning", PLANNINGS)
def test_every_weight_learns_and_the_parts_are_the_loss(planning):
    network = made(planning=planning, image_encoder="resnet").train()
    losses = network.loss(*mini_scene(network))
    losses["loss"].backward()
    idle = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not idle
    assert network.config.planning == "deterministic" or "conflict_loss" in losses
    parts = [value for name, value in losses.items() if name.endswith("_loss")]
    torch.testing.assert_close(sum(parts), losses["loss"])


@pytest.mark.parametrize("planning", PLANNINGS)
def test_bfloat16_learns_and_plans(planning):
    network = made(planning=planning)
    features, targets = mini_scene(network)
    with torch.autocast("cpu", torch.bfloat16):
        loss = network.train().loss(features, targets)["loss"]
        loss.backward()
        found = network.eval()(features)
    assert torch.isfinite(loss)
    assert torch.isfinite(found["trajectory"]).all()
    if planning == "probabilistic":
        assert found["vocabulary_scores"].dtype == torch.float32


def test_the_full_network_is_of_the_papers_vocabulary():
    config = VadV2Config()
    assert (config.entries, config.sampled, config.width, config.waves) == (4096, 256, 256, 128)
    with torch.device("meta"):
        network = VadV2Network(config)
    assert network._planning_head.entry_encoder[0].in_features == 8 * 2 * 128


class TestDistribution:
    def test_modes_are_the_most_probable_entries(self):
        network = small().eval()
        with torch.no_grad():
            found = network(frame(1))
        share = found["vocabulary_scores"].softmax(-1)
        torch.testing.assert_close(share.sum(-1), torch.ones(2))
        told = found["mode_scores"].sigmoid()
        torch.testing.assert_close(told, share.sort(-1, descending=True).values[:, :5])
        best = network._planning_head.vocabulary[share.argmax(-1)]
        assert torch.equal(found["trajectory"], best)
        assert torch.equal(found["modes"][:, 0], best)

    @given(st.permutations(range(12)))
    @settings(max_examples=5, deadline=None)
    def test_a_permuted_vocabulary_permutes_the_probabilities(self, order):
        network, other = small().eval(), small().eval()
        entries = network._planning_head.vocabulary[list(order)].clone()
        other._planning_head.set_vocabulary(entries)
        with torch.no_grad():
            one, two = network(frame(2)), other(frame(2))
        torch.testing.assert_close(
            one["vocabulary_scores"][:, list(order)], two["vocabulary_scores"]
        )
        torch.testing.assert_close(one["trajectory"], two["trajectory"])

    def test_an_entrys_score_does_not_depend_on_the_others(self):
        network = small().eval()
        features = frame(3)
        few = small(entries=3).eval()
        few.load_state_dict(
            {
                name: value[4:7] if name.endswith("vocabulary") else value
                for name, value in network.state_dict().items()
            }
        )
        with torch.no_grad():
            whole, part = network(features), few(features)
        torch.testing.assert_close(whole["vocabulary_scores"][:, 4:7], part["vocabulary_scores"])
        assert part["modes"].shape == (2, 3, 8, 3)  # no more modes than entries

    def test_where_to_go_changes_what_is_probable(self):
        network, left = small().eval(), frame(4, 1)
        left["status_feature"] = torch.eye(8)[:1]
        right = {**left, "status_feature": torch.eye(8)[2:3]}
        with torch.no_grad():
            found = [network(seen)["vocabulary_scores"] for seen in (left, right)]
        assert not torch.allclose(*found, atol=1e-4)

    def test_samples_are_of_the_seed_alone(self):
        features = frame(5)
        one, two, other = (
            small(choice="sample", sample_seed=seed).eval()._planning_head.drawn(2)["noise"]
            for seed in (1, 1, 2)
        )
        assert torch.equal(one, two)
        assert torch.equal(one[0], one[1])
        assert not torch.equal(one, other)
        free = small(choice="sample", sample_seed=None).eval()._planning_head
        assert not torch.equal(free.drawn(2)["noise"], free.drawn(2)["noise"])
        network = small(choice="sample").eval()
        with torch.no_grad():
            both = network(features)
            alone = network({name: value[1:] for name, value in features.items()})
        assert torch.equal(both["trajectory"][1:], alone["trajectory"])
        assert small().eval()._planning_head.drawn(2) == {}

    def test_samples_come_as_often_as_they_are_probable(self):
        head = small(choice="sample", sample_seed=None, entries=3, modes=3)._planning_head
        torch.manual_seed(1)
        share = torch.tensor([0.6, 0.3, 0.1])
        noise = head.drawn(20_000)["noise"]
        drawn = head.chosen(share.log().expand(20_000, -1), noise)["trajectory"]
        for entry, expected in zip(head.vocabulary[1:], share[1:], strict=True):
            found = (drawn == entry).flatten(1).all(-1).float().mean()
            assert abs(found - expected) < 0.02

    def test_the_mean_is_of_the_likeliest_and_its_neighbours_by_hand(self):
        entries = torch.zeros(4, 2, 3)
        entries[1, :, 0], entries[2, :, 0] = 1.0, 3.0
        entries[1, :, 2], entries[2, :, 2] = 3.1, -3.1  # to both sides of half a turn
        entries[3, :, 0] = 100.0  # out of reach, however probable
        shares = torch.tensor([[0.1, 0.4, 0.1, 0.39], [0.1, 0.2, 0.1, 0.6]])
        found = neighbours_mean(shares.log(), entries)
        torch.testing.assert_close(found[0, :, 0], torch.full((2,), 0.7 / 0.6))
        assert not found[..., 1].any()
        torch.testing.assert_close(found[1], entries[3])
        near = neighbours_mean(shares[:1].log(), entries, reach=2.5)
        torch.testing.assert_close(near, found[:1])
        alone = neighbours_mean(shares[:1].log(), entries, reach=0.5)
        torch.testing.assert_close(alone[0], entries[1])
        turned = neighbours_mean(torch.tensor([[-50.0, 1.0, 1.0, -50.0]]), entries)
        torch.testing.assert_close(turned[0, :, 2].abs(), torch.full((2,), torch.pi))

    def test_the_mean_of_entries_of_its_own_is_that_of_each_row(self):
        torch.manual_seed(0)
        entries, scores = 3.0 * torch.randn(3, 5, 2, 3), torch.randn(3, 5)
        found = neighbours_mean(scores, entries)
        for row in range(3):
            alone = neighbours_mean(scores[row : row + 1], entries[row])
            torch.testing.assert_close(found[row : row + 1], alone)

    def test_a_shift_moves_all_plans_of_a_row_alike(self):
        plans = torch.tensor([[[1.0, 2.0, 3.0]], [[4.0, 5.0, -3.0]]])
        shift = torch.tensor([[[0.5, -0.5, 0.2]], [[0.0, 1.0, -0.2]]])
        wanted = torch.tensor([[[1.5, 1.5, 3.2 - 2 * torch.pi]], [[4.0, 6.0, 2 * torch.pi - 3.2]]])
        torch.testing.assert_close(shifted_by(plans, shift), wanted)
        modes = shifted_by(torch.stack([plans, plans], 1), shift)
        torch.testing.assert_close(modes, torch.stack([wanted, wanted], 1))
        assert shifted_by(plans, None) is plans

    def test_a_sure_network_tells_finite_scores(self):
        head = small()._planning_head
        found = head.chosen(torch.nn.functional.one_hot(torch.tensor([4]), 12) * 500.0, None)
        assert torch.isfinite(found["mode_scores"]).all()

    def test_some_entries_teach_and_the_nearest_always(self):
        nearest = torch.arange(12)
        for seed in range(5):
            generator = torch.Generator().manual_seed(seed)
            chosen = drawn_entries(nearest, 12, 4, generator)
            assert chosen.shape == (12, 4)
            assert (chosen == nearest[:, None]).any(-1).all()
            assert all(len(set(row)) == 4 for row in chosen.tolist())
        every = drawn_entries(nearest, 12, 40)
        assert every.tolist() == [list(range(12))] * 12


class TestStreaming:
    def test_frame_by_frame_equals_all_at_once(self):
        network = small(frames=4).eval()
        frames = [frame(seed) for seed in range(5)]
        motion = torch.tensor([[2.0, 0.1, 0.05], [4.0, -0.3, -0.1]])
        memory = None
        with torch.no_grad():
            for seen in frames:
                memory = None if memory is None else memory.moved(motion, 0.5)
                outputs, memory = network.stream(seen, memory)
            tokens = [network.perceive(seen)[0] for seen in frames[1:4]]  # the three before now
            whole = network(frames[4], memory=all_at_once(tokens, motion))
            short = network(frames[4])
        for name, value in outputs.items():
            torch.testing.assert_close(whole[name], value, rtol=1e-4, atol=1e-5)
        scores = outputs["vocabulary_scores"]
        assert not torch.allclose(short["vocabulary_scores"], scores, atol=1e-5)
        assert memory.agents.shape[:2] == (2, 3)  # with this frame; the oldest are forgotten

    def test_no_memory_and_absent_frames_change_nothing(self):
        network = small(frames=3).eval()
        with torch.no_grad():
            tokens, _ = network.perceive(frame(8))
            filled = no_memory(tokens).with_frame(tokens, 2)
            absent = Memory(
                filled.agents + 3.0, filled.map, filled.poses, filled.ages, ~filled.absent
            )
            found = [
                network(frame(9), memory=memory)["vocabulary_scores"]
                for memory in (None, no_memory(tokens), absent)
            ]
        torch.testing.assert_close(found[0], found[1])
        torch.testing.assert_close(found[0], found[2])

    def test_what_was_ahead_comes_nearer(self):
        pose = torch.tensor([[[10.0, 2.0, 0.0]]])
        ahead = seen_from(pose, torch.tensor([[4.0, 0.0, 0.0]]))
        torch.testing.assert_close(ahead, torch.tensor([[[6.0, 2.0, 0.0]]]))
        turned = seen_from(pose, torch.tensor([[10.0, 0.0, np.pi / 2]]))
        torch.testing.assert_close(
            turned, torch.tensor([[[2.0, 0.0, -np.pi / 2]]]), rtol=0, atol=1e-5
        )

    def test_a_stream_is_learnt_from(self):
        network = small(frames=2).train()
        _, memory = network.stream(frame(1), None)
        targets = golden.targets(3)
        targets["bev_semantic_map"] = targets["bev_semantic_map"][:, :32, :64]
        losses = network.loss(frame(2), targets, memory=memory.moved(torch.zeros(2, 3), 0.5))
        losses["loss"].backward()
        assert all(p.grad is not None for p in network._recall.parameters())

    def test_single_frames_take_no_memory(self):
        network = small()
        _, memory = small(frames=2).stream(frame(1), None)
        with pytest.raises(ConfigError, match="frames=1"):
            network(frame(1), memory=memory)


def all_at_once(tokens: list[SceneTokens], motion: torch.Tensor) -> Memory:
    """The memory of equally moved frames, the earliest first, from their poses alone."""
    poses, at = [], torch.zeros(2, 1, 3)
    for _ in tokens:
        at = seen_from(at, motion)
        poses.append(at)
    latest = tokens[::-1]
    ages = 0.5 * torch.arange(1, len(tokens) + 1).expand(2, -1)
    return Memory(
        torch.stack([t.agents for t in latest], 1), torch.stack([t.map for t in latest], 1),
        torch.cat(poses, 1), ages, torch.zeros(2, len(tokens), dtype=torch.bool),
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{}, {"choice": "sample"}, {"choice": "mean"}, {"planning": "deterministic"}, {"latent": True}],
    ids=["argmax", "sample", "mean", "twin", "latent"],
)
def test_the_fast_one_plans_the_same(changes):
    network = small(**changes).eval()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
    features = frame(6, 3)
    with torch.no_grad():
        expected, found = network(features), FastVadV2(network)(features)
    assert found.keys() <= expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-4, msg=name)


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"planning": "both"}, "planning='both': expected one of"),
            ({"choice": "best"}, "choice='best': expected one of"),
            ({"entries": 1}, "entries=1: expected 2 or more"),
            ({"sampled": 0}, "sampled=0: expected whole numbers"),
            ({"waves": 5}, "waves=5: expected an even number"),
            ({"frames": 0}, "frames=0"),
            ({"label_spread": -1.0}, "label_spread=-1.0: expected 0 or more"),
            ({"conflict_weight": -1.0}, "conflict_weight=-1.0"),
            ({"entrys": 5}, "no option 'entrys'"),
        ],
    )
    def test_a_configuration(self, changes, told):
        with pytest.raises(ConfigError, match=told):
            VadV2Config.preset("mini", **changes)

    def test_a_vocabulary_of_another_network(self):
        head = small()._planning_head
        with pytest.raises(ConfigError, match=r"\(7, 8, 3\), expected \(12, 8, 3\).*entries=7"):
            head.set_vocabulary(vocabulary(7))
        with pytest.raises(ConfigError, match="not finite"):
            head.set_vocabulary(vocabulary(12) / 0.0)
        assert torch.equal(head.vocabulary, vocabulary(12))

    def test_another_horizon_and_missing_features(self):
        network = small()
        targets = golden.targets(3)
        targets["trajectory"] = targets["trajectory"][:, :6]
        with pytest.raises(DataError, match=r"\(2, 6, 3\), expected \(batch, 8, 3\)"):
            network.loss(frame(1), targets)
        with pytest.raises(DataError, match="no feature 'status_feature'"):
            network({k: v for k, v in frame(1).items() if k != "status_feature"})


def test_the_spread_follows_the_vocabulary_at_hand():
    head = small(entries=3, modes=3)._planning_head
    near, far = (torch.zeros(3, head.config.poses, 3) for _ in range(2))
    near[1:, :, 0] = torch.tensor([[1.0], [2.0]])
    far[1:, :, 0] = torch.tensor([[5.0], [10.0]])
    head.set_vocabulary(near)
    assert head.spacing == 1.0
    weights = {name: value.clone() for name, value in head.state_dict().items()}
    head.set_vocabulary(far)
    assert head.spacing == 5.0
    head.load_state_dict(weights)
    assert head.spacing == 1.0
