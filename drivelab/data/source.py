"""What a bench reads from: a list of scene ids and a way to load one scene at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

from drivelab.types import Scene

T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """What is driven or planned for, by id. Picklable: every worker process gets its own copy."""

    @property
    def label(self) -> str:
        """As printed wherever a number is, e.g. "labmini (embedded, not NAVSIM)"."""

    @property
    def data(self) -> str:
        """One of real, embedded, partial."""

    @property
    def licence(self) -> str:
        """Licence of the data, in one line."""

    def scene_ids(self) -> tuple[str, ...]:
        """All ids, in a fixed order; raises DataError when there is none."""

    def load(self, scene_id: str) -> T_co:
        """Read or make one; the same id always gives the same. Raises DataError."""

    def provenance(self) -> Mapping[str, str]:
        """What identifies the data in a summary: paths relative to a root, checksums, versions."""


@runtime_checkable
class SceneSource(Source[Scene], Protocol):
    """Scenes of one split.

    Ids come in an order that keeps scenes of one log together, and `load` keeps the last log open,
    so that reading ids in order streams each file once with bounded memory. A DataError of `load`
    names file, key and index.
    """
