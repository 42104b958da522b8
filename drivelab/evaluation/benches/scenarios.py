"""The bench `scenarios`: the library, or scenario files of one's own, each with several seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from drivelab.errors import ConfigError, DataError, DrivelabError, nearest_name
from drivelab.evaluation.benches.episodes import EpisodeSource
from drivelab.evaluation.benches.rendered import RenderedOptions
from drivelab.sim.scenario.files import ENDINGS, ScenarioFile, families, library, load_scenario
from drivelab.sim.world.episode import Episode


@dataclass(frozen=True, slots=True)
class ScenarioSource:
    """Scenario files by name, each drawn with the seeds 0 to `seeds` - 1."""

    files: Mapping[str, str]
    seeds: int
    own: bool  # files of the user, not the library
    ids: Mapping[str, tuple[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        pairs = [(name, seed) for name in self.files for seed in range(self.seeds)]
        object.__setattr__(self, "ids", {f"{name}-{seed}": (name, seed) for name, seed in pairs})

    @property
    def label(self) -> str:
        """What is run."""
        kind = "own scenarios" if self.own else "library of scenarios"
        return f"{kind}, {len(self.files)} x {self.seeds} seeds (native world)"

    @property
    def data(self) -> str:
        """The library comes with drivelab."""
        return "real" if self.own else "embedded"

    @property
    def licence(self) -> str:
        """Of the library."""
        return "the user's own" if self.own else "Apache-2.0, part of drivelab"

    def scene_ids(self) -> tuple[str, ...]:
        """Name and seed."""
        return tuple(self.ids)

    def load(self, scene_id: str) -> Episode:
        """Build one scenario with one seed."""
        if scene_id not in self.ids:
            raise DataError(f"no scenario {scene_id!r}{nearest_name(scene_id, self.ids)}")
        name, seed = self.ids[scene_id]
        return _load(self.files[name]).episode(seed)

    def provenance(self) -> Mapping[str, str]:
        """One checksum over all files."""
        digest = hashlib.sha256()
        for name, file in self.files.items():
            digest.update(f"{name}\n".encode() + Path(file).read_bytes())
        return {"scenarios": str(len(self.files)), "scenarios_sha256": digest.hexdigest()[:16]}


@dataclass(frozen=True, slots=True)
class ScenariosBench(RenderedOptions):
    """Options of `scenarios`."""

    metric: str = "scenario_pass_v1"
    family: str | None = None  # one family of the library
    files: str | None = None  # a scenario file, or a folder of them, instead of the library
    seeds: int = 3  # of every scenario
    controller: str = "auto"  # lqr | perfect | dynamic; auto: see `controller_for`

    def __post_init__(self) -> None:
        RenderedOptions.__post_init__(self)
        if type(self.seeds) is not int or self.seeds < 1:  # a yes is no number
            raise ConfigError(f"seeds={self.seeds}: expected a whole number, 1 or more")

    def source(self) -> EpisodeSource:
        """The library, one of its families, or the user's files."""
        return self.seen(ScenarioSource(self._files(), self.seeds, own=self.files is not None))

    def split_name(self, source: EpisodeSource) -> str:
        """The family, or where the files are."""
        if self.files:
            return Path(self.files).stem
        return self.family or "library"

    def _files(self) -> dict[str, str]:
        if self.files:
            return _own_files(Path(self.files))
        names = library()
        if self.family is not None:
            known = families()
            if self.family not in known:
                raise ConfigError(
                    f"family={self.family}: expected one of {', '.join(known)}"
                    f"{nearest_name(self.family, known)}"
                )
            names = {name: names[name] for name in known[self.family]}
        return {name: str(file) for name, file in names.items()}


def _own_files(place: Path) -> dict[str, str]:
    found = [place] if place.is_file() else []
    if place.is_dir():
        found = sorted(file for file in place.rglob("*") if file.suffix in ENDINGS)
    if not found:
        raise ConfigError(f"files={place}: no scenario file and no folder with some (*.yaml)")
    named = {file.stem: str(file) for file in found}
    if len(named) < len(found):
        raise ConfigError(f"files={place}: two files have the same name; names are ids here")
    _check_texts(place, named.values())
    return named


def _check_texts(place: Path, files: Collection[str]) -> None:
    """Read every file before anything is driven; all that is wrong with all of them is told."""
    wrong: list[str] = []
    bad = 0
    for file in files:
        try:
            _load(file)
        except (DrivelabError, OSError) as error:
            wrong.append(str(error))
            bad += 1
    if bad:
        raise ConfigError(
            f"files={place}: {bad} of {len(files)} {'file is' if bad == 1 else 'files are'} no "
            "scenario; mend or move what is told here (`drivelab scenario check FILE`):\n"
            + "\n".join(wrong)
        )


@lru_cache(maxsize=64)
def _load(file: str) -> ScenarioFile:
    return load_scenario(file)
