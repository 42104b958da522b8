"""Which scenes a NAVSIM split holds: the SceneFilter and split files of the official configuration.

Files are read as YAML text only, without types: an unquoted token such as 1001304290285954 or
97e1000000000000 stays what it is instead of turning into a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from drivelab.errors import ConfigError, DataError
from drivelab.types import StageEntry

_TOKEN = re.compile(r"[0-9a-f]{16,17}")  # 17 characters: a synthetic scene
_NULL = ("", "null", "Null", "NULL", "~")
_BOOL = {"true": True, "false": False}
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True, slots=True)
class SceneFilter:
    """How a log is cut into scenes and which are kept; None means all."""

    num_history_frames: int = 4
    num_future_frames: int = 10
    frame_interval: int | None = None  # frames between window starts; None: the window's length
    has_route: bool = True  # drop windows whose current frame has no route
    max_scenes: int | None = None
    log_names: tuple[str, ...] | None = None
    tokens: tuple[str, ...] | None = None
    include_synthetic_scenes: bool = False
    synthetic_scene_tokens: tuple[str, ...] | None = None
    reactive_synthetic_initial_tokens: tuple[str, ...] | None = None
    non_reactive_synthetic_initial_tokens: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for key in ("num_history_frames", "frame_interval", "max_scenes"):
            value = getattr(self, key)
            if value is not None and value < 1:
                raise ConfigError(f"SceneFilter.{key} is {value}, expected 1 or more")
        if self.num_future_frames < 0:
            raise ConfigError(f"SceneFilter.num_future_frames is {self.num_future_frames}")

    @property
    def num_frames(self) -> int:
        """Length of a window."""
        return self.num_history_frames + self.num_future_frames

    @property
    def interval(self) -> int:
        """Frames between the starts of two windows."""
        return self.num_frames if self.frame_interval is None else self.frame_interval


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A split as a YAML file describes it."""

    name: str
    filter: SceneFilter
    data_split: str | None = None  # folder under navsim_logs
    reactive_all_mapping: tuple[StageEntry, ...] = ()


_INTS = ("num_history_frames", "num_future_frames", "frame_interval", "max_scenes")
_BOOLS = ("has_route", "include_synthetic_scenes")
_TOKENS = (
    "tokens",
    "synthetic_scene_tokens",
    "reactive_synthetic_initial_tokens",
    "non_reactive_synthetic_initial_tokens",
)
# Written by other versions of the official configuration; they choose no scenes.
_IGNORED = ("_target_", "_convert_", "all_mapping")


def read_split(file: str | Path) -> SplitFile:
    """Read a split file (`defaults: [scene_filter: X]`, `data_split`) or a bare SceneFilter file.

    The filter X is looked for in `scene_filter/X.yaml` beside the split file and one folder up.
    """
    path = Path(file)
    content = _read_mapping(path)
    named = _default_filter(content.get("defaults"), path)
    if named is None:
        keys = {k: v for k, v in content.items() if k not in ("defaults", "data_split", _MAPPING)}
        scene_filter = parse_scene_filter(keys, path)
    else:
        filter_path = _find_filter(path, named)
        scene_filter = parse_scene_filter(_read_mapping(filter_path), filter_path)
        inline = content.get("scene_filter")
        if isinstance(inline, Mapping):
            scene_filter = parse_scene_filter(inline, path, base=scene_filter)
    folder = _scalar(content.get("data_split"))
    if folder is not None and not re.fullmatch(r"\w[\w.-]*", folder):
        raise DataError(f"{folder!r} is not a folder name", file=path, where="data_split")
    mapping = tuple(_entries(content.get(_MAPPING), path))
    return SplitFile(path.stem, scene_filter, folder, mapping)


_MAPPING = "reactive_all_mapping"


def parse_scene_filter(
    content: Mapping[str, Any], file: Path, *, base: SceneFilter | None = None
) -> SceneFilter:
    """A SceneFilter from the text values of a YAML mapping."""
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key in _IGNORED:
            continue
        if key in _INTS:
            values[key] = _integer(value, file, key)
        elif key in _BOOLS:
            values[key] = _boolean(value, file, key)
        elif key in _TOKENS:
            values[key] = _tokens(value, file, key)
        elif key == "log_names":
            values[key] = _names(value, file, key)
        else:
            known = sorted((*_INTS, *_BOOLS, *_TOKENS, "log_names"))
            raise DataError(f"unknown key, expected one of {known}", file=file, where=key)
    for key in ("num_history_frames", "num_future_frames", *_BOOLS):
        if values.get(key, 0) is None:
            del values[key]
    return replace(base or SceneFilter(), **values)


def normalise_token(value: Any, file: Path, where: str) -> str:
    """A token as lower-case hex text; anything else is refused."""
    if isinstance(value, str) and _TOKEN.fullmatch(value):
        return value
    raise DataError(
        f"{value!r} is not a token, expected 16 lower-case hex characters (17 for a synthetic "
        "scene); put quotes around it if the file was written by a program",
        file=file,
        where=where,
    )


def _read_mapping(file: Path) -> dict[str, Any]:
    try:
        with file.open(encoding="utf-8") as stream:
            content = yaml.load(stream, Loader=_Loader)  # makes text only
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"is not YAML: {error}", file=file) from error
    if not isinstance(content, dict):
        raise DataError(f"holds {type(content).__name__}, expected keys and values", file=file)
    return content


def _default_filter(defaults: Any, file: Path) -> str | None:
    for entry in defaults if isinstance(defaults, list) else ():
        if isinstance(entry, Mapping) and "scene_filter" in entry:
            name = _scalar(entry["scene_filter"])
            if name is None or not re.fullmatch(r"\w[\w.-]*", name):
                raise DataError(f"{name!r} is not a filter name", file=file, where="defaults")
            return name
    return None


def _find_filter(split_file: Path, name: str) -> Path:
    folder = split_file.parent
    tried = [base / "scene_filter" / f"{name}.yaml" for base in (folder, folder.parent)]
    for path in tried:
        if path.is_file():
            return path
    raise DataError(
        f"its scene filter is missing; expected {tried[0]}", file=split_file, where="defaults"
    )


def _entries(value: Any, file: Path) -> Iterator[StageEntry]:
    if _scalar(value) is None and not isinstance(value, list):
        return
    if not isinstance(value, list):
        raise DataError("expected a list of [now, previous, pairs]", file=file, where=_MAPPING)
    for index, entry in enumerate(value):
        where = f"{_MAPPING}[{index}]"
        if not (isinstance(entry, list) and len(entry) == 3 and isinstance(entry[2], list)):
            raise DataError(
                "expected [now token, previous token, [[now, previous], ...]]",
                file=file,
                where=where,
            )
        now, previous = (normalise_token(token, file, where) for token in entry[:2])
        yield StageEntry(now, previous, tuple(_pairs(entry[2], file, where)))


def _pairs(value: Sequence[Any], file: Path, where: str) -> Iterator[tuple[str, str]]:
    for index, pair in enumerate(value):
        place = f"{where}[2][{index}]"
        if not (isinstance(pair, list) and len(pair) == 2):
            raise DataError("expected [now token, previous token]", file=file, where=place)
        yield normalise_token(pair[0], file, place), normalise_token(pair[1], file, place)


def _scalar(value: Any) -> str | None:
    return None if not isinstance(value, str) or value in _NULL else value


def _integer(value: Any, file: Path, key: str) -> int | None:
    text = _scalar(value)
    if text is None and not isinstance(value, list | dict):
        return None
    try:
        return int(str(text))
    except ValueError:
        raise DataError(f"{value!r} is not a whole number", file=file, where=key) from None


def _boolean(value: Any, file: Path, key: str) -> bool | None:
    text = _scalar(value)
    if text is None and not isinstance(value, list | dict):
        return None
    if str(text).lower() not in _BOOL:
        raise DataError(f"{value!r} is neither true nor false", file=file, where=key)
    return _BOOL[str(text).lower()]


def _names(value: Any, file: Path, key: str) -> tuple[str, ...] | None:
    if isinstance(value, str) and value in _NULL:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DataError("expected a list of names or null", file=file, where=key)
    return tuple(value)


def _tokens(value: Any, file: Path, key: str) -> tuple[str, ...] | None:
    names = _names(value, file, key)
    if names is None:
        return None
    return tuple(normalise_token(name, file, f"{key}[{i}]") for i, name in enumerate(names))
