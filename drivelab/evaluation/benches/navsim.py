"""The NAVSIM benches: non-reactive, open-loop simulation of one 4 s plan per scene.

`navsim` scores by PDMS (NAVSIM v1.1), `navsim_v2` by EPDMS (v2.2). Which data is used is never
guessed in silence: `auto` takes real logs when both roots are known, the embedded split when none
is, and refuses anything in between.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from drivelab.data.source import SceneSource
from drivelab.errors import ConfigError, nearest_name
from drivelab.evaluation.benches.rendered import KeptOptions

OPENSCENE_VARIABLE = "OPENSCENE_DATA_ROOT"
MAPS_VARIABLE = "NUPLAN_MAPS_ROOT"
DATA_CHOICES = ("auto", "real", "embedded")
SPLITS = (
    "navtest",
    "navmini",
    "navtrain",
    "navhard_two_stage",
    "warmup_two_stage",
    "warmup_test_e2e",
    "private_test_e2e",
    "private_test_hard_two_stage",
)
EMBEDDED_SPLIT = "labmini"
GENERATED = ("train", "val", "test")  # splits of labmini beside the scenes that ship


@dataclass(frozen=True, slots=True)
class NavsimBench(KeptOptions):
    """Options of `navsim` and `navsim_v2`."""

    metric: str = "pdms_v1.1"
    split: str = "navtest"  # navtest | navmini | navtrain | a SceneFilter YAML file; embedded: test
    data: str = "auto"  # auto | real | embedded
    root: str | None = None  # a folder that holds both: ROOT/navsim_logs and ROOT/maps
    openscene_root: str | None = None  # instead of OPENSCENE_DATA_ROOT
    maps_root: str | None = None  # instead of NUPLAN_MAPS_ROOT

    usual_rig: ClassVar[str] = "navsim_nominal"

    def __post_init__(self) -> None:
        KeptOptions.__post_init__(self)
        if self.data not in DATA_CHOICES:
            raise ConfigError(
                f"data={self.data}: expected one of {', '.join(DATA_CHOICES)}"
                f"{nearest_name(self.data, DATA_CHOICES)}"
            )
        known = (*SPLITS, *GENERATED) if self.data == "embedded" else SPLITS
        if self.split not in known and not _looks_like_file(self.split):
            hint = ""
            if self.split in GENERATED:
                hint = f": {self.split} is generated, add data=embedded"
            if self.split == EMBEDDED_SPLIT:
                hint = ": labmini is the embedded split, chosen by data=embedded"
            raise ConfigError(
                f"split={self.split}: expected {', '.join(known)} or a YAML file"
                f"{hint or nearest_name(self.split, known)}"
            )

    def roots(self, environment: Mapping[str, str]) -> tuple[str | None, str | None]:
        """OpenScene and maps roots: options first, then the environment."""
        openscene = self.openscene_root or self.root or environment.get(OPENSCENE_VARIABLE)
        inner = str(Path(self.root) / "maps") if self.root else None
        maps = self.maps_root or inner or environment.get(MAPS_VARIABLE)
        return openscene or None, maps or None

    def source(self) -> SceneSource:
        """Real logs or the embedded split, by the rule of `data`."""
        openscene, maps = self.roots(os.environ)
        if self.data == "embedded" or (self.data == "auto" and not openscene and not maps):
            return self.seen(self._embedded())
        if not openscene or not maps:
            raise ConfigError(_missing_root(self.data, openscene, maps))
        from drivelab.data.navsim.source import NavsimSource

        return NavsimSource(openscene, maps, self.split)

    def _embedded(self) -> SceneSource:
        if self.split in GENERATED:
            from drivelab.sim.labmini_splits import labmini_source

            return labmini_source(self.split)
        from drivelab.data.labmini import LabminiSource

        return LabminiSource()

    def split_name(self, source: SceneSource) -> str:
        """`labmini` (or `labmini-test`) on embedded data, else the split's name or its file's."""
        if source.data == "embedded":
            chosen = self.split in GENERATED
            return f"{EMBEDDED_SPLIT}-{self.split}" if chosen else EMBEDDED_SPLIT
        return self.split if self.split in SPLITS else Path(self.split).stem


def _looks_like_file(split: str) -> bool:
    return Path(split).suffix in (".yaml", ".yml")


def _missing_root(data: str, openscene: str | None, maps: str | None) -> str:
    names = {
        f"{OPENSCENE_VARIABLE} (or bench.openscene_root=)": openscene,
        f"{MAPS_VARIABLE} (or bench.maps_root=)": maps,
    }
    missing = " and ".join(name for name, value in names.items() if not value)
    there = " and ".join(f"{name} is {value}" for name, value in names.items() if value)
    start = f"data={data} needs both roots"
    because = f"{there}, but {missing} is not set" if there else f"{missing} are not set"
    return f"{start}: {because}. Set it, or ask for the embedded split with data=embedded"
