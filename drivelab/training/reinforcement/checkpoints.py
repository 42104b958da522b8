"""Everything that a learner's next round depends on, kept whole through any interruption.

The window of clips lies in a file of its own, whose name the checkpoint holds: it is written first,
so that a crash between the two leaves the old checkpoint with its old window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from drivelab.agents.learned.tensor_file import write_tensors
from drivelab.errors import DataError, RunError
from drivelab.training.checkpoint import load_facts, load_weights, save_checkpoint
from drivelab.training.reinforcement.learner import Counts, Learner
from drivelab.training.rollouts.clips import DrivenClips
from drivelab.training.run_folder import CHECKPOINT

AGAIN = "remove it, and its clips are driven again"
_COUNTS, _WINDOW = "counts", "window"


def save_learner(learner: Learner, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write weights, optimiser, window and counts below the run's folder."""
    place = folder / CHECKPOINT
    place.mkdir(parents=True, exist_ok=True)
    name = None
    if learner.window.clips is not None:
        name = f"window-{learner.counts.round:06d}.safetensors"
        save_clips(learner.window.clips, place / name)
    told = {**facts, _COUNTS: asdict(learner.counts), _WINDOW: name}
    save_checkpoint(place, learner.network, told, learner.optimizer)
    for old in place.glob("window-*.safetensors"):
        if old.name != name:
            old.unlink()


def resume_learner(learner: Learner, folder: Path) -> dict[str, Any] | None:
    """Go on from what `save_learner` left: the same bits follow on the same machine.

    Returns:
        The facts that were kept with it; None where there is no checkpoint.

    Raises:
        RunError: it is damaged, or of another network.
    """
    place = folder / CHECKPOINT
    facts = load_facts(place)
    if facts is None:
        return None
    try:
        known = {field.name for field in fields(Counts)}
        counts = Counts(**{k: int(v) for k, v in facts[_COUNTS].items() if k in known})
        window = facts[_WINDOW]
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise RunError(
            f"{place}: a checkpoint of something else ({type(error).__name__}: {error}); choose "
            "another run.dir"
        ) from error
    learner.resume(counts)
    load_weights(place, learner.network, learner.optimizer)
    if window is not None:
        learner.window.add(load_clips(place / str(window), f"remove {place} to begin anew"))
    return facts


def save_clips(clips: DrivenClips, file: Path) -> None:
    """Write clips as safetensors, whole or not at all."""
    arrays = clips.arrays().items()
    write_tensors({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays}, file, {})


def load_clips(file: Path, remedy: str = AGAIN) -> DrivenClips:
    """What `save_clips` wrote.

    Args:
        file: to read.
        remedy: told if it is damaged.

    Raises:
        RunError: the file is missing or damaged.
        DataError: it holds other arrays.
    """
    try:
        return DrivenClips.from_arrays(load_file(file))
    except DataError as error:
        raise DataError(f"{error}; {remedy}", file=file) from error
    except Exception as error:  # the reader has exception types of its own
        raise RunError(f"{file} cannot be read ({error}); {remedy}") from error
