"""The exception tree: every error a user can meet, with what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class DrivelabError(Exception):
    """Root of all errors that drivelab raises for its users; the CLI prints it and exits with 2."""


class DataError(DrivelabError):
    """A file or record is missing, truncated or not what its format says."""

    def __init__(self, problem: str, *, file: str | Path | None = None, where: str = "") -> None:
        place = ", ".join(part for part in (str(file) if file else "", where) if part)
        super().__init__(f"{place}: {problem}" if place else problem)


class UnsafePickleError(DataError):
    """A pickle names a class or function outside the allow-list; nothing of it was run."""


class ConfigError(DrivelabError):
    """An option, name or combination of options cannot be used."""


class PlanError(DrivelabError):
    """An agent returned something that is not a valid plan."""


class RunError(DrivelabError):
    """A run folder cannot be used as asked: another run's settings, or nothing in it."""


class MissingExtra(DrivelabError):
    """An optional package is not installed."""

    def __init__(self, package: str, *, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"this needs the package {package!r}, which is not installed: "
            f"pip install 'drivelab[{extra}]'"
        )


def nearest_name(name: str, known: Iterable[str]) -> str:
    """Suggest a spelling: "; did you mean 'x'?" or the empty string."""
    match = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""
