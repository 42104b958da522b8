"""YAML texts -> plain data with line numbers.

Safe by construction: only scalars, lists and mappings are made. Words are read as in YAML 1.2, so
`off` is a word and not false, `1e-3` a number and `8:30` a text. Aliases may not blow a small file
up, keys may not occur twice.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import yaml

from drivelab.sim.scenario.problems import Fault, Path, ScenarioError, path_text

LARGEST = 4_000_000  # bytes of a file
MOST_NODES = 200_000  # values of a file, repeated aliases counted
DEEPEST = 40  # nested lists and mappings


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and the line on which each key or list entry stands (from 1)."""

    name: str  # file name as it is printed
    data: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Line of a path, or of the nearest one above it that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def told(self, fault: Fault) -> str:
        """`FILE:LINE: $.path: text`."""
        line = fault.line or self.line(fault.path)
        return f"{self.name}:{line}: {path_text(fault.path)}: {fault.text}"

    def refuse(self, faults: list[Fault]) -> None:
        """Raise when there is anything wrong; in the order of the lines."""
        if faults:
            ordered = sorted(faults, key=lambda fault: fault.line or self.line(fault.path))
            raise ScenarioError([self.told(fault) for fault in ordered])


class _Loader(yaml.SafeLoader):
    """Composes nodes; scalars are resolved by YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_NUMBER = "-+0123456789."
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]+$"), list(_NUMBER))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list(_NUMBER),
)


RESOLVERS = _Loader.yaml_implicit_resolvers  # first letter -> patterns of words that are no texts


def read_document(file: FilePath) -> Document:
    """Read a file.

    Raises:
        ScenarioError: not there, too large, no UTF-8 or no YAML.
    """
    name = str(file)
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise ScenarioError(
                [f"{name}:1: the file has {size} bytes, at most {LARGEST} are read"]
            )
        text = file.read_text("utf-8")
    except OSError as error:
        raise ScenarioError([f"{name}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ScenarioError([f"{name}:1: is no UTF-8 text ({error.reason})"]) from error
    return read_text(text, name)


def read_text(text: str, name: str = "scenario") -> Document:
    """Read a YAML text; `name` stands for its file in messages.

    Raises:
        ScenarioError: as `read_document`.
    """
    if len(text) > LARGEST:
        raise ScenarioError([f"{name}:1: the text is longer than {LARGEST} characters"])
    try:
        loader = _Loader(text)  # refuses control characters at once
    except yaml.YAMLError as error:
        told = " ".join(str(error).split())[:200]
        raise ScenarioError([f"{name}:1: is no YAML: {told}"]) from error
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        told = " ".join(filter(None, (error.problem, error.context)))
        raise ScenarioError([f"{name}:{line}: is no YAML: {told}"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        told = " ".join(str(error).split())[:200]
        raise ScenarioError([f"{name}:1: is no YAML: {told}"]) from error
    finally:
        loader.dispose()
    if node is None:
        raise ScenarioError([f"{name}:1: the file is empty; expected a scenario"])
    return _Builder(name).document(node)


class _Builder:
    """Turns nodes into data; collects lines and faults on the way."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[Path, int] = {(): 1}
        self.faults: list[Fault] = []
        self.left = MOST_NODES

    def document(self, node: yaml.Node) -> Document:
        data = self._value(node, (), ())
        document = Document(self.name, data, self.lines)
        document.refuse(self.faults)
        return document

    def _value(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise ScenarioError(
                [f"{self.name}:{_line(node)}: more than {MOST_NODES} values, aliases counted"]
            )
        if id(node) in above:
            raise ScenarioError([f"{self.name}:{_line(node)}: an alias holds itself"])
        if len(above) > DEEPEST:
            raise ScenarioError([f"{self.name}:{_line(node)}: nested deeper than {DEEPEST} levels"])
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [self._entry(item, (*path, i), above) for i, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _entry(self, node: yaml.Node, path: Path, above: tuple[int, ...]) -> Any:
        self.lines[path] = _line(node)
        return self._value(node, path, above)

    def _mapping(self, node: yaml.MappingNode, path: Path, above: tuple[int, ...]) -> Any:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                self.faults.append(Fault(path, f"a key on line {_line(key_node)} is no text"))
                continue
            inner = (*path, key)
            if key in found:
                text = f"the key `{key}` stands here and on line {self.lines[inner]}; keep one"
                self.faults.append(Fault(inner, text, _line(key_node)))
                continue
            self.lines[inner] = _line(key_node)
            found[key] = self._value(value_node, inner, above)
        return found

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        kind, text = node.tag.rpartition(":")[2], str(node.value)
        if kind == "int":
            return int(text) if len(text) < 20 else self._bad(path, f"{text} is too large")
        if kind == "float":
            number = float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
            return number if math.isfinite(number) else self._bad(path, "expected a finite number")
        if kind == "bool":
            return text.lower() == "true"
        if kind == "null":
            return None
        if kind == "str":
            return text
        return self._bad(path, f"the tag {node.tag!r} is not allowed here")

    def _bad(self, path: Path, text: str) -> None:
        self.faults.append(Fault(path, text))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
