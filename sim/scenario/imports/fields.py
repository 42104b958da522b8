"""Fields of foreign YAML files, with errors that say which file and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drivelab.errors import DataError


class Fields:
    """A mapping of a foreign file; remembers which keys were asked for."""

    def __init__(self, data: Any, file: str, where: str = "") -> None:
        if not isinstance(data, Mapping):
            raise DataError("expected a mapping", file=file, where=where)
        self.data, self.file, self.where = data, file, where
        self._asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        """A value, or the default."""
        self._asked.add(key)
        return self.data.get(key, default)

    def number(self, key: str, default: float | None = None) -> float:
        """A number; without a default it must be there."""
        value = self.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(
                f"is {value!r}; expected a number", file=self.file, where=self.path(key)
            )
        return float(value)

    def numbers(self, key: str, count: int | None = None) -> list[float]:
        """A list of numbers of a length."""
        return number_list(self.get(key), self.file, self.path(key), count)

    def inner(self, key: str) -> Fields:
        """A mapping inside."""
        return Fields(self.get(key), self.file, self.path(key))

    def rest(self) -> list[str]:
        """Keys that nobody asked for."""
        return [key for key in self.data if key not in self._asked]

    def path(self, key: str) -> str:
        """The place of a key in words."""
        return f"{self.where}.{key}" if self.where else key


def number_list(value: Any, file: str, where: str, count: int | None = None) -> list[float]:
    """A list of numbers.

    Raises:
        DataError: no list, not so many entries, or an entry that is no number.
    """
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise DataError(f"is {value!r}; expected a list of numbers", file=file, where=where)
    good = all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if not good or (count is not None and len(value) != count):
        wanted = f"{count} numbers" if count is not None else "numbers"
        raise DataError(f"is {list(value)!r}; expected {wanted}", file=file, where=where)
    return [float(v) for v in value]
