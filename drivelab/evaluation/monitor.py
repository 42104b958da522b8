"""Who is told how a run goes: the command line shows it, a library caller may stay silent."""

from __future__ import annotations

from typing import Protocol


class Monitor(Protocol):
    """Receives the progress of a run."""

    def say(self, text: str) -> None:
        """One line the user should read."""

    def start(self, total: int, done: int) -> None:
        """Work begins: `done` of `total` scenes are there from an earlier run."""

    def advance(self, done: int, failed: int) -> None:
        """So many more scenes have their row, so many of them failed."""

    def stop(self) -> None:
        """Work has ended, well or not."""


class Silent:
    """Says nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def start(self, total: int, done: int) -> None:
        """Nothing."""

    def advance(self, done: int, failed: int) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""
