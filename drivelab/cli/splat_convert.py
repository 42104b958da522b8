"""`drivelab splat convert`: a PLY becomes a scene, a moment of a scene becomes a PLY."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError


def run(words: Sequence[str]) -> int:
    """Write the other format."""
    from drivelab.kernels.splat.settings import CONVENTIONS
    from drivelab.sim.splats.files import ENDING, load_scene, save_scene

    found = read_words(words, ("time", "convention"), places=("IN", "OUT"))
    if "IN" not in found or "OUT" not in found:
        raise ConfigError("expected: drivelab splat convert IN OUT")
    source, out = Path(found["IN"]), Path(found["OUT"])
    convention = found.get("convention", "inria")
    if convention not in CONVENTIONS:
        raise ConfigError(f"convention={convention}: expected {' or '.join(CONVENTIONS)}")
    if not out.name.endswith((ENDING, ".ply")):
        raise ConfigError(f"OUT={out}: expected a name that ends in {ENDING} or .ply")
    time = _seconds(found.get("time", "0"))
    scene = load_scene(source, convention=convention)
    if out.suffix == ".ply":
        from drivelab.sim.splats.compose import compose, moment_at
        from drivelab.sim.splats.ply import write_ply

        moment = compose(scene, moment_at(scene, time))
        write_ply(moment.gaussians, out)
        print(f"{out}: {len(moment)} Gaussians; labels, sky and motion are not in it")
    else:
        save_scene(scene, out)
        print(f"{out}: {len(scene.static)} static Gaussians, {len(scene.actors)} actors")
    return 0


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ConfigError(f"time={text}: expected seconds")
    return value
