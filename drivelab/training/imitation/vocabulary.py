"""The planning vocabulary of a choice of scenes: what `agent.vocabulary=FILE` of VADv2 takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.agents.vadv2.vocabulary import coverage, make_vocabulary, save_vocabulary, spacing
from drivelab.errors import ConfigError
from drivelab.training.feature_cache import FeatureCache


def recorded_drives(cache: FeatureCache, ids: Sequence[str]) -> Float[np.ndarray, "n t 3"]:
    """Recorded poses x, y [m], heading [rad] in the ego frame of scenes."""
    return np.stack([cache.load(scene)["trajectory"] for scene in ids]).astype(float)


def write_vocabulary(cache: FeatureCache, ids: Sequence[str], entries: int, out: Path) -> str:
    """Make a vocabulary of scenes and keep it as npy; all that `drivelab train vocabulary` does.

    Args:
        cache: of the scenes; the sight of `blind(poses, dt)` is enough.
        ids: which of them.
        entries: of the vocabulary, standing still among them.
        out: file that ends in .npy.

    Returns:
        A line that says how far the entries are from each other, and the scenes' drives from them.

    Raises:
        ConfigError: not a npy file, fewer than two entries, or fewer different drives than that.
    """
    check_vocabulary(entries, out)
    recorded = recorded_drives(cache, ids)
    vocabulary = make_vocabulary(recorded, entries)
    save_vocabulary(vocabulary, out)
    away = coverage(recorded, vocabulary)
    return (
        f"{len(vocabulary)} entries, {spacing(vocabulary):.2f} m from one to the next (median); "
        f"{len(recorded):,} drives: on average {away.mean():.2f} m from the nearest, at most "
        f"{away.max():.2f} m; {out}"
    )


def check_vocabulary(entries: int, out: Path) -> None:
    """Refuse what `write_vocabulary` would, before the scenes are read.

    Raises:
        ConfigError: not a npy file, or fewer than two entries.
    """
    if out.suffix != ".npy":
        raise ConfigError(f"out={out}: expected a file that ends in .npy")
    if entries < 2:
        raise ConfigError(f"entries={entries}: expected a whole number, 2 or more")
