"""What a scene file says beside its numbers: typed JSON in the header of its safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from drivelab.errors import DataError
from drivelab.types import KINDS

FORMAT = "drivelab.splats"  # the header's one key
VERSION = 1
LONGEST = 16 << 20  # bytes of JSON

Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0.0)]
Metres = Annotated[float, msgspec.Meta(gt=0.0)]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class ActorEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One actor; its poses, if any, are the tensor `actors.N.poses`."""

    id: Id
    kind: str
    size: tuple[Metres, Metres, Metres]
    splats: Count  # number of its part
    poses: bool
    valid: bool


class LampEntry(msgspec.Struct, forbid_unknown_fields=True):
    """One lamp of a traffic light."""

    lanes: list[str]
    colour: Literal["red", "yellow", "green"]
    dark: Count
    lit: Count


class AirEntry(msgspec.Struct, forbid_unknown_fields=True):
    """What lies between the camera and the scene."""

    fog: Share
    fog_colour: tuple[float, float, float]
    rain: Share
    exposure: Share


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """All of a scene but its tensors. Parts are Gaussians, each stored once however often shown."""

    name: str
    licence: str
    convention: Literal["gsplat", "inria"]
    parts: Count
    static: Count
    actors: list[ActorEntry]
    lamps: list[LampEntry]
    air: AirEntry
    sky: bool
    info: dict[str, Any]
    version: int = VERSION


class _Version(msgspec.Struct):
    version: int


def encode(header: Header) -> str:
    """A header as JSON."""
    return msgspec.json.encode(header).decode()


def decode(text: str, *, file: str | Path) -> Header:
    """A header from JSON, checked against its types, its own counts and this version.

    Raises:
        DataError: with the path of the first entry that is not as expected.
    """
    if len(text) > LONGEST:
        raise DataError(f"{len(text)} bytes of JSON in its header; expected at most {LONGEST}",
                        file=file)  # fmt: skip
    try:
        version = msgspec.json.decode(text, type=_Version).version
        if version != VERSION:
            raise DataError(
                f"is of version {version}, this drivelab reads {VERSION}; update drivelab, or "
                "build the scene again",
                file=file,
            )
        header = msgspec.json.decode(text, type=Header)
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{error}; written by something else, or damaged: build the scene again",
                        file=file, where="header") from error  # fmt: skip
    _check_numbers(header, file)
    return header


def _check_numbers(header: Header, file: str | Path) -> None:
    """Parts that are named must be there; ids and kinds must be known and single."""
    named = [("static", header.static)]
    named += [(f"actors[{n}].splats", actor.splats) for n, actor in enumerate(header.actors)]
    for n, lamp in enumerate(header.lamps):
        named += [(f"lamps[{n}].dark", lamp.dark), (f"lamps[{n}].lit", lamp.lit)]
    for key, part in named:
        if part >= header.parts:
            raise DataError(f"part {part}; expected below {header.parts}", file=file, where=key)
    seen: set[str] = set()
    for n, actor in enumerate(header.actors):
        if actor.kind not in KINDS:
            raise DataError(f"{actor.kind[:40]!r}; expected one of {', '.join(KINDS)}", file=file,
                            where=f"actors[{n}].kind")  # fmt: skip
        if actor.id in seen:
            raise DataError(f"{actor.id[:40]!r} a second time", file=file,
                            where=f"actors[{n}].id")  # fmt: skip
        seen.add(actor.id)
