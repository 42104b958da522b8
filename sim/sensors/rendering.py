"""How a scene that has no pictures of its own is shown: which rig, which weather, which street."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from drivelab.data.array_store import LATER
from drivelab.sim.splats.weather import Weather

CLEAR_DAY = Weather()
WEATHERS = {  # by the names that options use
    "day": CLEAR_DAY,
    "dusk": Weather(time="dusk"),
    "night": Weather(time="night"),
    "rain": Weather(rain=0.7),
    "fog": Weather(fog=0.6),
    "night_rain": Weather(time="night", rain=0.7),
}


@dataclass(frozen=True, slots=True)
class Rendering:
    """Options of procedural streets as sensors see them.

    Attributes:
        rig: one of `rig_names()`, or a YAML file.
        scale: of every camera's picture, 1 = as the rig says.
        weather: time of day, rain, fog.
        seed: of what the map does not say.
        street: a scene file, such as one learned from pictures, in place of a built street, or a
            folder with ID.splats.safetensors for every episode; "" builds one. Its weather is its
            own, actors look as `weather` says.
        faults: of the sensors, as `info["sensor_faults"]` of an episode lists them.
        keep: a folder in which built streets are kept, so that later they are only read; "": none.
    """

    rig: str = "rad"
    scale: float = 1.0
    weather: Weather = CLEAR_DAY
    seed: int = 0
    street: str = field(default="", metadata=LATER)
    faults: tuple[Mapping[str, Any], ...] = ()
    keep: str = field(default="", metadata=LATER)
