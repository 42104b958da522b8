"""What a closed-loop bench reads from: a list of ids and a way to make one episode at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from drivelab.sim.world.episode import Episode


@runtime_checkable
class EpisodeSource(Protocol):
    """Episodes of one split. Picklable: every worker process gets its own copy.

    Like `drivelab.data.source.SceneSource`, but what it loads is where a world starts from.
    """

    @property
    def label(self) -> str:
        """As printed wherever a number is, e.g. "library of scenarios (native world)"."""

    @property
    def data(self) -> str:
        """One of real, embedded, partial."""

    @property
    def licence(self) -> str:
        """Licence of the data, in one line."""

    def scene_ids(self) -> tuple[str, ...]:
        """All ids, in a fixed order; raises DataError when there is none."""

    def load(self, scene_id: str) -> Episode:
        """Make one episode; the same id always gives the same one."""

    def provenance(self) -> Mapping[str, str]:
        """What identifies the data in a summary: paths relative to a root, checksums, versions."""
