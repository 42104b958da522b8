"""What a closed-loop bench reads from: a list of ids and a way to make one episode at a time."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from drivelab.data.source import Source
from drivelab.sim.world.episode import Episode


@runtime_checkable
class EpisodeSource(Source[Episode], Protocol):
    """Episodes of one split: what it loads is where a world starts from."""
