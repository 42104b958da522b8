"""What experts drove, kept in the run's folder, so that a resumed run need not drive it again.

Numbers lie in one file. Pictures lie in another, row by row, and are read from the disk a batch at
a time: 900 clips of 80 decisions have 4 GB of them (three of 96 x 48, four bytes a pixel). They are
driven and written in parts, and a run that is broken off goes on with the part it was at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from drivelab.agents.rad.sight import PICTURES
from drivelab.errors import RunError
from drivelab.training.reinforcement.checkpoints import load_clips, save_clips
from drivelab.training.reinforcement.pupil import Pupil
from drivelab.training.reinforcement.settings import ReinforcementSettings, Say
from drivelab.training.rollouts.clips import DrivenClips
from drivelab.training.rollouts.demonstrations import demonstrate
from drivelab.training.rollouts.runner import MAPS

if TYPE_CHECKING:
    from drivelab.training.reinforcement.loop import Course

EXPERT = "expert.safetensors"  # the numbers of all clips
PIXELS = "expert-pictures.bin"  # the pictures of their decisions, one behind the other
PARTS = "expert-parts"  # numbers of the parts that are written, until all are
PART = 32  # clips of a part


def drive_experts(course: Course, pupil: Pupil, settings: ReinforcementSettings, say: Say) -> None:
    """Drive the training clips as their experts did, and keep them; what is kept is not driven.

    Raises:
        RunError: no clip can be imitated, or the disk has no room for the pictures.
    """
    folder = settings.folder
    if (folder / EXPERT).is_file():
        return
    if course.pictures is not None:
        _require_room(folder, settings.clips * course.steps * prod(course.pictures.shape))
    say(f"driving {settings.clips} clips as their experts did")
    course = course.with_action(pupil.expert_action or pupil.action)
    drive = partial(_driven, course, pupil, settings, say)
    if course.pictures is None:
        starts = range(0, settings.clips, MAPS)  # a world at a time, whose maps are let go
        parts = [drive(range(at, min(at + MAPS, settings.clips))) for at in starts]
    else:
        parts = []
        seeds = np.array_split(np.arange(settings.clips), -(-settings.clips // PART))
        for number, some in enumerate(seeds):
            file = folder / PARTS / f"{number:04d}.safetensors"
            if not file.is_file():
                before = sum(part.decisions for part in parts)
                _write_part(drive(some.tolist()), before, folder / PIXELS, file)
                say(f"drove {some[-1] + 1} of {settings.clips} clips as their experts did")
            parts.append(load_clips(file))
    save_clips(DrivenClips.join(parts), folder / EXPERT)
    if (folder / PARTS).is_dir():
        shutil.rmtree(folder / PARTS)


def read_experts(course: Course, folder: Path) -> DrivenClips:
    """What `drive_experts` kept; pictures stay on the disk until rows of them are asked for.

    Raises:
        RunError: a file is missing or damaged.
    """
    clips = load_clips(folder / EXPERT)
    if course.pictures is None:
        return clips
    shape = (clips.decisions, *course.pictures.shape)
    file, wanted = folder / PIXELS, prod(shape)
    found = file.stat().st_size if file.is_file() else 0
    if found != wanted:
        raise RunError(
            f"{file} has {found} bytes, expected {wanted} for {clips.decisions} decisions; remove "
            f"it and {folder / EXPERT}: the clips will be driven again"
        )
    pictures: UInt8[np.ndarray, "d c h w k"] = np.memmap(file, np.uint8, "r", shape=shape)
    return replace(clips, features={**clips.features, PICTURES: np.asarray(pictures)})


def _require_room(folder: Path, wanted: int) -> None:
    """Refuse what the disk cannot hold; parts that were written by a broken run count."""
    written = folder / PIXELS
    there = written.stat().st_size if written.is_file() else 0
    free = shutil.disk_usage(folder).free
    if wanted - there > free:
        raise RunError(
            f"the experts' pictures take up to {wanted / 1e9:.1f} GB, and {folder} has room for "
            f"{free / 1e9:.1f} GB more; ask for fewer clips=, or name a folder of another disk by "
            "run.dir="
        )


def _driven(
    course: Course, pupil: Pupil, settings: ReinforcementSettings, say: Say, seeds: Sequence[int]
) -> DrivenClips:
    make_core = partial(course.core, settings.environments)
    found = demonstrate(make_core, seeds, steps=course.steps, expert=pupil.expert)
    for dropped in found.dropped:
        say(f"clip {dropped.seed} is left out: {dropped.reason}")
    return found.clips


def _write_part(clips: DrivenClips, before: int, pixels: Path, file: Path) -> None:
    """Pictures first, behind those of so many decisions: a part counts once its numbers are there.

    What a broken run left behind them is written over.
    """
    pictures = clips.features[PICTURES]
    pixels.touch()
    with pixels.open("r+b") as stream:
        stream.truncate(before * pictures[0].nbytes)
        stream.seek(0, os.SEEK_END)
        stream.write(np.ascontiguousarray(pictures).data)
        stream.flush()
        os.fsync(stream.fileno())
    numbers = {name: array for name, array in clips.features.items() if name != PICTURES}
    file.parent.mkdir(exist_ok=True)
    save_clips(replace(clips, features=numbers), file)
