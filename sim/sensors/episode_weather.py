"""The weather that an episode says of itself, as its scenario wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivelab.sim.splats.weather import Weather

WORDS: Mapping[str, Mapping[str, float]] = {  # of scenarios -> their parts
    "clear": {},
    "cloudy": {"clouds": 0.8},
    "wet": {"rain": 0.15, "clouds": 0.8},
    "rain": {"rain": 0.5, "clouds": 0.9},
    "heavy_rain": {"rain": 1.0, "clouds": 1.0},
    "snow": {"fog": 0.2, "clouds": 1.0},
    "fog": {"fog": 0.6},
}
DAY, TWILIGHT = (8.0, 18.0), (6.0, 20.0)  # hours: within the first day, else within the second dusk


def weather_of(info: Mapping[str, Any]) -> Weather | None:
    """What is rendered of `weather` and `time_of_day`; None where that is no more than a clear day.

    A scenario that says neither has a clear day written down for it, so this cannot be told from
    one that asks for it. Dawn looks as dusk does. Of a weather's parts clouds, rain and fog are
    rendered; snow, wetness and wind are not.
    """
    said = info.get("weather", "clear")
    parts = WORDS.get(said, {}) if isinstance(said, str) else said
    known = {name: float(parts[name]) for name in ("rain", "fog", "clouds") if name in parts}
    found = Weather(time=_time(info.get("time_of_day", "day")), **known)
    return None if found == Weather() else found


def _time(said: str | float) -> str:
    if isinstance(said, str):
        return {"dawn": "dusk"}.get(said, said)
    if DAY[0] <= said <= DAY[1]:
        return "day"
    return "dusk" if TWILIGHT[0] <= said <= TWILIGHT[1] else "night"
