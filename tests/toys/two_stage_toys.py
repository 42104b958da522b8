"""A two-stage split made of embedded scenes: neighbours of three logs, one entry."""

from __future__ import annotations

from dataclasses import dataclass

from drivelab.data.labmini import LabminiSource
from drivelab.data.source import SceneSource
from drivelab.types import StageEntry


class TwoStageSource(LabminiSource):
    """Stage one is the first log, its follow-ups are the next two."""

    def scene_ids(self) -> tuple[str, ...]:
        return super().scene_ids()[:6]

    @property
    def mapping(self) -> tuple[StageEntry, ...]:
        before, now, *rest = self.scene_ids()
        pairs = tuple(zip(rest[1::2], rest[::2], strict=True))
        return (StageEntry(now, before, pairs),)


@dataclass(frozen=True)
class TwoStageBench:
    metric: str = "epdms_v2.2"

    def source(self) -> SceneSource:
        return TwoStageSource()

    def split_name(self, source: SceneSource) -> str:
        return "two_stage_toy"
