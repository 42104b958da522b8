"""Driven clips as arrays: one row for each decision, clip behind clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.errors import DataError, RunError

NO_EVENT = -1
UNTAUGHT = -1  # version of clips that no policy drove
_MAPPINGS = ("features", "targets")
_PER_DECISION = ("bins", "log_probs", "values", "version", "path_offset", "heading_error")


@dataclass(frozen=True, slots=True, eq=False)
class DrivenClips:
    """n clips of d decisions together.

    Attributes:
        features: what was seen before each decision, by name, (d, ...); `entries` (d, k) where it
            was made among some entries of a vocabulary.
        bins: actions, (lateral, longitudinal); of a vocabulary (0, entry), or where there are
            `entries`, (0, place among them).
        log_probs: logarithms of the probabilities with which each axis drew them.
        values: of the states before the decisions, (lateral, longitudinal).
        version: of the policy that decided.
        path_offset: of the rear axle to the left of the expert's path before the decision [m].
        heading_error: likewise the ego's heading less the path's, positive to the left [rad].
        seeds: by which the source made the clips.
        lengths: decisions of each clip.
        events: `EventKind` of what ended it, `NO_EVENT` where time did.
        dynamic_side, static_side: of what was hit, see `Decisions`.
        last_values: of the states after the last decisions; 0 where an event ended the clip.
        targets: what an expert knows beside its actions, by name, (d, ...); nothing of policies.
    """

    features: Mapping[str, np.ndarray]
    bins: Int[np.ndarray, "d 2"]
    log_probs: Float[np.ndarray, "d 2"]
    values: Float[np.ndarray, "d 2"]
    version: Int[np.ndarray, " d"]
    path_offset: Float[np.ndarray, " d"]
    heading_error: Float[np.ndarray, " d"]
    seeds: Int[np.ndarray, " n"]
    lengths: Int[np.ndarray, " n"]
    events: Int[np.ndarray, " n"]
    dynamic_side: Float[np.ndarray, " n"]
    static_side: Float[np.ndarray, " n"]
    last_values: Float[np.ndarray, "n 2"]
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        decisions, clips = int(self.lengths.sum()), len(self.seeds)
        for name, array in self.arrays().items():
            rows = decisions if _is_per_decision(name) else clips
            if len(array) != rows:
                raise DataError(
                    f"{len(array)} rows, expected {rows} ({clips} clips, {decisions} decisions)",
                    where=f"clips.{name}",
                )

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def decisions(self) -> int:
        """Of all clips."""
        return len(self.bins)

    @property
    def starts(self) -> Int[np.ndarray, " n1"]:
        """Row of each clip's first decision, and behind the last one the number of decisions."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    def rows(self, clip: int) -> slice:
        """Where a clip's decisions lie."""
        return slice(int(self.starts[clip]), int(self.starts[clip + 1]))

    def take(self, which: Bool[np.ndarray, " n"]) -> DrivenClips:
        """Those clips alone."""
        rows = np.repeat(which, self.lengths)
        return DrivenClips.from_arrays(
            {
                name: array[rows if _is_per_decision(name) else which]
                for name, array in self.arrays().items()
            }
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, for a file or for another process."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _MAPPINGS}
        return plain | {
            f"{kind}.{name}": array
            for kind in _MAPPINGS
            for name, array in getattr(self, kind).items()
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> DrivenClips:
        """What `arrays` gave.

        Raises:
            DataError: an array is missing, or too long or short.
        """
        wanted = [f.name for f in fields(cls) if f.name not in _MAPPINGS]
        missing = [name for name in wanted if name not in arrays]
        if missing:
            raise DataError(f"no {', '.join(missing)} among its arrays", where="clips")
        plain = {name: arrays[name] for name in wanted}
        features, targets = (_below(kind, arrays) for kind in _MAPPINGS)
        return cls(features=features, targets=targets, **plain)

    @classmethod
    def join(cls, parts: Sequence[DrivenClips]) -> DrivenClips:
        """Clips of several harvests, one behind the other; those of one are not copied.

        Raises:
            DataError: their arrays are not the same ones.
        """
        if len(parts) == 1:
            return parts[0]
        tables = [part.arrays() for part in parts]
        for place, table in enumerate(tables):
            other = sorted(table.keys() ^ tables[0].keys())
            if other:
                raise DataError(
                    f"{', '.join(other)} in only one of it and the first; join clips of one policy",
                    where=f"parts[{place}]",
                )
        return cls.from_arrays(
            {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
        )


@dataclass(frozen=True, slots=True)
class Dropped:
    """A clip that could not be driven to its end."""

    seed: int
    reason: str


class NothingDriven(RunError):
    """Not one clip of a harvest was driven to its end; `dropped` tells why."""

    def __init__(self, message: str, dropped: tuple[Dropped, ...]) -> None:
        super().__init__(message)
        self.dropped = dropped


@dataclass(frozen=True, slots=True, eq=False)
class Harvest:
    """What one call of a worker brings.

    Attributes:
        clips: driven to their ends, in the order they were asked for.
        dropped: the others.
        seconds: spent by stage: `begin` (episodes, and their first pictures), `policy`, `world`,
            `render` (all other pictures).
    """

    clips: DrivenClips
    dropped: tuple[Dropped, ...]
    seconds: Mapping[str, float]


def _below(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of one of the mappings, by their names in it."""
    start = f"{kind}."
    return {k.removeprefix(start): array for k, array in arrays.items() if k.startswith(start)}


def _is_per_decision(name: str) -> bool:
    return name in _PER_DECISION or name.partition(".")[0] in _MAPPINGS
