"""Progress and words on the terminal: a bar with ETA on a TTY, else one line per tenth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from drivelab.errors import ConfigError


def is_quiet(config: Mapping[str, Any]) -> bool:
    """The option `quiet`.

    Raises:
        ConfigError: it is neither true nor false.
    """
    if not isinstance(config["quiet"], bool):
        raise ConfigError(f"quiet={config['quiet']}: expected true or false")
    return config["quiet"]


def speaker(config: Mapping[str, Any]) -> Callable[[str], None]:
    """What prints a line on stderr, or with `quiet=true` nothing.

    Raises:
        ConfigError: the option is neither true nor false.
    """
    return _silent if is_quiet(config) else _aloud


def _aloud(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    pass


class ConsoleMonitor:
    """Shows a run on stderr."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._total = self._done = self._failed = self._tenth = 0
        self._first = 0
        self._start = 0.0

    def say(self, text: str) -> None:
        """Print one line."""
        if not self.quiet:
            print(text, file=sys.stderr)

    def start(self, total: int, done: int) -> None:
        """Begin the bar."""
        self._total, self._done, self._first = total, done, done
        self._failed, self._tenth = 0, 10 * done // total
        self._start = monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._bar = _make_bar()
            self._bar.start()
            self._bar.add_task("scenes", total=total, completed=done, failed="")

    def advance(self, done: int, failed: int) -> None:
        """Move the bar, or print at every tenth."""
        self._done += done
        self._failed += failed
        if self._bar is not None:
            note = f"{self._failed} failed" if self._failed else ""
            self._bar.update(self._bar.task_ids[0], advance=done, failed=note)
            return
        tenth = 10 * self._done // self._total
        if tenth > self._tenth and not self.quiet:
            self._tenth = tenth
            print(self._line(), file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self) -> str:
        spent = monotonic() - self._start
        left = spent / max(self._done - self._first, 1) * (self._total - self._done)
        failed = f", {self._failed} failed" if self._failed else ""
        return (
            f"{100 * self._done // self._total:3d} %  {self._done}/{self._total} scenes{failed}, "
            f"{spent:.0f} s so far, about {left:.0f} s left"
        )


def _make_bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failed]}"),
        console=Console(stderr=True),
    )
