"""A recorded stretch of driving on one map, and the scenes that are cut from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.types import Command, EgoTrajectory, LaneMap, Scene, Tracks


@dataclass(frozen=True, slots=True, eq=False)
class RecordedLog:
    """Frames at equal spacing; scene k is the `scene_frames` frames from frame `starts[k]` on.

    `commands` and `red_lights` have one entry per frame of the log.
    """

    name: str
    family: str
    map: LaneMap
    ego: EgoTrajectory
    tracks: Tracks
    route: tuple[str, ...]
    commands: tuple[Command, ...]
    red_lights: tuple[tuple[str, ...], ...]
    starts: tuple[int, ...]
    scene_frames: int
    now: int  # index of the current frame inside a scene

    def scene_ids(self) -> tuple[str, ...]:
        """Ids of the scenes, in the order of time."""
        return tuple(f"{self.name}-{k}" for k in range(len(self.starts)))

    def scene(self, k: int, *, source: str, licence: str) -> Scene:
        """Scene number k."""
        start = self.starts[k]
        stop = start + self.scene_frames
        return Scene(
            id=self.scene_ids()[k],
            source=source,
            log=self.name,
            map=self.map,
            ego=self.ego.cut(start, stop),
            now=self.now,
            tracks=in_order_of_appearance(self.tracks.cut(start, stop)),
            route=self.route,
            red_lights=self.red_lights[start:stop],
            command=self.commands[start + self.now],
            licence=licence,
            family=self.family,
        )


def in_order_of_appearance(tracks: Tracks) -> Tracks:
    """The tracks that occur at all, in the order in which they first do, frame by frame."""
    frame, track = np.nonzero(tracks.valid)
    seen, first = np.unique(track, return_index=True)
    order = seen[np.argsort(frame[first], kind="stable")]
    return tracks.reorder(order)
