"""`drivelab splat convert`: from any format of Gaussians that is read to any that is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError


def run(words: Sequence[str]) -> int:
    """Write the other format."""
    from drivelab.kernels.splat.settings import CONVENTIONS
    from drivelab.sim.splats.files import load_scene
    from drivelab.sim.splats.formats.table import written_as

    found = read_words(words, ("time", "convention", "version"), places=("IN", "OUT"))
    if "IN" not in found or "OUT" not in found:
        raise ConfigError("expected: drivelab splat convert IN OUT")
    source, out = Path(found["IN"]), Path(found["OUT"])
    convention = found.get("convention")
    if convention not in (None, *CONVENTIONS):
        raise ConfigError(f"convention={convention}: expected {' or '.join(CONVENTIONS)}")
    kind = written_as(out)
    options = _version(found, kind.name)
    time = _seconds(found.get("time", "0"))
    if kind.whole and "time" in found:
        raise ConfigError(f"time= picks a moment for Gaussians alone; {out.name} keeps all moments")
    scene = load_scene(source, convention=convention)
    if kind.whole:
        kind.write(scene, out)
        print(f"{out}: {len(scene.static)} static Gaussians, {len(scene.actors)} actors")
        return 0
    from drivelab.sim.splats.compose import compose, moment_at

    moment = compose(scene, moment_at(scene, time))
    if not len(moment):
        raise ConfigError(f"time={time:g}: nothing of {source} is there at that moment")
    kind.write(moment.gaussians, out, **options)
    print(f"{out}: {len(moment)} Gaussians; labels, sky and motion are not in it")
    print(f"rounded or lost in {kind.name}: {kind.loses}")
    return 0


def _version(found: Mapping[str, str], name: str) -> dict[str, int]:
    """The option of SPZ."""
    if "version" not in found:
        return {}
    from drivelab.sim.splats.formats.spz import WRITTEN

    if name != "spz":
        raise ConfigError(f"version= is for OUT.spz; {name} has one version")
    if found["version"] not in map(str, WRITTEN):
        raise ConfigError(f"version={found['version']}: expected 3 (gzip) or 4 (zstd)")
    return {"version": int(found["version"])}


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise ConfigError(f"time={text}: expected seconds")
    return value
