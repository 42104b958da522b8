"""`drivelab train anchors`: recorded trajectories -> the centres that a network plans from."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.agents.learned.sight import blind
from drivelab.cli.console import speaker
from drivelab.cli.imitation_run import filled, lesson_of
from drivelab.errors import ConfigError
from drivelab.training.imitation.anchors import cluster, save_anchors, trajectories_of


def anchors_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    numbers = whole_numbers(config, {"modes": 1, "poses": 1, "seed": 0})
    dt, out = step_of(config), new_array_file(config)
    say = speaker(config)
    lesson = lesson_of(config, blind(numbers["poses"], dt), tried=1)
    lesson = filled(lesson, config["builders"], say)
    found = trajectories_of(lesson.train, lesson.train_ids)
    anchors = cluster(found, numbers["modes"], seed=numbers["seed"])
    save_anchors(anchors, out)
    away = np.linalg.norm(found[:, None] - anchors[None], axis=-1).mean(-1).min(-1)
    print(
        f"{len(anchors)} anchors of {len(found):,} trajectories: on average {away.mean():.2f} m "
        f"from the nearest, at most {away.max():.2f} m; {out}"
    )
    return 0


def whole_numbers(config: Mapping[str, Any], least: Mapping[str, int]) -> dict[str, int]:
    """Options that are whole numbers, each at least so large."""
    for name, low in least.items():
        if type(config[name]) is not int or config[name] < low:
            raise ConfigError(f"{name}={config[name]!r}: expected a whole number, {low} or more")
    return {name: config[name] for name in least}


def step_of(config: Mapping[str, Any]) -> float:
    """Seconds between two poses."""
    dt = config["dt"]
    if isinstance(dt, bool) or not isinstance(dt, int | float) or not 0 < dt < inf:
        raise ConfigError(f"dt={dt!r}: expected seconds above 0")
    return float(dt)


def new_array_file(config: Mapping[str, Any]) -> Path:
    """Where the array goes: refused before features are built for nothing."""
    out = Path(str(config["out"]))
    if out.suffix != ".npy":
        raise ConfigError(f"out={out}: expected a file that ends in .npy")
    if out.exists():
        raise ConfigError(f"out={out}: is there already; move it away, or name another file")
    return out
