"""What experts drove, kept in the run's folder, so that a resumed run need not drive it again.

Numbers lie in one file. What sensors drew lies in others, one for each feature, row by row, and is
read from the disk a batch at a time: 900 clips of 80 decisions have 4 GB of pictures (three of
96 x 48, four bytes a pixel). They are driven and written in parts, and a run that is broken off
goes on with the part it was at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

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
DRAWN = "expert-{name}.bin"  # a drawn feature of all decisions, one behind the other
PARTS = "expert-parts"  # numbers of the parts that are written, until all are
PART = 32  # clips of a part
TOLD = "drove {} of {} clips by what their experts did"


def drive_experts(course: Course, pupil: Pupil, settings: ReinforcementSettings, say: Say) -> None:
    """Drive the training clips as their experts did, and keep them; what is kept is not driven.

    Raises:
        RunError: no clip can be imitated, or the disk has no room for the pictures.
    """
    folder = settings.folder
    if (folder / EXPERT).is_file():
        return
    drawn = {} if course.seen is None else course.seen.shapes
    files = {name: folder / DRAWN.format(name=name) for name in drawn}
    if drawn:
        bytes_each = sum(prod(shape) for shape in drawn.values())
        _require_room(files.values(), settings.imitated * course.steps * bytes_each)
    say(f"driving {settings.imitated} clips as their experts did")
    drive = partial(_driven, course, pupil, settings, say)
    if not drawn:
        parts = []
        for at in range(0, settings.imitated, MAPS):  # a world at a time, whose maps are let go
            parts.append(drive(range(at, min(at + MAPS, settings.imitated))))
            say(TOLD.format(min(at + MAPS, settings.imitated), settings.imitated))
    else:
        parts = []
        seeds = np.array_split(np.arange(settings.imitated), -(-settings.imitated // PART))
        for number, some in enumerate(seeds):
            file = folder / PARTS / f"{number:04d}.safetensors"
            if not file.is_file():
                before = sum(part.decisions for part in parts)
                _write_part(drive(some.tolist()), before, files, file)
                say(TOLD.format(some[-1] + 1, settings.imitated))
            parts.append(load_clips(file))
    save_clips(DrivenClips.join(parts), folder / EXPERT)
    if (folder / PARTS).is_dir():
        shutil.rmtree(folder / PARTS)


def read_experts(course: Course, folder: Path) -> DrivenClips:
    """What `drive_experts` kept; what was drawn stays on the disk until rows are asked for.

    Raises:
        RunError: a file is missing or damaged.
    """
    clips = load_clips(folder / EXPERT)
    drawn = {
        name: _mapped(folder / DRAWN.format(name=name), (clips.decisions, *shape), folder / EXPERT)
        for name, shape in ({} if course.seen is None else course.seen.shapes).items()
    }
    return replace(clips, features={**clips.features, **drawn})


def _mapped(file: Path, shape: tuple[int, ...], numbers: Path) -> UInt8[np.ndarray, "d *shape"]:
    found, wanted = _size(file), prod(shape)
    if found != wanted:
        raise RunError(
            f"{file} has {found} bytes, expected {wanted} for {shape[0]} decisions; remove it and "
            f"{numbers}: the clips will be driven again"
        )
    return np.asarray(np.memmap(file, np.uint8, "r", shape=shape))


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _require_room(files: Collection[Path], wanted: int) -> None:
    """Refuse what the disk cannot hold; parts that were written by a broken run count."""
    there, folder = sum(map(_size, files)), next(iter(files)).parent
    free = shutil.disk_usage(folder).free
    if wanted - there > free:
        raise RunError(
            f"the experts' pictures take up to {wanted / 1e9:.1f} GB, and {folder} has room for "
            f"{free / 1e9:.1f} GB more; ask for fewer experts=, or name a folder of another disk "
            "by run.dir="
        )


def _driven(
    course: Course, pupil: Pupil, settings: ReinforcementSettings, say: Say, seeds: Sequence[int]
) -> DrivenClips:
    make_core = partial(course.core, settings.environments)
    found = demonstrate(make_core, seeds, steps=course.steps, expert=pupil.expert)
    for dropped in found.dropped:
        say(f"clip {dropped.seed} is left out: {dropped.reason}")
    return found.clips


def _write_part(clips: DrivenClips, before: int, drawn: Mapping[str, Path], file: Path) -> None:
    """What was drawn first, behind that of so many decisions: a part counts with its numbers.

    What a broken run left behind is written over.
    """
    for name, place in drawn.items():
        rows = clips.features[name]
        place.touch()
        wanted = before * rows[0].nbytes
        if _size(place) < wanted:
            raise RunError(
                f"{place} has {_size(place)} bytes, expected {wanted} of {before} decisions that "
                f"were driven; remove it and {file.parent}: the clips will be driven again"
            )
        with place.open("r+b") as stream:
            stream.truncate(wanted)
            stream.seek(0, os.SEEK_END)
            stream.write(np.ascontiguousarray(rows).data)
            stream.flush()
            os.fsync(stream.fileno())
    numbers = {name: array for name, array in clips.features.items() if name not in drawn}
    file.parent.mkdir(exist_ok=True)
    save_clips(replace(clips, features=numbers), file)
