"""Time of day and weather: where light comes from and what it does to colours and to the air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.splats.scene import Air


@dataclass(frozen=True, slots=True)
class Light:
    """What shines at one time of day.

    Attributes:
        sun: red, green, blue that a surface square to the sun takes from it.
        ambient: red, green, blue from the whole sky.
        height: of the sun above the horizon [rad]; by night of the moon.
        zenith: colour of the sky overhead.
        horizon: colour of the sky at the horizon.
        darkness: 0 by day to 1 by night: how much lamps and windows count.
    """

    sun: tuple[float, float, float]
    ambient: tuple[float, float, float]
    height: float
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    darkness: float


TIMES = {
    "day": Light(
        (0.62, 0.58, 0.50), (0.52, 0.55, 0.60), 0.80, (0.24, 0.46, 0.80), (0.74, 0.83, 0.92), 0.0
    ),
    "dusk": Light(
        (0.42, 0.25, 0.14), (0.36, 0.34, 0.42), 0.14, (0.16, 0.20, 0.42), (0.93, 0.56, 0.34), 0.6
    ),
    "night": Light(
        (0.03, 0.04, 0.06), (0.13, 0.14, 0.19), 0.60, (0.010, 0.014, 0.035), (0.05, 0.055, 0.09),
        1.0,
    ),
}  # fmt: skip
OVERCAST = (0.60, 0.63, 0.66)  # of a rain or fog sky by day
WET = 0.30  # share of its brightness that the ground loses in heavy rain
THICKEST = 0.06  # share of light lost per metre in the thickest fog


@dataclass(frozen=True, slots=True)
class Weather:
    """What a street looks like today.

    Attributes:
        time: day, dusk or night.
        rain: 0 (dry) to 1 (heavy): clouds, dull light, wet ground, streaks.
        fog: 0 (clear) to 1 (sight of about 50 m).
        clouds: 0 (blue) to 1 (overcast); rain and fog bring theirs.
        azimuth: where the sun stands, counter-clockwise from the map's x axis [rad].
    """

    time: str = "day"
    rain: float = 0.0
    fog: float = 0.0
    clouds: float = 0.35
    azimuth: float = 0.9

    def __post_init__(self) -> None:
        if self.time not in TIMES:
            raise ConfigError(
                f"weather.time={self.time!r}{nearest_name(self.time, TIMES)}; expected one of "
                f"{', '.join(TIMES)}"
            )
        for name in ("rain", "fog", "clouds"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"weather.{name}={getattr(self, name)}; expected 0 to 1")
        if not np.isfinite(self.azimuth):
            raise ConfigError(f"weather.azimuth={self.azimuth}; expected a finite angle")

    @property
    def light(self) -> Light:
        """What shines."""
        return TIMES[self.time]

    @property
    def dull(self) -> float:
        """How much of the sun is hidden, 0..1."""
        return max(self.rain**0.5, self.fog**0.5, max(0.0, self.clouds - 0.6) / 0.4)


def sun_direction(weather: Weather) -> Float[np.ndarray, "3"]:
    """Unit vector towards the sun, or by night the moon."""
    up, turn = weather.light.height, weather.azimuth
    flat = np.cos(up)
    return np.array([flat * np.cos(turn), flat * np.sin(turn), np.sin(up)])


def sky_tints(weather: Weather) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Colours of the sky overhead and at the horizon; clouds of rain and fog draw them to grey."""
    light = weather.light
    zenith, horizon = np.array(light.zenith), np.array(light.horizon)
    bright = float(horizon.mean()) / 0.83
    grey = np.array(OVERCAST) * bright
    dull = weather.dull
    return zenith + dull * (0.85 * grey - zenith), horizon + dull * (grey - horizon)


def air(weather: Weather) -> Air:
    """What lies between camera and street."""
    _, horizon = sky_tints(weather)
    fog = THICKEST * weather.fog**1.5 + 0.006 * weather.rain + 0.0006
    red, green, blue = (float(part) for part in horizon)
    return Air(fog=fog, fog_colour=(red, green, blue), rain=weather.rain)


def shade(
    colours: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"] | None,
    weather: Weather,
    *,
    glow: Float[np.ndarray, " n"] | float = 0.0,
    turning: bool = False,
) -> Float[np.ndarray, "n 3"]:
    """Colours as they look in the weather's light.

    Args:
        colours: in full white light, 0..1.
        normals: of the surfaces, or None where light comes from all sides alike.
        weather: whose light.
        glow: how much of its colour each sends out by itself where it is dark, 0..1.
        turning: the surfaces turn with an actor: their light depends on how far up they face,
            not on where the sun stands.
    """
    light = weather.light
    sun = np.array(light.sun) * (1.0 - 0.85 * weather.dull)
    ambient = np.array(light.ambient) * (1.0 + 0.35 * weather.dull)
    if normals is None:
        faces, up = np.full(len(colours), 0.6), np.full(len(colours), 0.7)
    else:
        up = 0.5 + 0.5 * normals[:, 2]
        towards = sun_direction(weather)
        hit = 0.35 + 0.45 * normals[:, 2] if turning else normals @ towards
        faces = np.clip(hit, 0.0, 1.0)
    lit = colours * ((0.55 + 0.45 * up)[:, None] * ambient + faces[:, None] * sun)
    own = (np.broadcast_to(glow, (len(colours),)) * light.darkness)[:, None]
    return np.asarray(np.clip(lit * (1.0 - own) + colours * own, 0.0, 1.0))


def wet(colours: Float[np.ndarray, "n 3"], weather: Weather) -> Float[np.ndarray, "n 3"]:
    """Colours of the ground in rain: darker, with a share of the sky in them."""
    _, horizon = sky_tints(weather)
    soaked = colours * (1.0 - WET * weather.rain)
    return np.asarray(soaked + 0.12 * weather.rain * (horizon - soaked))
