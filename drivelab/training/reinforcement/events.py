"""The four events that end a clip, and their rewards (arXiv 2502.13144v2, 3.4 and table 6)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from math import radians

import numpy as np
from jaxtyping import Bool, Float

from drivelab.errors import DataError


class EventKind(IntEnum):
    """What went wrong; also the columns of rewards and advantages."""

    DYNAMIC = 0  # collision with a road user
    STATIC = 1  # collision with what stands: objects, kerbs
    POSITION = 2  # too far from the expert's path
    HEADING = 3  # turned too far from the expert's heading


KINDS = len(EventKind)
STEERED = slice(EventKind.STATIC, KINDS)  # the last three, which steering answers for


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrames:
    """A driven clip, frame by frame at 10 Hz; frame 0 is the given start.

    Attributes:
        dynamic_hit: the ego's box overlaps a road user's.
        static_hit: it overlaps something that stands.
        distance: from the nearest pose of the expert's path [m].
        heading_error: the ego's heading less the expert's there, positive to the left [rad].
    """

    dynamic_hit: Bool[np.ndarray, " t"]
    static_hit: Bool[np.ndarray, " t"]
    distance: Float[np.ndarray, " t"]
    heading_error: Float[np.ndarray, " t"]

    def __post_init__(self) -> None:
        shapes = {field.name: np.shape(getattr(self, field.name)) for field in fields(self)}
        if len(set(shapes.values())) > 1 or len(shapes["distance"]) != 1 or not shapes["distance"]:
            raise DataError(f"shapes {shapes}: expected (frames,) for all", where="clip")
        for name in ("distance", "heading_error"):
            broken = np.flatnonzero(~np.isfinite(getattr(self, name)))
            if len(broken):
                raise DataError(
                    f"{len(broken)} numbers are not finite, the first in frame {broken[0]}; a clip "
                    "without an expert's path cannot be judged, leave it out",
                    where=f"clip, {name}",
                )


@dataclass(frozen=True, slots=True)
class ClipEvent:
    """The event that ended a clip.

    Attributes:
        kind: what went wrong.
        frame: the first in which it is so; the decision of the frame before is punished.
    """

    kind: EventKind
    frame: int


@dataclass(frozen=True, slots=True)
class EventRules:
    """When an event happens.

    Attributes:
        position_limit: [m].
        heading_limit: [rad].
        guard: distance from the path [m] up to which static collisions and heading deviations are
            forgiven, and no static collision counts beside a dynamic one; None: never forgiven.
        order: of events in one frame the first counts.
    """

    position_limit: float = 2.0
    heading_limit: float = radians(40.0)
    guard: float | None = None
    order: tuple[EventKind, ...] = tuple(EventKind)


PAPER = EventRules()
RELEASED = EventRules(
    guard=0.2,
    order=(EventKind.DYNAMIC, EventKind.POSITION, EventKind.STATIC, EventKind.HEADING),
)


def first_event(clip: ClipFrames, rules: EventRules = PAPER) -> ClipEvent | None:
    """What ended the clip, or None; the start is given, not driven, and never an event."""
    happened = np.zeros((len(clip.distance), KINDS), bool)
    happened[:, EventKind.DYNAMIC] = clip.dynamic_hit
    happened[:, EventKind.STATIC] = clip.static_hit
    happened[:, EventKind.POSITION] = clip.distance > rules.position_limit
    happened[:, EventKind.HEADING] = np.abs(clip.heading_error) > rules.heading_limit
    if rules.guard is not None:
        off_path = clip.distance > rules.guard
        happened[:, EventKind.STATIC] &= off_path & ~happened[:, EventKind.DYNAMIC]
        happened[:, EventKind.HEADING] &= off_path
    happened[0] = False
    frames = np.flatnonzero(happened.any(1))
    if not len(frames):
        return None
    frame = int(frames[0])
    return ClipEvent(next(kind for kind in rules.order if happened[frame, kind]), frame)


def event_rewards(frames: int, event: ClipEvent | None) -> Float[np.ndarray, "t 4"]:
    """Rewards of the decisions of a clip by kind of event: -1 for the one that led to the event.

    Args:
        frames: of the clip, `t + 1` if nothing ends it: no decision is made in the last one.
        event: what ended it; its frames from there on count no more.

    Raises:
        DataError: an event outside of the clip.
    """
    if event is not None and not 1 <= event.frame < frames:
        raise DataError(
            f"the event is in frame {event.frame}; expected 1 to {frames - 1}: the frame after a "
            "decision of this clip",
            where="clip",
        )
    rewards = np.zeros((frames - 1 if event is None else event.frame, KINDS))
    if event is not None:
        rewards[-1, event.kind] = -1.0
    return rewards


def collision_side(event: ClipEvent | None, contact: Float[np.ndarray, "2"]) -> float:
    """+1 where a road user was hit ahead of the rear axle or beside it, -1 behind, else 0.

    Args:
        event: what ended the clip.
        contact: first point of it, forward and to the left in the ego frame [m].
    """
    if event is None or event.kind is not EventKind.DYNAMIC:
        return 0.0
    return 1.0 if contact[0] >= 0 else -1.0
