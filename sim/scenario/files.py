"""Scenario files: found by path or by name in the library, read, checked and built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path as FilePath

from drivelab.errors import ConfigError
from drivelab.sim.scenario.build import try_build
from drivelab.sim.scenario.problems import Fault, ScenarioError, did_you_mean
from drivelab.sim.scenario.reading import Document, read_document, read_text
from drivelab.sim.scenario.rules import rule_faults
from drivelab.sim.scenario.sampler import vary_faults
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.shape import convert, shape_faults, tagged
from drivelab.sim.world.episode import Episode

LIBRARY = "library"
ENDINGS = (".yaml", ".yml")
CHECKED_SEEDS = 8  # that `check` builds where something varies


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioFile:
    """A scenario that has been read, with the lines of its text for later messages."""

    scenario: Scenario
    document: Document
    folder: FilePath | None = None

    def episode(self, seed: int = 0) -> Episode:
        """The episode of a seed; equal seeds give equal episodes.

        Raises:
            ScenarioError: it cannot be built; every reason with its line.
        """
        episode, faults = try_build(self.scenario, seed, folder=self.folder)
        if episode is None:
            self.document.refuse(faults)
            raise ScenarioError([f"{self.document.name}:1: seed {seed} gives no episode"])
        return episode


def load_scenario(name: str | FilePath) -> ScenarioFile:
    """Read a scenario: a YAML file, or the name of one in the library.

    Raises:
        ScenarioError: everything that is wrong with the text, each with its line.
        ConfigError: no such file or name.
    """
    file = find_file(name)
    return _read(read_document(file), file.parent)


def parse_scenario(text: str, name: str = "scenario") -> ScenarioFile:
    """Read a scenario from a text; `name` stands for the file in messages."""
    return _read(read_text(text, name), None)


def check_scenario(source: ScenarioFile, seeds: int = CHECKED_SEEDS) -> list[str]:
    """Build what was read, as it is written and for several seeds; `FILE:LINE: ...` a fault.

    What a seed draws is named once, with the first seed that fails.
    """
    scenario, document = source.scenario, source.document
    found: dict[tuple[object, ...], tuple[int, str]] = {}
    numbers = range(-1, seeds) if scenario.vary or scenario.traffic else range(-1, 0)
    for seed in numbers:
        for fault in try_build(scenario, seed, folder=source.folder)[1]:
            drawn = "" if seed < 0 else f" (seed {seed})"
            told = document.told(Fault(fault.path, fault.text + drawn, fault.line))
            line = fault.line or document.line(fault.path)
            found.setdefault((fault.path, _plain(fault.text)), (line, told))
    return [told for _, told in sorted(found.values(), key=lambda entry: entry[0])]


def find_file(name: str | FilePath) -> FilePath:
    """The file of a path or of a library name."""
    file = FilePath(name)
    if file.suffix in ENDINGS or file.is_file():
        if not file.is_file():
            raise ConfigError(f"there is no scenario file {file}")
        return file
    files = library()
    if str(name) not in files:
        hint = did_you_mean(str(name), list(files))
        raise ConfigError(f"there is no scenario `{name}` in the library and no such file{hint}")
    return files[str(name)]


@cache
def library() -> dict[str, FilePath]:
    """Files of the library by scenario name, family by family."""
    import drivelab.scenarios

    found: dict[str, FilePath] = {}
    for root in drivelab.scenarios.__path__:
        for file in sorted((FilePath(root) / LIBRARY).glob("*/*.yaml")):
            found.setdefault(file.stem, file)
    return found


def families() -> dict[str, tuple[str, ...]]:
    """Names of the library's scenarios by family, which is the name of their folder."""
    found: dict[str, list[str]] = {}
    for name, file in library().items():
        found.setdefault(file.parent.name, []).append(name)
    return {family: tuple(names) for family, names in found.items()}


def _read(document: Document, folder: FilePath | None) -> ScenarioFile:
    data = tagged(document.data)
    document.refuse(shape_faults(data))
    scenario = convert(data)
    document.refuse([*rule_faults(scenario), *vary_faults(scenario, data)])
    return ScenarioFile(scenario, document, folder)


def _plain(text: str) -> str:
    """A message without its numbers: the same fault of several seeds counts once."""
    return "".join(letter for letter in text if not letter.isdigit())
