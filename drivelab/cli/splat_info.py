"""`drivelab splat info`: what a world of Gaussians holds, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

if TYPE_CHECKING:
    from drivelab.sim.splats.scene import Splats, SplatScene

PICTURES = (3, 448, 256)  # cameras, width, height of the pictures whose memory is told
NAMED = 12  # actors that are named


def run(words: Sequence[str]) -> int:
    """Print what the file holds."""
    from drivelab.sim.splats.files import load_scene

    found = read_words(words, (), places=("FILE",))
    if "FILE" not in found:
        raise ConfigError("expected: drivelab splat info FILE")
    file = Path(found["FILE"])
    scene = load_scene(file)
    for name, text in _facts(scene, file):
        print(f"{name:<12}{text}")
    return 0


def _facts(scene: SplatScene, file: Path) -> Iterator[tuple[str, str]]:
    from drivelab.sim.splats.formats.table import format_of
    from drivelab.sim.splats.memory import amount

    yield "name", _line(scene.name) or "(none)"
    size = sum(part.stat().st_size for part in (file.rglob("*") if file.is_dir() else [file])
               if part.is_file())  # fmt: skip
    yield "file", f"{file}, {amount(size)}"
    kind = format_of(file)
    yield "format", f"{kind.title}; {'written too' if kind.writer else 'read only'}"
    yield "licence", _line(scene.licence) or "not said"
    yield "convention", scene.convention
    yield from _counts(scene)
    yield from _place(scene)
    yield from _inhabitants(scene)
    sky = "none" if scene.sky is None else "6 x {1} x {2}".format(*scene.sky.faces.shape)
    yield "sky", sky
    yield from _memory(scene)
    for key, value in scene.info.items():
        yield "info", f"{_line(key)} = {_line(str(value))}"


def _counts(scene: SplatScene) -> Iterator[tuple[str, str]]:
    from drivelab.kernels.splat.scene import COEFFICIENTS
    from drivelab.sim.splats.labels import LABELS

    parts = _parts(scene)
    moving = sum(len(actor.splats) for actor in scene.actors.values())
    total, still = sum(map(len, parts)), len(scene.static)
    lit = f"{total - still - moving} of {len(scene.lamps)} lamps"
    of_each = f"{still} static, {moving} of {len(scene.actors)} actors, {lit}"
    yield "gaussians", f"{total}: {of_each}"
    degrees = sorted({COEFFICIENTS[part.gaussians.sh.shape[1]] for part in parts if len(part)})
    yield "colours", f"degree {', '.join(map(str, degrees))}"
    counts = sum(np.bincount(part.labels, minlength=len(LABELS)) for part in parts)
    for number in np.argsort(-np.asarray(counts), kind="stable"):
        if count := np.asarray(counts)[number]:
            yield "label", f"{LABELS[number]:<14}{count}"


def _place(scene: SplatScene) -> Iterator[tuple[str, str]]:
    if len(scene.static):
        means = scene.static.gaussians.means
        ends = np.percentile(means, [0, 1, 99, 100], axis=0)
        for axis, (least, low, high, most) in zip("xyz", ends.T, strict=True):
            most_of = f"98 % within {low:.1f} to {high:.1f}"
            yield f"bounds {axis}", f"{least:.1f} to {most:.1f} m, {most_of}"
    x, y, z = scene.map_from_scene[:3, 3]
    yield "map", f"origin at x {x:.2f}, y {y:.2f}, z {z:.2f} m"


def _inhabitants(scene: SplatScene) -> Iterator[tuple[str, str]]:
    if len(scene.times):
        first, last = scene.times[[0, -1]]
        yield "times", f"{len(scene.times)}, {first:.2f} to {last:.2f} s"
    for n, actor in enumerate(scene.actors.values()):
        if n == NAMED:
            yield "actor", f"... and {len(scene.actors) - NAMED} more"
            return
        way = "driven by a world" if actor.poses is None else "own poses"
        size = " x ".join(f"{value:.1f}" for value in actor.size)
        yield "actor", f"{_line(actor.id)}: {actor.kind}, {size} m, {len(actor.splats)}, {way}"


def _memory(scene: SplatScene) -> Iterator[tuple[str, str]]:
    from drivelab.sim.splats.memory import RENDERED, amount

    distinct = {id(part): part for part in _parts(scene)}.values()
    held = sum(
        getattr(part.gaussians, name).nbytes
        for part in distinct
        for name in ("means", "quats", "scales", "opacities", "sh")
    )
    yield "memory", f"{amount(held + sum(part.labels.nbytes for part in distinct))} as a scene"
    shown = len(scene.static) + sum(len(actor.splats) for actor in scene.actors.values())
    shown += sum(max(len(lamp.dark), len(lamp.lit)) for lamp in scene.lamps)
    cameras, width, height = PICTURES
    pictures = 4 * 5 * cameras * width * height  # red, green, blue, depth, cover
    views = f"{shown} Gaussians at once, {cameras} pictures of {width} x {height}"
    yield "rendering", f"about {amount(RENDERED * shown + pictures)} more: {views}"


def _parts(scene: SplatScene) -> list[Splats]:
    lamps = [part for lamp in scene.lamps for part in (lamp.dark, lamp.lit)]
    return [scene.static, *(actor.splats for actor in scene.actors.values()), *lamps]


def _line(text: str) -> str:
    """A file's own words on one line, without what a terminal would obey."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in text)
    return kept if len(kept) <= 200 else f"{kept[:197]}..."
