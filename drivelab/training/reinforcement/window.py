"""The latest driven clips with what became of their decisions, ready to be learnt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drivelab.agents.rad.actions import Choice
from drivelab.errors import DataError
from drivelab.training.reinforcement.advantages import ClipAdvantages, clip_advantages
from drivelab.training.reinforcement.decisions import Decisions
from drivelab.training.reinforcement.events import ClipEvent, EventKind, event_rewards
from drivelab.training.rollouts.clips import NO_EVENT, DrivenClips

EVEN = (1.0, 1.0, 1.0, 1.0)  # what the events' rewards weigh
_LATERAL, _LONGITUDINAL = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Practice:
    """Decisions beside what was seen before them.

    Attributes:
        features: by name, (d, ...); `entries` among them where they were drawn among some.
        decisions: d of them.
    """

    features: Mapping[str, Tensor]
    decisions: Decisions

    def __len__(self) -> int:
        return len(self.decisions.over)

    def take(self, rows: Tensor) -> Practice:
        """Those rows in that order."""
        return self._each(lambda values: values[rows])

    def to(self, device: str) -> Practice:
        """The same on another device."""
        return self._each(lambda values: values.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Practice:
        features = {name: change(values) for name, values in self.features.items()}
        return Practice(features, _changed(self.decisions, change))


class ClipWindow:
    """First in, first out: adding clips beyond `size` puts the oldest out.

    Args:
        size: clips that are kept.
        compat: of the advantages, see `clip_advantages`.
        rewards: weights by `EventKind`, see `RlObjective`.
        joint: whether the longitudinal axis is given the rewards of all events.
    """

    def __init__(
        self,
        size: int,
        *,
        compat: str = "paper",
        rewards: Sequence[float] = EVEN,
        joint: bool = False,
    ) -> None:
        self.size = size
        self._formula = {"compat": compat, "rewards": rewards, "joint": joint}
        self.clips: DrivenClips | None = None

    def __len__(self) -> int:
        return 0 if self.clips is None else len(self.clips)

    def add(self, clips: DrivenClips) -> None:
        """Put clips in, the newest last."""
        kept = [] if self.clips is None or len(clips) >= self.size else [self.clips]
        both = DrivenClips.join([*kept, clips])
        spare = len(both) - self.size
        self.clips = both if spare <= 0 else both.take(np.arange(len(both)) >= spare)

    def forget(self, *, before: int) -> None:
        """Put out clips driven by policies of versions below `before`; the newest always stay."""
        if self.clips is not None:
            newest = self.clips.version.max()
            driven = self.clips.version[self.clips.starts[:-1]]
            young = driven >= min(before, newest)
            self.clips = self.clips if young.all() else self.clips.take(young)

    def practice(self) -> Practice:
        """All decisions of the window.

        Raises:
            DataError: nothing is in it, or numbers that are not finite.
        """
        if self.clips is None:
            raise DataError("it is empty; add driven clips first", where="window")
        return practise(self.clips, **self._formula)


def practise(clips: DrivenClips, **formula: Any) -> Practice:
    """Clips as decisions with advantages, each clip by itself; `formula` as `advantages_of`."""
    parts = [advantages_of(clips, clip, **formula) for clip in range(len(clips))]
    taught = {
        field.name: torch.from_numpy(
            np.concatenate([getattr(part, field.name) for part in parts]).astype(np.float32)
        )
        for field in fields(ClipAdvantages)
    }
    bins, log_probs = torch.from_numpy(clips.bins), torch.from_numpy(clips.log_probs)
    return Practice(
        {name: torch.from_numpy(array) for name, array in clips.features.items()},
        Decisions(
            Choice(*bins.unbind(-1), *log_probs.unbind(-1)),
            lateral_advantage=taught["lateral"],
            longitudinal_advantage=taught["longitudinal"],
            event_advantages=taught["events"],
            lateral_return=taught["lateral_return"],
            longitudinal_return=taught["longitudinal_return"],
            dynamic_side=_spread(clips.dynamic_side, clips),
            static_side=_spread(clips.static_side, clips),
            path_offset=torch.from_numpy(clips.path_offset),
            heading_error=torch.from_numpy(clips.heading_error),
            over=torch.zeros(clips.decisions, dtype=torch.bool),
        ),
    )


def advantages_of(
    clips: DrivenClips,
    clip: int,
    *,
    compat: str = "paper",
    rewards: Sequence[float] = EVEN,
    joint: bool = False,
) -> ClipAdvantages:
    """Of one of the clips: rewards of its event, and values of its states."""
    steps, kind = int(clips.lengths[clip]), int(clips.events[clip])
    event = None if kind == NO_EVENT else ClipEvent(EventKind(kind), frame=steps)
    values = np.concatenate([clips.values[clips.rows(clip)], clips.last_values[clip : clip + 1]])
    weighted = event_rewards(steps + 1, event) * np.asarray(rewards, float)
    given = weighted
    if joint:
        given = np.zeros_like(weighted)
        given[:, EventKind.DYNAMIC] = weighted.sum(1)
    found = clip_advantages(
        given,
        lateral_values=values[:, _LATERAL].astype(float),
        longitudinal_values=values[:, _LONGITUDINAL].astype(float),
        terminated=event is not None,
        compat=compat,
    )
    if not joint:
        return found
    return replace(found, events=np.where(weighted.any(0), found.longitudinal[:, None], 0.0))


def _spread(of_clips: np.ndarray, clips: DrivenClips) -> Tensor:
    """What is true of a clip, for each of its decisions."""
    return torch.from_numpy(np.repeat(of_clips, clips.lengths))


def _changed(decisions: Decisions, change: Callable[[Tensor], Tensor]) -> Decisions:
    taken = {
        field.name: change(getattr(decisions, field.name))
        for field in fields(decisions)
        if field.name != "choice"
    }
    choice = decisions.choice
    chosen = {field.name: change(getattr(choice, field.name)) for field in fields(choice)}
    return replace(decisions, choice=Choice(**chosen), **taken)
