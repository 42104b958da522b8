"""Parameters that many templates share."""

from __future__ import annotations

from drivelab.sim.scenario.templates.template import Parameter

KMH = 1.0 / 3.6


def metres(default: float, low: float, high: float, meaning: str) -> Parameter:
    """A length."""
    return Parameter(default, "m", meaning, low, high)


def count(default: int, low: int, high: int, meaning: str) -> Parameter:
    """A whole number."""
    return Parameter(default, "", meaning, low, high, whole=True)


def degrees(default: float, low: float, high: float, meaning: str) -> Parameter:
    """An angle; its key ends in `_deg`."""
    return Parameter(default, "deg", meaning, low, high)


def choice(default: str, choices: tuple[str, ...], meaning: str) -> Parameter:
    """One of a few words."""
    return Parameter(default, "", meaning, choices=choices)


def limit(kmh: float, meaning: str = "speed limit") -> Parameter:
    """A speed limit whose default is given in km/h; its values are in m/s."""
    return Parameter(round(kmh * KMH, 1), "m/s", meaning, 3.0, 40.0)
