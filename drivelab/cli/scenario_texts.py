"""`drivelab scenario check | show | sample | schema | list`: texts and pictures, nothing driven."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from drivelab.cli.words import picture_file, read_words
from drivelab.errors import ConfigError


def check(words: Sequence[str]) -> int:
    """Check files or library names; without any, the whole library."""
    from drivelab.sim.scenario.files import check_scenario, library, load_scenario
    from drivelab.sim.scenario.problems import ScenarioError

    wrong = 0
    names = list(words) or list(library())
    for name in names:
        try:
            lines = check_scenario(load_scenario(name))
        except ScenarioError as error:
            lines = list(error.lines)
        if lines:
            print("\n".join(lines), file=sys.stderr)
        wrong += bool(lines)
    print(f"{len(names) - wrong} of {len(names)} scenarios are right")
    return 2 if wrong else 0


def show(words: Sequence[str]) -> int:
    """Draw the start of a scenario."""
    from drivelab.reports.scenario_picture import draw_scenario
    from drivelab.sim.scenario.files import load_scenario

    found = read_words(words, ("seed", "out"), places=("FILE",))
    source = load_scenario(needed(found, "FILE", "show FILE|NAME"))
    seed = whole(found, "seed", 0)
    out = picture_file(found.get("out", f"{source.scenario.id}.png"))
    draw_scenario(source.episode(seed), out, title=source.scenario.id)
    print(out)
    return 0


def sample(words: Sequence[str]) -> int:
    """Write concrete scenarios, one a seed."""
    from drivelab.sim.scenario.files import load_scenario
    from drivelab.sim.scenario.sampler import draws, sample
    from drivelab.sim.scenario.writing import scenario_yaml

    found = read_words(_short_n(words), ("n", "seed", "out"), places=("FILE",))
    source = load_scenario(needed(found, "FILE", "sample FILE|NAME n=5"))
    folder = Path(found.get("out", "."))
    folder.mkdir(parents=True, exist_ok=True)
    first = whole(found, "seed", 0)
    for seed in range(first, first + whole(found, "n", 5)):
        scenario = source.scenario
        drawn = ", ".join(f"{path} = {value}" for path, value in draws(scenario, seed).items())
        header = f"{scenario.id}, seed {seed}: {drawn or 'nothing varies'}"
        file = folder / f"{scenario.id}-{seed}.yaml"
        file.write_text(scenario_yaml(sample(scenario, seed), header=header), encoding="utf-8")
        print(file)
    return 0


def schema(words: Sequence[str]) -> int:
    """Print or write the JSON Schema."""
    import json

    from drivelab.sim.scenario.json_schema import json_schema

    found = read_words(words, ("out",))
    text = json.dumps(json_schema(), indent=1)
    if "out" not in found:
        print(text)
        return 0
    Path(found["out"]).write_text(text + "\n", encoding="utf-8")
    print(found["out"])
    return 0


def list_library(words: Sequence[str]) -> int:
    """Names and purposes of the library, by family."""
    from drivelab.sim.scenario.files import families, load_scenario
    from drivelab.sim.scenario.problems import did_you_mean

    found = read_words(words, (), places=("FAMILY",))
    there = families()
    wanted = found.get("FAMILY")
    if wanted is not None and wanted not in there:
        raise ConfigError(f"no scenario family {wanted!r}{did_you_mean(wanted, list(there))}")
    for family in [wanted] if wanted is not None else there:
        print(f"{family}:")
        width = max(len(name) for name in there[family]) + 2
        for name in there[family]:
            print(f"  {name:<{width}}{load_scenario(name).scenario.purpose}")
    return 0


def needed(found: dict[str, str], key: str, usage: str) -> str:
    """A word that must be there."""
    if key not in found:
        raise ConfigError(f"expected: drivelab scenario {usage}")
    return found[key]


def whole(found: dict[str, str], key: str, default: int) -> int:
    """A whole number among the words."""
    text = found.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ConfigError(f"{key}={text}: expected a whole number, 0 or more")
    return int(text)


def decimal(found: dict[str, str], key: str, default: float) -> float:
    """A number among the words."""
    try:
        return float(found.get(key, default))
    except ValueError as error:
        raise ConfigError(f"{key}={found[key]}: expected a number") from error


def _short_n(words: Sequence[str]) -> list[str]:
    """`-n 5` as `n=5`."""
    out = list(words)
    if "-n" in out and out.index("-n") + 1 < len(out):
        at = out.index("-n")
        out[at : at + 2] = [f"n={out[at + 1]}"]
    return out
