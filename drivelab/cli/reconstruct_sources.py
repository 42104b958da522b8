"""The words of `source=` -> what a scene is reconstructed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivelab.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from drivelab.data.camera_log import CameraLog
    from drivelab.data.photographs import Photographs
    from drivelab.training.reconstruction.capture import Capture

LONG = 1e6  # seconds that no log lasts


def capture_of(config: Mapping[str, Any]) -> Capture:
    """What a composed config says.

    Raises:
        ConfigError: no such source, or an option that does not fit.
        DataError: what it names cannot be read.
    """
    text = str(config["source"] or "")
    kind, colon, place = text.partition(":")
    if not colon or not place or kind not in SOURCES:
        known = ", ".join(f"{name}:..." for name in SOURCES)
        hint = nearest_name(kind, SOURCES) if kind else ""
        raise ConfigError(
            f"source={text or 'null'}: expected one of {known}{hint}; try "
            "source=radlab:test-0003-lane_drop"
        )
    capture = SOURCES[kind](place, config)
    capture.check()
    return capture


def whole(config: Mapping[str, Any], key: str, least: int) -> int:
    """A whole number of a config, not below `least`."""
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{key}={value}: expected a whole number, {least} or more")
    return value


def _radlab(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.sim.radlab import clip_scene
    from drivelab.sim.sensors.rendering import WEATHERS, Rendering
    from drivelab.training.reconstruction.drives import DriveOptions, drive_capture

    how, seed = config["drive"], whole(config, "seed", 0)
    scale = how["scale"]
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= 4:
        raise ConfigError(f"drive.scale={scale}: expected above 0, up to 4")
    if how["weather"] not in WEATHERS:
        raise ConfigError(
            f"drive.weather={how['weather']}: expected one of {', '.join(WEATHERS)}"
            f"{nearest_name(str(how['weather']), WEATHERS)}"
        )
    cameras = tuple(str(how["cameras"]).split(","))
    rendering = Rendering(how["rig"], float(scale), WEATHERS[how["weather"]], seed)
    if not isinstance(how["traffic"], bool):
        raise ConfigError(f"drive.traffic={how['traffic']}: expected true or false")
    options = DriveOptions(
        whole(how, "poses", 2), cameras, whole(config, "points", 4), seed, how["traffic"]
    )
    return drive_capture(clip_scene(place), rendering, options)


def _colmap(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.data.colmap import read_colmap

    found = read_colmap(Path(place), images=str(config["photos"]["images"]))
    return _photographed(found, place, config)


def _nerfstudio(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.data.nerfstudio import read_nerfstudio

    return _photographed(read_nerfstudio(Path(place)), place, config)


def _stereo(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.data.stereo_pair import read_stereo_pair
    from drivelab.training.reconstruction.stereo import stereo_capture

    return stereo_capture(
        read_stereo_pair(Path(place)), width=whole(config["photos"], "width", 16),
        most=whole(config, "points", 4), seed=whole(config, "seed", 0),
    )  # fmt: skip


def _av2(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.data.av2.cameras import read_camera_log

    return _logged(read_camera_log(Path(place), _cameras(config)), config)


def _nuscenes(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.data.nuscenes.cameras import read_camera_log

    root, colon, scene = place.rpartition(":")
    if not colon or Path(place).is_dir():
        root, scene = place, ""
    return _logged(read_camera_log(Path(root), scene or None, _cameras(config)), config)


def _navsim(place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.data.navsim.cameras import read_camera_log

    return _logged(read_camera_log(Path(place), _cameras(config)), config)


def _cameras(config: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of `log.cameras`, None where it is left to the log."""
    said = config["log"]["cameras"]
    return None if said is None else tuple(name for name in str(said).split(",") if name)


def _logged(log: CameraLog, config: Mapping[str, Any]) -> Capture:
    from drivelab.training.reconstruction.logs import LogOptions, log_capture

    how = config["log"]
    options = LogOptions(
        frames=whole({"log.frames": how["frames"]}, "log.frames", 1),
        begin=_seconds(how, "begin", 0.0),
        seconds=None if how["seconds"] is None else _seconds(how, "seconds", 0.0),
        width=whole(config["photos"], "width", 16),
        points=whole(config, "points", 4),
        hold_out=whole(config, "hold_out", 0),
        seed=whole(config, "seed", 0),
    )
    return log_capture(log, options)


def _seconds(how: Mapping[str, Any], key: str, least: float) -> float:
    value = how[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < LONG:
        raise ConfigError(f"log.{key}={value}: expected seconds, {least:g} to {LONG:g}")
    return float(value)


def _photographed(found: Photographs, place: str, config: Mapping[str, Any]) -> Capture:
    from drivelab.training.reconstruction.photographs import photographed

    name = Path(place).resolve().name
    return photographed(
        found, name, width=whole(config["photos"], "width", 16),
        most=whole(config, "points", 4), seed=whole(config, "seed", 0),
    )  # fmt: skip


SOURCES: Mapping[str, Callable[[str, Mapping[str, Any]], Capture]] = {
    "radlab": _radlab, "av2": _av2, "nuscenes": _nuscenes, "navsim": _navsim, "colmap": _colmap,
    "nerfstudio": _nerfstudio, "stereo": _stereo,
}  # fmt: skip
