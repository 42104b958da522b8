"""Options of a network that are refused before it is built: a wrong one would build another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.sequence.backends import NAMES

SCANS = ("auto", *NAMES)  # what a field `backend` may be


def refuse(config: Any, fields: Sequence[str], expected: str) -> ConfigError:
    """The error that names the network, the fields as they are, and what was expected."""
    network = type(config).__name__.removesuffix("Config")
    given = ", ".join(f"{field}={getattr(config, field)!r}" for field in fields)
    return ConfigError(f"{network} with {given}: expected {expected}")


def check_choice(config: Any, field: str, choices: Sequence[str]) -> None:
    """Raise ConfigError unless a field is one of some words."""
    value = getattr(config, field)
    if value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        hint = nearest_name(value, choices) if isinstance(value, str) else ""
        raise refuse(config, [field], f"one of {known}{hint}")


def check_counts(config: Any, *fields: str, least: int = 1) -> None:
    """Raise ConfigError unless each field is a whole number, or a tuple of them."""
    for field in fields:
        value = getattr(config, field)
        counts = value if isinstance(value, (tuple, list)) else [value]
        if not all(type(count) is int and count >= least for count in counts):
            raise refuse(config, [field], f"whole numbers from {least} on")


def check_share(config: Any, field: str, *, whole: bool = False) -> None:
    """Raise ConfigError unless a field is from 0 to 1; 1 itself only with `whole`."""
    value = getattr(config, field)
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not real or not (0 <= value < 1 or (whole and value == 1)):
        raise refuse(config, [field], f"a number from 0 to 1{'' if whole else ', below 1'}")
