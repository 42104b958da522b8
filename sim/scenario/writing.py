"""Scenarios -> YAML texts that a person would write."""

from __future__ import annotations

from typing import Any

import yaml

from drivelab.sim.scenario.reading import RESOLVERS
from drivelab.sim.scenario.sampler import plain
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.shape import untagged

_FIRST = ("type", "id", "kind", "model", "lane", "s", "offset")  # where they occur
WIDTH = 100
SHORT = 88  # letters of a mapping or list that stands on one line


class _Dumper(yaml.SafeDumper):
    """Quotes texts that YAML 1.1 or 1.2 would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: Any = None) -> yaml.MappingNode:
        """What is short stands on one line."""
        return super().represent_mapping(tag, mapping, flow_style=_is_short(dict(mapping)))

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: Any = None
    ) -> yaml.SequenceNode:
        """What is short stands on one line; longer lists have a line for each entry."""
        return super().represent_sequence(tag, sequence, flow_style=_is_short(list(sequence)))


def _both_resolvers() -> dict[str, list[Any]]:
    old = yaml.SafeDumper.yaml_implicit_resolvers
    return {
        letter: [*RESOLVERS.get(letter, ()), *old.get(letter, ())] for letter in {*RESOLVERS, *old}
    }


_Dumper.yaml_implicit_resolvers = _both_resolvers()


def scenario_yaml(scenario: Scenario, *, header: str = "") -> str:
    """The text of a scenario; short lists and mappings stand on one line.

    Args:
        scenario: what to write; defaults are left out.
        header: comment lines above it.
    """
    data = untagged(_ordered(plain(scenario)))
    text = yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        allow_unicode=True,
        width=WIDTH,
    )
    comment = "".join(f"# {line}\n" for line in header.splitlines())
    return comment + text


def _is_short(value: Any) -> bool:
    texts = value.values() if isinstance(value, dict) else value
    sentence = any(isinstance(text, str) and " " in text for text in texts)
    return not sentence and len(str(value)) <= SHORT


def _ordered(value: Any) -> Any:
    """Names and places first, everything else in the order of the schema."""
    if isinstance(value, list):
        return [_ordered(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    first = {key: value[key] for key in _FIRST if key in value}
    return {key: _ordered(entry) for key, entry in {**first, **value}.items()}
