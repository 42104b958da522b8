"""What VADv2 is taught: distribution, conflicts, and which entries conflict."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from drivelab.agents.features.semantic import SemanticClass  # noqa: E402
from drivelab.agents.vadv2.conflicts import Surroundings, conflicting, off_road  # noqa: E402
from drivelab.agents.vadv2.embedding import embed_trajectories  # noqa: E402
from drivelab.agents.vadv2.losses import (  # noqa: E402
    conflict_loss,
    distances,
    distribution_loss,
    taught_distribution,
    taught_spread,
)

NONE = torch.zeros(1, 3, dtype=torch.bool)


def ahead(*speeds: float, y: float = 0.0) -> torch.Tensor:
    """(1, k, 8, 3): straight on at each speed [m/s], 0.5 s between two poses, y aside."""
    x = torch.tensor(speeds)[:, None] * 0.5 * torch.arange(1, 9)
    return torch.stack([x, torch.full_like(x, y), torch.zeros_like(x)], -1)[None]


def road(*, half_width: float = 32.0, box: tuple[float, ...] | None = None) -> Surroundings:
    """A straight road about the x axis, and perhaps one vehicle."""
    semantics = torch.zeros(1, 128, 256, dtype=torch.uint8)
    cells = round(half_width / 0.25)
    semantics[:, :, 128 - cells : 128 + cells] = SemanticClass.ROAD
    boxes, there = torch.zeros(1, 30, 5), torch.zeros(1, 30, dtype=torch.bool)
    if box is not None:
        boxes[0, 0], there[0, 0] = torch.tensor(box), True
    return Surroundings(boxes, there, semantics, 0.25)


class TestConflicts:
    def test_a_vehicle_ahead_is_hit_by_those_that_reach_it(self):
        scene = road(box=(20.0, 0.0, 0.0, 4.0, 2.0))  # from 18 m on; the ego's front is 4.049 m
        entries = ahead(0.0, 3.4, 3.6, 10.0)  # ends of the front: 4.0, 17.6, 18.4, 44.0
        found = conflicting(entries, ahead(2.0)[:, 0], scene)
        assert found.tolist() == [[False, False, True, True]]

    def test_a_vehicle_that_the_driver_met_was_gone(self):
        scene = road(box=(20.0, 0.0, 0.0, 4.0, 2.0))
        assert not conflicting(ahead(0.0, 5.0, 9.0), ahead(6.0)[:, 0], scene).any()

    def test_boxes_turn_and_pass_beside(self):
        for heading, hit in ((0.0, False), (math.pi / 2, True)):
            scene = road(box=(12.0, 3.2, heading, 6.0, 2.0))  # to y = 2.2, turned to y = 0.2
            assert conflicting(ahead(5.0), ahead(0.0)[:, 0], scene).item() is hit

    def test_empty_rows_are_no_vehicles(self):
        scene = road(box=(20.0, 0.0, 0.0, 4.0, 2.0))
        nobody = Surroundings(scene.boxes, scene.there & False, scene.semantics, 0.25)
        assert not conflicting(ahead(9.0), ahead(0.0)[:, 0], nobody).any()

    def test_leaving_the_road_conflicts(self):
        scene = road(half_width=3.0)  # the ego is 1.15 m wide to each side, 0.3 m are free
        for y, off in ((0.0, False), (2.0, False), (2.3, True), (-2.3, True)):
            assert conflicting(ahead(4.0, y=y), ahead(4.0)[:, 0], scene).item() is off

    def test_off_the_raster_nothing_is_known(self):
        scene = road(half_width=3.0)
        assert not off_road(ahead(30.0)[:, :, -1:].clone(), scene).any()  # 120 m ahead
        behind = ahead(-8.0)[:, :, 3:]
        assert not off_road(behind, scene).any()

    def test_a_road_that_the_driver_leaves_is_not_trusted(self):
        scene = road(half_width=3.0)
        assert not conflicting(ahead(4.0, y=9.0), ahead(4.0, y=6.0)[:, 0], scene).any()

    def test_static_things_conflict_and_vehicles_in_the_raster_do_not(self):
        scene = road()
        scene.semantics[0, 40:44, 120:136] = SemanticClass.VEHICLE
        assert not conflicting(ahead(4.0), ahead(0.0)[:, 0], scene).any()
        scene.semantics[0, 40:44, 120:136] = SemanticClass.STATIC
        assert conflicting(ahead(2.0), ahead(0.0)[:, 0], scene).item()

    def test_few_digits_elsewhere_do_not_make_conflicts_coarse(self):
        generator = torch.Generator().manual_seed(0)
        boxes = torch.tensor([20.0, 9.0, 1.0, 1.0, 0.3]) * torch.randn(
            1, 30, 5, generator=generator
        )
        boxes[..., 3:] += torch.tensor([4.5, 1.9])
        scene = Surroundings(boxes, boxes[..., 0] < 99, road().semantics, 0.25)
        entries = ahead(*(0.1 * n for n in range(150)))
        expected = conflicting(entries, ahead(0.0)[:, 0], scene)
        with torch.autocast("cpu", torch.bfloat16):
            found = conflicting(entries, ahead(0.0)[:, 0], scene)
        assert torch.equal(found, expected)
        assert 0 < expected.sum() < 150

    def test_scenes_of_a_batch_do_not_mix(self):
        first, second = road(box=(20.0, 0.0, 0.0, 4.0, 2.0)), road(half_width=1.2)
        both = Surroundings(
            torch.cat([first.boxes, second.boxes]), torch.cat([first.there, second.there]),
            torch.cat([first.semantics, second.semantics]), 0.25,
        )  # fmt: skip
        entries = torch.cat([ahead(1.0, 9.0), ahead(1.0, 9.0, y=1.0)])
        recorded = torch.cat([ahead(1.0), ahead(1.0)])[:, 0]
        assert conflicting(entries, recorded, both).tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize(
    ("ways", "spacing", "metres"),
    [(0.5, 2.0, 1.0), (0.5, 0.5, 0.25), (0.5, 0.2, 0.25), (1.5, 0.2, 0.3), (0.0, 2.0, 0.0)],
)
def test_what_is_taught_is_never_finer_than_what_is_seen(ways, spacing, metres):
    assert taught_spread(ways, spacing) == pytest.approx(metres)


class TestLosses:
    def test_distances_are_means_over_the_steps(self):
        found = distances(ahead(0.0, 1.0), ahead(0.0, y=2.0)[:, 0])
        expected = torch.hypot(0.5 * torch.arange(1, 9), torch.tensor(2.0)).mean()
        torch.testing.assert_close(found, torch.stack([torch.tensor(2.0), expected])[None])

    def test_without_spread_all_is_on_the_nearest(self):
        apart = torch.tensor([[3.0, 0.5, 1.0]])
        assert taught_distribution(apart, NONE, spread=0.0).tolist() == [[0.0, 1.0, 0.0]]

    def test_spread_by_hand(self):
        apart = torch.tensor([[0.0, 2.0 * math.log(2.0), 2.0 * math.log(4.0)]])
        found = taught_distribution(apart, NONE, spread=2.0)
        torch.testing.assert_close(found, torch.tensor([[4.0, 2.0, 1.0]]) / 7)
        conflict = torch.tensor([[True, True, False]])  # the nearest one was driven all the same
        found = taught_distribution(apart, conflict, spread=2.0)
        torch.testing.assert_close(found, torch.tensor([[4.0, 0.0, 1.0]]) / 5)

    def test_distribution_loss_by_hand(self):
        scores = torch.log(torch.tensor([[0.5, 0.25, 0.25]])) + 7.0
        sure = torch.tensor([[0.0, 1.0, 0.0]])
        torch.testing.assert_close(distribution_loss(scores, sure), torch.tensor(math.log(4.0)))
        same = torch.tensor([[0.5, 0.25, 0.25]])
        torch.testing.assert_close(distribution_loss(scores, same), torch.tensor(0.0))

    def test_conflict_loss_by_hand(self):
        scores = torch.log(torch.tensor([[0.5, 0.25, 0.25]]))
        nearest = torch.tensor([0])
        found = conflict_loss(scores, torch.tensor([[False, True, False]]), nearest)
        torch.testing.assert_close(found, torch.tensor(-math.log(0.75)))
        assert conflict_loss(scores, NONE, nearest).item() == 0.0
        everything = conflict_loss(scores, ~NONE, nearest)  # but the one that was driven
        torch.testing.assert_close(everything, torch.tensor(-math.log(0.5)))

    @given(st.integers(0, 10**6), st.integers(2, 12))
    @settings(max_examples=40, deadline=None)
    def test_a_step_against_conflicts_lowers_their_probability_and_odds(self, seed, count):
        generator = torch.Generator().manual_seed(seed)
        scores = torch.randn(1, count, generator=generator, dtype=torch.float64).requires_grad_()
        conflict = torch.rand(1, count, generator=generator) < 0.5
        nearest = torch.tensor([seed % count])
        conflict_loss(scores, conflict, nearest).backward()
        pushed = conflict.clone()
        pushed[0, nearest] = False
        assert (scores.grad[pushed] > 0).all()
        assert (scores.grad[~pushed] <= 0).all()
        before = scores.detach().softmax(-1)
        after = (scores.detach() - 1e-3 * scores.grad).softmax(-1)
        if pushed.any():
            assert after[pushed].sum() < before[pushed].sum()
            free = (~pushed).nonzero()[0, 1]
            assert (after[pushed] / after[0, free] < before[pushed] / before[0, free]).all()
        if pushed.sum() == 1:
            assert after[pushed] < before[pushed]

    @given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([0.0, 0.3, 5.0]))
    @settings(max_examples=40, deadline=None)
    def test_what_is_taught_is_a_distribution_and_never_conflicts(self, seed, count, spread):
        generator = torch.Generator().manual_seed(seed)
        apart = 9.0 * torch.rand(4, count, generator=generator, dtype=torch.float64)
        conflict = torch.rand(4, count, generator=generator) < 0.5
        taught = taught_distribution(apart, conflict, spread=spread)
        torch.testing.assert_close(taught.sum(-1), torch.ones(4, dtype=torch.float64))
        assert taught.argmax(-1).tolist() == apart.argmin(-1).tolist()
        nearest = torch.nn.functional.one_hot(apart.argmin(-1), count).bool()
        assert not taught[conflict & ~nearest].any()
        assert distribution_loss(torch.randn(4, count, dtype=torch.float64), taught) >= 0


class TestEmbedding:
    def test_by_hand(self):
        found = embed_trajectories(torch.tensor([[0.25, 50.0]]), 4)
        y, x = 2 * math.pi * 50.0, 2 * math.pi * 0.25  # waves of 1 m and of 100 m
        expected = [
            math.sin(y), math.cos(y), math.sin(y / 100), math.cos(y / 100),
            math.sin(x), math.cos(x), math.sin(x / 100), math.cos(x / 100),
        ]  # fmt: skip
        torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-4)

    def test_points_come_one_after_the_other(self):
        points = torch.rand(3, 5, 8, 2, dtype=torch.float64)
        found = embed_trajectories(points, 16)
        assert found.shape == (3, 5, 8 * 2 * 16)
        alone = embed_trajectories(points[1, 2, 6:7], 16)
        torch.testing.assert_close(found[1, 2, 6 * 32 : 7 * 32], alone)
