"""RAD's learner (arXiv 2502.13144v2, 3.2 and A.5): imitate, drive, learn from what happened.

A round of imitation takes batches of the expert's decisions and minimises the focal loss of both
axes. A round of reinforcement sends the policy out to drive whole clips, puts them into a window of
the latest ones, and goes through all their decisions in batches, minimising the clipped objectives
of both axes, the auxiliary objectives and the errors of both values. It ends early where the policy
has gone too far from those that drove. With pre-training over, the layers that normalise no longer
change, and the optimiser begins anew.

All that is random is drawn from the seed and the number of the round, so that nothing random has to
be kept for a resumed run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from drivelab.errors import RunError
from drivelab.training.imitation.learner import groups_of
from drivelab.training.imitation.schedule import rate_at
from drivelab.training.reinforcement.events import EventKind
from drivelab.training.reinforcement.imitation import Imitation, towards_bins
from drivelab.training.reinforcement.objective import RlObjective, rl_losses
from drivelab.training.reinforcement.settings import ReinforcementSettings
from drivelab.training.reinforcement.window import ClipWindow, Practice
from drivelab.training.rollouts.clips import DrivenClips, Dropped, Harvest, NothingDriven
from drivelab.training.rollouts.fleet import Fleet
from drivelab.training.rollouts.worker import weights_of
from drivelab.training.together import Share, average, average_gradients, given_by_the_first

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
TRIES = 3  # rounds of clips none of which came back, after which a run ends
_ORDER, _BATCHES, _DRAWS, _LOSSES = range(4)  # streams of random numbers


@dataclass(slots=True)
class Counts:
    """Where a learner stands; everything of it is in the checkpoint.

    Attributes:
        round: next one, counted from 0.
        updates: of the weights.
        clips: driven for learning, dropped ones included.
        dropped: of these.
        decisions: learnt from, each counted once.
    """

    round: int = 0
    updates: int = 0
    clips: int = 0
    dropped: int = 0
    decisions: int = 0


class Learner:
    """Teaches one network.

    Args:
        network: outputs as `RadNetwork`.
        valid: the mask of its actions, [longitudinal, lateral].
        settings: sizes and rates.
        objective: weights and clip ranges of reinforcement.
        imitation: what a round of imitation minimises; None: the losses towards the expert's bins.
        share: of the rows of every batch; all of them by default.

    Attributes:
        dropped: clips of the latest drive that were not driven to their ends, and why.
    """

    def __init__(
        self,
        network: nn.Module,
        valid: Bool[Tensor, "m n"] | None,
        *,
        settings: ReinforcementSettings,
        objective: RlObjective | None = None,
        imitation: Imitation | None = None,
        share: Share | None = None,
    ) -> None:
        self.settings, self.share = settings, share or Share()
        self._imitation = imitation or towards_bins
        self.network, self.valid = network.to(settings.device), valid
        self._mask = None if valid is None else valid.to(settings.device)
        self.objective = objective or RlObjective()
        self.counts = Counts()
        self.window = ClipWindow(
            settings.window, compat=self.objective.advantages, rewards=self.objective.rewards,
            joint=self.objective.joint,
        )  # fmt: skip
        self.optimizer = self._new_optimizer()
        self.dropped: tuple[Dropped, ...] = ()
        self._out = 0  # clips that are being driven

    def resume(self, counts: Counts) -> None:
        """Stand where another learner stood, whose weights and moments are filled in after this."""
        self.counts = counts
        if counts.round > self.settings.pretraining:
            self._end_pretraining()

    def begin_round(self) -> None:
        """Make ready for the round that `counts` says, and set its learning rate."""
        settings, number = self.settings, self.counts.round
        later = number - settings.pretraining
        if later == 0:
            self._end_pretraining()
        if later < 0:
            rate = settings.imitation_rate * rate_at(number, settings.pretraining, 0.0)
        else:
            rate = settings.rate * rate_at(later, settings.rounds, 0.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def imitate(self, expert: DrivenClips) -> dict[str, float]:
        """A round of imitation; the mean losses of its updates.

        Args:
            expert: clips that were driven as their experts did.

        Raises:
            RunError: a loss is not finite; the weights are as before that update.
        """
        settings = self.settings
        draw = np.random.default_rng(self._seeds(_BATCHES))
        size = self._even(min(settings.imitation_batch, expert.decisions))
        optimizer, updates = self.optimizer, settings.updates
        if self.counts.round >= settings.pretraining:
            optimizer, updates = self._beside(), settings.later_updates
        torch.manual_seed(int(self._seeds(_LOSSES).generate_state(1)[0]))
        found = []
        for _ in range(updates):
            rows = self._own(draw.choice(expert.decisions, size, replace=False))
            features = {k: self._moved(array[rows]) for k, array in expert.features.items()}
            taught = {"bins": expert.bins, **expert.targets}
            losses = self._imitation(
                self.network,
                features,
                {k: self._moved(array[rows]) for k, array in taught.items()},
                self._mask,
            )
            found.append(self._update(losses, _numbers(losses), optimizer))
        self.counts.round += 1
        return mean_of(found)

    def drive(self, fleet: Fleet) -> dict[str, float]:
        """Put into the window what the present policy, or with `ahead` the one before, drove.

        Returns:
            Shares of the new clips that ended in events, mean length, the workers' seconds by
            stage, `wait_s` (until the last of them was back) and what the fleet tells.

        Raises:
            RunError: no clip could be driven, `TRIES` times.
        """
        counts, settings = self.counts, self.settings
        clock, self.dropped = perf_counter(), ()
        found = self._fetch(fleet)
        waited = perf_counter() - clock
        told = fleet.told()
        counts.decisions += found.clips.decisions
        self.window.add(found.clips)
        self.window.forget(before=counts.round - settings.staleness)
        if settings.ahead and counts.round + 1 < settings.total:
            self._send(fleet)
        seconds = {f"{k}_s": s for k, s in found.seconds.items()}
        return {**told_of(found.clips), **seconds, "wait_s": waited, **told}

    def take_clips(self) -> None:
        """Stand where the first learner stands after a drive: its window, its counts."""
        self.window.clips, self.counts = given_by_the_first((self.window.clips, self.counts))

    def reinforce(self) -> dict[str, float]:
        """Learn from the window: the rest of a round of reinforcement.

        Returns:
            Means over its updates of losses, divergences and clipped shares; `batches` learnt from;
            `stopped` where it ended early; `staleness`, by how many rounds the policies that
            decided are behind the present one on average; `learn_s`.

        Raises:
            RunError: a loss is not finite; the weights are as before that update.
        """
        clock = perf_counter()
        practice = self.window.practice()
        found: list[dict[str, float]] = []
        stopped = False
        for rows in self._batches(len(practice)):
            batch = practice.take(rows).to(self.settings.device)
            losses = rl_losses(
                self.network(batch.features), batch.decisions, self._mask, self.objective
            )
            told = _numbers(losses)
            # the first batch always counts: the window holds older policies
            stopped = bool(found) and self._went_too_far(told)
            if stopped:
                break
            found.append(self._update(losses, told, self.optimizer))
        assert self.window.clips is not None
        behind = self.counts.round - self.window.clips.version
        self.counts.round += 1
        return {
            **mean_of(found),
            "batches": float(len(found)),
            "stopped": float(stopped),
            "staleness": float(behind.mean()),
            "advantage": float(_size_of(practice)),
            "learn_s": perf_counter() - clock,
        }

    def _fetch(self, fleet: Fleet) -> Harvest:
        """What was sent out; where nothing of it came back, what is driven next in its place.

        Raises:
            NothingDriven: several times in a row.
        """
        tries = 0
        while True:
            tries += 1
            if not self._out:
                self._send(fleet)
            out, self._out = self._out, 0
            try:
                found = fleet.fetch()
            except NothingDriven as error:
                if tries == TRIES:
                    raise
                self._count(out, error.dropped)
            else:
                self._count(out, found.dropped)
                return found

    def _count(self, out: int, dropped: tuple[Dropped, ...]) -> None:
        self.counts.clips += out
        self.counts.dropped += len(dropped)
        self.dropped += dropped

    def _send(self, fleet: Fleet) -> None:
        """Let the next clips be driven by the present weights; their version is their rounds."""
        seeds = self._next_clips(self.settings.harvest)
        self._out = len(seeds)
        draws = np.random.SeedSequence([self.settings.seed, _DRAWS, self.counts.clips])
        version, draw = self.counts.round, int(draws.generate_state(1)[0])
        fleet.send(version, weights_of(self.network), seeds, draw)

    def _end_pretraining(self) -> None:
        freeze_norms(self.network)
        self.optimizer = self._new_optimizer()

    def _went_too_far(self, told: Mapping[str, float]) -> bool:
        divergence = max(told[f"{axis}_kl"] for axis in ("lateral", "longitudinal"))
        return divergence > self.settings.kl_limit

    def _update(
        self, losses: Mapping[str, Tensor], told: Mapping[str, float], optimizer: torch.optim.AdamW
    ) -> dict[str, float]:
        """One step on the mean gradient of all learners; `told` are their mean losses."""
        self.network.zero_grad(set_to_none=True)  # frozen layers too, which no optimiser knows
        losses["loss"].backward()
        parameters = [p for p in self.network.parameters() if p.grad is not None]
        average_gradients(parameters)
        norm = float(nn.utils.clip_grad_norm_(parameters, self.settings.clip))
        told = {**told, "gradient": norm}
        wrong = [name for name, value in told.items() if not np.isfinite(value)]
        if wrong:
            raise RunError(
                f"update {self.counts.updates}: {', '.join(wrong)} not finite; the last checkpoint "
                "is whole: begin a new run with a lower rate="
            )
        optimizer.step()
        self.counts.updates += 1
        return told

    def _batches(self, rows: int) -> Iterator[Tensor]:
        """Rows of the batches of all passes; those that fill no batch wait for the next round."""
        draw = np.random.default_rng(self._seeds(_BATCHES))
        size = self._even(min(self.settings.batch, rows))
        for _ in range(self.settings.passes):
            order = draw.permutation(rows)
            for first in range(0, rows - size + 1, size):
                yield torch.from_numpy(self._own(order[first : first + size]))

    def _even(self, size: int) -> int:
        """The largest batch up to a size of which every learner has as many rows."""
        return max(size // self.share.of, 1) * self.share.of

    def _own(self, rows: np.ndarray) -> np.ndarray:
        return rows[self.share.rank :: self.share.of]

    def _moved(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.settings.device)

    def _next_clips(self, count: int) -> list[int]:
        """The next training clips: all of them in an order of its own, then all in another."""
        found: list[int] = []
        position, whole = self.counts.clips, self.settings.clips
        while len(found) < count:
            turn, first = divmod(position + len(found), whole)
            draw = np.random.default_rng([self.settings.seed, _ORDER, turn])
            found += draw.permutation(whole)[first : first + count - len(found)].tolist()
        return found

    def _seeds(self, stream: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self.settings.seed, stream, self.counts.round])

    def _beside(self) -> torch.optim.AdamW:
        """An optimiser for one round of imitation between those of reinforcement.

        With one for both, what imitation set in motion went on in the next round of reinforcement
        and ended it by its divergence after two or three batches.
        """
        beside = self._new_optimizer()
        for own, group in zip(self.optimizer.param_groups, beside.param_groups, strict=True):
            group["lr"] = own["lr"]
        return beside

    def _new_optimizer(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(
            groups_of(self.network, self.settings.weight_decay), lr=self.settings.rate
        )


def freeze_norms(network: nn.Module) -> None:
    """Keep the layers that normalise as they are: statistics, scales and shifts.

    Reinforcement sees few clips at a time; the authors' advice is to leave these layers alone.
    """
    for layer in network.modules():
        if isinstance(layer, _NORMS):
            layer.eval().requires_grad_(False)


def told_of(clips: DrivenClips) -> dict[str, float]:
    """How driven clips went: shares by event, mean length and distance from the path [m]."""
    shares = {f"{k.name.lower()}_share": float((clips.events == k).mean()) for k in EventKind}
    return {
        **shares,
        "length": float(clips.lengths.mean()),
        "offset": float(np.abs(clips.path_offset).mean()),
    }


def _numbers(losses: Mapping[str, Tensor]) -> dict[str, float]:
    """Of all learners together: the mean of each."""
    return average({name: float(value.detach()) for name, value in losses.items()})


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means by name."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _size_of(practice: Practice) -> Tensor:
    decisions = practice.decisions
    return (decisions.lateral_advantage.abs() + decisions.longitudinal_advantage.abs()).mean()
