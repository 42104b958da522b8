"""Tensors written as safetensors: the file is whole, or as it was before."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from drivelab.errors import RunError

_NUMBER = re.compile(r"\(os error (\d+)\)")  # how the writer tells what the system refused


def write_tensors(tensors: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    """Write contiguous tensors that share no memory, and texts beside them.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
        RunError: it cannot be written for another reason.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        part.touch()
        mode = part.stat().st_mode
        save_file(dict(tensors), part, metadata=dict(metadata))
        part.chmod(mode)  # the writer's files are for their owner alone: no other could load them
        with part.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(part, file)
    except SafetensorError as error:
        raise _refused(error, file) from error
    finally:
        part.unlink(missing_ok=True)


def _refused(error: SafetensorError, file: Path) -> Exception:
    """As Python's own files tell it, so that a full disk is one everywhere."""
    found = _NUMBER.search(str(error))
    if found is None:
        return RunError(f"{file} cannot be written: {error}")
    number = int(found.group(1))
    return OSError(number, os.strerror(number), str(file))
