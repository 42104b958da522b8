"""The learner by itself: a window of clips, rounds, early stop, what a wall teaches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")

from rad_clips import VALID, Blind, clip, cores, thing  # noqa: E402
from rad_learner import TINY, learner_of, one_thread, settings_of  # noqa: E402, F401

from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.errors import ConfigError, DataError, RunError  # noqa: E402
from drivelab.training.reinforcement.events import EventKind  # noqa: E402
from drivelab.training.reinforcement.judge import at_rest  # noqa: E402
from drivelab.training.reinforcement.learner import (  # noqa: E402
    TRIES,
    Learner,
    freeze_norms,
)
from drivelab.training.reinforcement.recipe import RadRecipe  # noqa: E402
from drivelab.training.reinforcement.window import (  # noqa: E402
    ClipWindow,
    advantages_of,
    practise,
)
from drivelab.training.rollouts.clips import (  # noqa: E402
    NO_EVENT,
    DrivenClips,
    Dropped,
    Harvest,
    NothingDriven,
)
from drivelab.training.rollouts.episodes import KeptEpisodes  # noqa: E402
from drivelab.training.rollouts.fleet import LocalFleet  # noqa: E402
from drivelab.training.rollouts.worker import RolloutWorker  # noqa: E402

pytestmark = pytest.mark.nn


def clips_of(*lengths: int, event: int = EventKind.DYNAMIC, version: int = 1) -> DrivenClips:
    """Clips that end in an event, all values -0.5; those of one decision more are told by it."""
    total, n = sum(lengths), len(lengths)
    return DrivenClips(
        features={"vector": np.repeat(np.float32(lengths), lengths)[:, None]},
        bins=np.tile([30, 10], (total, 1)),
        log_probs=np.full((total, 2), -1.0, np.float32),
        values=np.full((total, 2), -0.5, np.float32),
        version=np.full(total, version),
        path_offset=np.zeros(total, np.float32),
        heading_error=np.zeros(total, np.float32),
        seeds=np.arange(n),
        lengths=np.array(lengths),
        events=np.full(n, event),
        dynamic_side=np.full(n, float(event == EventKind.DYNAMIC), np.float32),
        static_side=np.full(n, float(event == EventKind.STATIC), np.float32),
        last_values=np.full((n, 2), -0.5 if event == NO_EVENT else 0.0, np.float32),
    )


def test_advantages_of_a_driven_clip_by_hand():
    # Last decision: -1 - (-0.5) = -0.5; before it 0.9 * -0.5 + 0.5 = 0.05, and 0.855 * -0.5 of the
    # one behind: -0.3775. The lateral axis has no reward: 0.5 at the end, 0.05 + 0.4275 before it.
    found = advantages_of(clips_of(2), 0)
    np.testing.assert_allclose(found.longitudinal, [-0.3775, -0.5])
    np.testing.assert_allclose(found.lateral, [0.4775, 0.5])
    np.testing.assert_allclose(found.longitudinal_return, [-0.8775, -1.0])
    assert not found.events[:, 1:].any()


def test_a_clip_that_time_ended_is_bootstrapped():
    # -0.45 + 0.5 = 0.05 for the last one, 0.05 + 0.855 * 0.05 before it; no event, no shares
    found = advantages_of(clips_of(2, event=NO_EVENT), 0)
    np.testing.assert_allclose(found.longitudinal, [0.09275, 0.05])
    assert not found.events.any()


def test_an_event_whose_reward_weighs_nothing_teaches_nothing():
    clips = clips_of(2, event=EventKind.STATIC)
    with_it, without = (
        advantages_of(clips, 0, rewards=weights) for weights in ((1, 1, 1, 1), (1, 0, 1, 1))
    )
    np.testing.assert_allclose(with_it.lateral, [-0.3775, -0.5])
    np.testing.assert_allclose(without.lateral, [0.4775, 0.5])  # it only ends the clip
    assert with_it.events[:, EventKind.STATIC].all()
    assert not without.events.any()
    half = advantages_of(clips, 0, rewards=(1, 0.5, 1, 1))
    np.testing.assert_allclose(half.lateral[-1], 0.0)


def test_what_a_recipe_switches_off_reaches_losses_and_advantages(tmp_path: Path):
    objective = RadRecipe(static_reward=0.0, heading_aux=0.0, gae="released").objective()
    assert (objective.rewards, objective.auxiliary) == ((1, 0, 1, 1), (1, 1, 1, 0))
    learner = Learner(Blind(30, 10), VALID, settings=settings_of(tmp_path), objective=objective)
    learner.window.add(clips_of(3))
    found = learner.window.practice().decisions.longitudinal_advantage
    own = advantages_of(clips_of(3), 0, compat="released", rewards=(1, 0, 1, 1)).longitudinal
    np.testing.assert_allclose(found.numpy(), own, rtol=1e-6)
    assert (own > 0).any()  # the released formula praises what led to the accident
    with pytest.raises(ConfigError, match=r"recipe.gae='releasd'.*did you mean 'released'"):
        RadRecipe(gae="releasd")
    with pytest.raises(ConfigError, match=r"static_reward=-1\.0: expected"):
        RadRecipe(static_reward=-1.0)


def test_the_window_lets_the_oldest_clips_go():
    window = ClipWindow(3)
    with pytest.raises(DataError, match="window: it is empty"):
        window.practice()
    window.add(clips_of(2, 3))
    window.add(clips_of(4, 5, version=2))
    assert window.clips.lengths.tolist() == [3, 4, 5]
    assert window.clips.version.tolist() == [1] * 3 + [2] * 9
    practice = window.practice()
    assert practice.features["vector"][:, 0].tolist() == [3.0] * 3 + [4.0] * 4 + [5.0] * 5
    assert practice.decisions.dynamic_side.tolist() == [1.0] * 12
    alone = practise(clips_of(4)).decisions
    np.testing.assert_array_equal(
        practice.decisions.longitudinal_advantage[3:7], alone.longitudinal_advantage
    )
    rows = practice.take(torch.tensor([11, 0]))
    assert rows.features["vector"][:, 0].tolist() == [5.0, 3.0]
    assert rows.decisions.event_advantages.shape == (2, 4)


def test_a_round_ends_where_the_policy_has_gone_too_far(tmp_path: Path):
    far = learner_of(tmp_path, batch=4, kl_limit=1e-6)
    far.window.add(clips_of(8, 8))
    near = learner_of(tmp_path, batch=4, kl_limit=1e6)
    near.window.add(clips_of(8, 8))
    told = far.reinforce()
    assert (told["batches"], told["stopped"], far.counts.updates) == (1.0, 1.0, 1)
    told = near.reinforce()
    assert (told["batches"], told["stopped"], near.counts.updates) == (4.0, 0.0, 4)


def test_one_batch_that_goes_too_far_is_learnt_whole(tmp_path: Path):
    only = learner_of(tmp_path, batch=16, kl_limit=1e-6)
    only.window.add(clips_of(8, 8))
    told = only.reinforce()
    assert (told["batches"], told["stopped"]) == (1.0, 0.0)


class _Fails:
    """A fleet none of whose clips come back, for some rounds."""

    def __init__(self, times: int) -> None:
        self.left, self.sent = times, []

    def send(self, version, weights, seeds, draws) -> None:
        self.sent.append(tuple(seeds))

    def fetch(self) -> Harvest:
        if self.left:
            self.left -= 1
            lost = tuple(Dropped(seed, "its actor died") for seed in self.sent[-1])
            raise NothingDriven("none of 2 clips could be driven", lost)
        return Harvest(clips_of(3, 3), (Dropped(7, "late"),), {})

    def told(self) -> dict[str, float]:
        return {}


def test_where_a_whole_round_is_lost_the_next_clips_are_driven_in_its_place(tmp_path: Path):
    learner, fleet = learner_of(tmp_path), _Fails(2)
    learner.drive(fleet)
    assert len(set(fleet.sent)) == len(fleet.sent) == 3
    assert (learner.counts.clips, learner.counts.dropped) == (6, 5)
    assert [clip.reason for clip in learner.dropped] == ["its actor died"] * 4 + ["late"]
    learner, fleet = learner_of(tmp_path), _Fails(TRIES)
    with pytest.raises(NothingDriven, match="none of 2 clips"):
        learner.drive(fleet)


def test_a_look_leaves_a_network_as_it_was():
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3).eval())
    was = {name: value.clone() for name, value in network.state_dict().items()}
    with at_rest(network):
        network(torch.randn(8, 3))
    assert [layer.training for layer in network] == [True, False]
    for name, value in network.state_dict().items():
        assert torch.equal(value, was[name]), name
    network(torch.randn(8, 3))  # as it would without
    assert not torch.equal(network.state_dict()["0.running_mean"], was["0.running_mean"])


def test_staleness_is_told(tmp_path: Path):
    learner = learner_of(tmp_path)
    learner.window.add(clips_of(5, version=1))
    learner.window.add(clips_of(5, version=3))
    learner.counts.round = 3
    assert learner.reinforce()["staleness"] == pytest.approx(1.0)


def test_clips_of_policies_too_far_behind_leave_but_the_newest_stay(tmp_path: Path):
    window = ClipWindow(10)
    for version in (1, 3, 4):
        window.add(clips_of(5, version=version))
    window.forget(before=3)
    assert window.clips.version[::5].tolist() == [3, 4]
    window.forget(before=9)
    assert window.clips.version[::5].tolist() == [4]


def test_a_loss_that_is_not_finite_leaves_the_weights(tmp_path: Path):
    learner = learner_of(tmp_path)
    learner.window.add(replace(clips_of(8), log_probs=np.full((8, 2), -np.inf, np.float32)))
    before = learner.network.lateral.detach().clone()
    with pytest.raises(RunError, match=r"update 0: .*loss.* not finite"):
        learner.reinforce()
    assert torch.equal(learner.network.lateral, before)


def test_training_clips_take_turns(tmp_path: Path):
    learner = learner_of(tmp_path, clips=5, harvest=3)
    drawn = []
    for _ in range(5):
        drawn += learner._next_clips(3)
        learner.counts.clips += 3
    assert sorted(drawn) == sorted(3 * list(range(5)))
    assert all(sorted(drawn[k : k + 5]) == list(range(5)) for k in (0, 5, 10))


def test_layers_that_normalise_are_frozen():
    network = RadNetwork(TINY)
    freeze_norms(network)
    frozen = {name for name, value in network.named_parameters() if not value.requires_grad}
    assert "decoder.layers.0.norm1.weight" in frozen
    assert all("norm" in name or ".3." in name for name in frozen)  # encoders end in one


def test_a_learner_slows_down_before_a_wall(tmp_path: Path):
    """A car stands across the way of a policy that sees nothing: only slowness helps.

    13.95 m lie between them: at 10 m/s, bin 20, they meet in the 14th step.
    """
    learner = learner_of(
        tmp_path, Blind(30, 20, sure=0.01), pretraining=0, rounds=25, mode="rl", harvest=8,
        window=8, batch=64, passes=2, rate=0.1, kl_limit=1.0, clip=10.0,
    )  # fmt: skip
    with torch.no_grad():
        learner.network.lateral.copy_(Blind(30, 0).lateral)  # straight on
    source = KeptEpisodes(lambda seed: clip(thing(40.0), steps=40))
    fleet = LocalFleet(lambda: RolloutWorker(cores(source, 8), Blind(30, 20), VALID, steps=40), 8)
    driven = []
    for _ in range(25):
        learner.begin_round()
        driven.append(learner.drive(fleet))
        learner.reinforce()
    assert driven[0]["dynamic_share"] == 1.0
    assert driven[0]["length"] == pytest.approx(14.0, abs=1.5)
    assert np.mean([row["length"] for row in driven[-5:]]) > 22.0
    assert (learner.counts.round, learner.counts.clips) == (25, 200)
    assert set(learner.window.clips.version.tolist()) == {24}
