"""What is wrong with a scenario text, and where: all of it at once, each with its line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivelab.errors import ConfigError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong at a path of the data."""

    path: Path
    text: str
    line: int = 0  # where it stands, if the path alone does not say


class Misfit(Exception):
    """Raised inside the builder where a part of a scenario cannot be placed."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self.fault = Fault(path, text)


class ScenarioError(ConfigError):
    """A scenario cannot be used; `lines` holds one line per fault, `FILE:LINE: $.path: text`."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def path_text(path: Path) -> str:
    """A path as it is printed: `$.actors[0].behavior.when`."""
    return "$" + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that is spelt most alike, if any is near."""
    found = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def did_you_mean(word: object, known: Sequence[str]) -> str:
    """`, did you mean ...?` or what there is."""
    match = nearest(word, known)
    if match is not None:
        return f", did you mean `{match}`?"
    return f"; known are {', '.join(map(str, known))}" if known else ""
