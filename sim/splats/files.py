"""Scene files: one safetensors file for a whole world; other formats by way of their table.

`NAME.splats.safetensors` holds the numbers of a `SplatScene` as tensors and everything else as JSON
in its header. Actors and lamps that show the same Gaussians share one part. Names from within a
file never become paths.

| tensor | type | shape |
|---|---|---|
| parts.N.means, .quats, .scales | F32 | (n, 3), (n, 4), (n, 3) |
| parts.N.opacities, .sh | F32 | (n,), (n, k, 3) with k of 1, 4, 9, 16 |
| parts.N.labels | U8 | (n,) |
| actors.N.poses, .valid | F64, BOOL | (t, 4, 4), (t,) where the header says so |
| sky | F32 | (6, m, m, 3) where the header says so |
| times, map_from_scene | F64 | (t,), (4, 4) |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats import header as words
from drivelab.sim.splats.checks import check_scene
from drivelab.sim.splats.formats.table import READ, format_of
from drivelab.sim.splats.header import ActorEntry, AirEntry, Header, LampEntry
from drivelab.sim.splats.memory import CHECKED, require_memory
from drivelab.sim.splats.scene import Actor, Air, Lamp, Sky, Splats, SplatScene
from drivelab.sim.splats.writing import replace_file

ENDING = ".splats.safetensors"
FIELDS = ("means", "quats", "scales", "opacities", "sh")
_BYTES = {"F32": 4, "F64": 8, "U8": 1, "BOOL": 1}


def save_scene(scene: SplatScene, path: str | Path) -> None:
    """Write a scene, whole or not at all; an older file of that name is replaced.

    Gaussians and sky are stored as float32, poses, times and `map_from_scene` as float64.

    Raises:
        DataError: the ending is not `.splats.safetensors`, the scene holds what `load_scene`
            would refuse, or the disk is full.
        OSError: it cannot be written there.
    """
    file = Path(path)
    if not file.name.endswith(ENDING) or file.name == ENDING:
        raise DataError(f"expected a name that ends in {ENDING}", file=file)
    check_scene(scene, file=file)
    tensors, header = _packed(scene)
    text = words.encode(header)
    words.decode(text, file=file)
    try:
        replace_file(file, lambda part: save_file(tensors, part, {words.FORMAT: text}))
    except SafetensorError as error:
        raise DataError(f"cannot be written ({error}); is the disk full?", file=file) from error


def load_scene(path: str | Path, *, convention: str | None = None) -> SplatScene:
    """Read a world of Gaussians of any format of `formats.table`.

    Formats of Gaussians alone become scenes of nothing but static, unlabelled Gaussians; `info`
    says what they come from.

    Args:
        path: `NAME.splats.safetensors`, `NAME.ply`, ...
        convention: with which clamp foreign Gaussians were trained; None = as the format's own
            trainer does, INRIA's where there is none. Scene files say it themselves.

    Raises:
        DataError: it is missing, truncated, of another version, holds what cannot be, or more
            than the memory; names file, key, index, what was expected and what to do.
    """
    file = Path(path)
    kind = format_of(file)
    found = kind.read(file)
    if not isinstance(found, SplatScene):
        static = Splats(found, np.zeros(len(found), np.uint8))
        found = SplatScene(stem_of(file), static, convention="inria", info={"from": kind.name})
    elif kind.name != "drivelab":
        check_scene(found, file=file)
    if convention is not None and kind.name != "drivelab":
        found = replace(found, convention=convention)
    return found


def read_scene(path: str | Path) -> SplatScene:
    """Read a scene file.

    Raises:
        DataError: as `load_scene`.
    """
    file = Path(path)
    try:
        with safe_open(file, "np") as stored:
            scene = _Reader(stored, file).scene()
    except (SafetensorError, OSError) as error:
        raise DataError(
            f"is no complete safetensors file ({error}); truncated or damaged, fetch or build it "
            "again",
            file=file,
        ) from error
    check_scene(scene, file=file)
    return scene


def stem_of(file: Path) -> str:
    """What a file or folder is called without the ending of its format."""
    if file.name in ("meta.json", "scene.pth"):
        file = file.absolute().parent
    name = file.name
    for ending in sorted(READ, key=len, reverse=True):
        name = name.removesuffix(ending)
    return name or file.name


def _packed(scene: SplatScene) -> tuple[dict[str, np.ndarray], Header]:
    tensors: dict[str, np.ndarray] = {}
    parts: dict[int, int] = {}  # identity of Splats -> number of their part

    def part(splats: Splats) -> int:
        if id(splats) not in parts:
            n = parts[id(splats)] = len(parts)
            for name in FIELDS:
                tensors[f"parts.{n}.{name}"] = _row_major(getattr(splats.gaussians, name), "f4")
            tensors[f"parts.{n}.labels"] = _row_major(splats.labels, "u1")
        return parts[id(splats)]

    static = part(scene.static)
    actors = [_actor_entry(n, actor, part(actor.splats), tensors)
              for n, actor in enumerate(scene.actors.values())]  # fmt: skip
    lamps = [LampEntry(list(lamp.lanes), lamp.colour, part(lamp.dark), part(lamp.lit))  # type: ignore[arg-type]
             for lamp in scene.lamps]  # fmt: skip
    tensors["times"] = _row_major(scene.times, "f8")
    tensors["map_from_scene"] = _row_major(scene.map_from_scene, "f8")
    if scene.sky is not None:
        tensors["sky"] = _row_major(scene.sky.faces, "f4")
    air = scene.air
    red, green, blue = (float(value) for value in air.fog_colour)
    return tensors, Header(
        scene.name,
        scene.licence,
        scene.convention,  # type: ignore[arg-type]  # checked when it is decoded
        len(parts),
        static,
        actors,
        lamps,
        AirEntry(float(air.fog), (red, green, blue), float(air.rain), float(air.exposure)),
        scene.sky is not None,
        dict(scene.info),
    )


def _actor_entry(n: int, actor: Actor, part: int, tensors: dict[str, np.ndarray]) -> ActorEntry:
    if actor.poses is not None:
        tensors[f"actors.{n}.poses"] = _row_major(actor.poses, "f8")
    if actor.valid is not None:
        tensors[f"actors.{n}.valid"] = _row_major(actor.valid, "?")
    length, width, height = (float(value) for value in actor.size)
    has = (actor.poses is not None, actor.valid is not None)
    return ActorEntry(actor.id, actor.kind, (length, width, height), part, *has)


class _Reader:
    """Takes a scene out of an open file whose every tensor is looked at before it is read."""

    def __init__(self, stored: Any, file: Path) -> None:
        self._stored, self._file = stored, file
        text = (stored.metadata() or {}).get(words.FORMAT)
        if text is None:
            raise DataError(f"is no scene: its header lacks {words.FORMAT!r}; weights of a "
                            "network?", file=file)  # fmt: skip
        self._header = words.decode(text, file=file)
        self._left = set(stored.keys())
        self._times = 0

    def scene(self) -> SplatScene:
        header = self._header
        self._check_memory()
        times = self._read("times", "F64", (None,))
        self._times = len(times)
        parts = [self._part(n) for n in range(header.parts)]
        actors = [self._actor(n, entry, parts) for n, entry in enumerate(header.actors)]
        sky = self._read("sky", "F32", (6, None, None, 3)) if header.sky else None
        map_from_scene = self._read("map_from_scene", "F64", (4, 4))
        if self._left:
            raise DataError("unknown tensor; written by something else: build the scene again",
                            file=self._file, where=min(self._left))  # fmt: skip
        air = header.air
        return SplatScene(
            name=header.name,
            static=parts[header.static],
            actors={actor.id: actor for actor in actors},
            lamps=tuple(_lamp(entry, parts) for entry in header.lamps),
            sky=None if sky is None else Sky(sky),
            air=Air(air.fog, air.fog_colour, air.rain, air.exposure),
            times=times,
            map_from_scene=map_from_scene,
            convention=header.convention,
            licence=header.licence,
            info=header.info,
        )

    def _check_memory(self) -> None:
        """Sizes come from shapes that the reader has held against the file's length."""
        total = 0
        for key in self._left:
            found = self._stored.get_slice(key)
            total += _BYTES.get(found.get_dtype(), 8) * int(np.prod(found.get_shape(), dtype=float))
        require_memory(CHECKED * total, file=self._file, what="its Gaussians")

    def _part(self, n: int) -> Splats:
        means = self._read(f"parts.{n}.means", "F32", (None, 3))
        count = len(means)
        shapes: Mapping[str, tuple[int | None, ...]] = {
            "quats": (count, 4), "scales": (count, 3), "opacities": (count,),
            "sh": (count, None, 3),
        }  # fmt: skip
        others = [self._read(f"parts.{n}.{name}", "F32", shape) for name, shape in shapes.items()]
        labels = self._read(f"parts.{n}.labels", "U8", (count,))
        try:
            return Splats(Gaussians(means, *others), labels)
        except ValueError as error:
            raise DataError(f"{error}; build the scene again", file=self._file,
                            where=f"parts.{n}") from error  # fmt: skip

    def _actor(self, n: int, entry: ActorEntry, parts: list[Splats]) -> Actor:
        shape, key, t = (self._times, 4, 4), f"actors.{n}", (self._times,)
        poses = self._read(f"{key}.poses", "F64", shape) if entry.poses else None
        valid = self._read(f"{key}.valid", "BOOL", t) if entry.valid else None
        return Actor(entry.id, entry.kind, entry.size, parts[entry.splats], poses, valid)

    def _read(self, key: str, dtype: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """A tensor of this type and shape; None stands for any length."""
        if key not in self._left:
            raise DataError("missing; truncated or damaged: build the scene again",
                            file=self._file, where=key)  # fmt: skip
        self._left.discard(key)
        kept = self._stored.get_slice(key)
        found = (kept.get_dtype(), tuple(kept.get_shape()))
        fits = len(found[1]) == len(shape) and all(
            wanted in (None, length) for wanted, length in zip(shape, found[1], strict=True)
        )
        if found[0] != dtype or not fits:
            wanted = ", ".join("n" if length is None else str(length) for length in shape)
            raise DataError(f"{found[0]} {found[1]}; expected {dtype} ({wanted})",
                            file=self._file, where=key)  # fmt: skip
        values: np.ndarray = self._stored.get_tensor(key)
        return values


def _lamp(entry: LampEntry, parts: list[Splats]) -> Lamp:
    return Lamp(tuple(entry.lanes), entry.colour, parts[entry.dark], parts[entry.lit])


def _row_major(values: Any, dtype: str) -> np.ndarray:
    return np.ascontiguousarray(values, dtype)
