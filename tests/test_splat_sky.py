"""Skies: looked up where they were painted; weather changes light, sky and air."""

from __future__ import annotations

import time

import numpy as np
import pytest

from drivelab.sim.splats.scene import Sky
from drivelab.sim.splats.sky import paint_sky, sky_colours
from drivelab.sim.splats.weather import Weather, air, shade, sun_direction


def test_a_direction_finds_its_texel() -> None:
    n = 5
    faces = np.random.default_rng(0).random((6, n, n, 3)).astype(np.float32)
    at = (2 * np.arange(n) + 1) / n - 1
    for face in range(6):
        axis, sign = face // 2, 1.0 if face % 2 == 0 else -1.0
        first, second = (k for k in range(3) if k != axis)
        way = np.zeros((n, n, 3))
        way[..., axis] = sign
        way[..., first], way[..., second] = at[None, :], at[:, None]
        found = sky_colours(Sky(faces), 3.0 * way.reshape(-1, 3))
        np.testing.assert_allclose(found.reshape(n, n, 3), faces[face], atol=1e-5)


def test_between_texels_lies_their_mean() -> None:
    faces = np.zeros((6, 2, 2, 3), np.float32)
    faces[0, :, 1] = 1.0
    found = sky_colours(Sky(faces), np.array([[1.0, 0.0, 0.0], [1.0, 0.25, 0.1]]))
    np.testing.assert_allclose(found[:, 0], [0.5, 0.75], atol=1e-6)


def test_skies_look_like_their_weather() -> None:
    up, level = np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.15]])
    day, night, rain = (
        paint_sky(Weather(**how)) for how in ({"clouds": 0.0}, {"time": "night"}, {"rain": 1.0})
    )
    blue = sky_colours(day, up)[0]
    assert blue[2] > blue[0] + 0.3
    assert sky_colours(night, up).max() < 0.2
    grey = sky_colours(rain, level)[0]
    assert grey.max() - grey.min() < 0.12
    sun = sun_direction(Weather())[None]
    assert sky_colours(day, sun).min() > 0.75
    np.testing.assert_array_equal(day.faces, paint_sky(Weather(clouds=0.0)).faces)


def test_a_picture_of_sky_is_looked_up_quickly() -> None:
    sky = paint_sky(Weather())
    ways = np.random.default_rng(1).normal(size=(350_000, 3)).astype(np.float32)
    sky_colours(sky, ways[:10])
    start = time.perf_counter()
    found = sky_colours(sky, ways)
    assert time.perf_counter() - start < 0.2  # some 10 ms; the machine may be busy
    assert found.shape == ways.shape
    assert 0.0 <= found.min() <= found.max() <= 1.0


def test_light_falls_from_the_sun_or_for_actors_from_above() -> None:
    weather = Weather()
    grey = np.full((2, 3), 0.5)
    facing = np.stack([sun_direction(weather), -sun_direction(weather)])
    lit = shade(grey, facing, weather)
    assert lit[0].mean() > 1.5 * lit[1].mean()
    level = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    turned = shade(grey, level, weather, turning=True)
    np.testing.assert_allclose(turned[0], turned[1])
    night = shade(grey, facing, Weather("night"), glow=np.array([1.0, 0.0]))
    np.testing.assert_allclose(night[0], 0.5)
    assert night[1].max() < 0.15


def test_fog_and_rain_thicken_the_air() -> None:
    clear, fog, rain = air(Weather()), air(Weather(fog=1.0)), air(Weather(rain=0.8))
    assert clear.fog < 0.002 < rain.fog < fog.fog
    assert rain.rain == 0.8


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"directions have the shape \(3,\)"):
        sky_colours(paint_sky(Weather(), texels=4), np.ones(3))
    with pytest.raises(ValueError, match="texels=1"):
        paint_sky(Weather(), texels=1)
