"""Tensors written as safetensors: the file is whole, or as it was before."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from drivelab.errors import RunError

_NUMBER = re.compile(r"\(os error (\d+)\)")  # how the writer tells what the system refused


def write_tensors(tensors: Mapping[str, Tensor], file: Path, metadata: Mapping[str, str]) -> None:
    """Write contiguous tensors that share no memory, and texts beside them.

    The same tensors and texts make the same bytes.

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
        with part.open("rb+") as stream:
            _sort_texts(stream)
            os.fsync(stream.fileno())
        os.replace(part, file)
    except SafetensorError as error:
        raise _refused(error, file) from error
    finally:
        part.unlink(missing_ok=True)


def _sort_texts(stream: BinaryIO) -> None:
    """Put the texts of a file in order: the writer mixes them anew each time."""
    size = int.from_bytes(stream.read(8), "little")
    header = json.loads(stream.read(size))
    if "__metadata__" not in header:
        return
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    told = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    if len(told) <= size:  # always, as both escape alike; longer, it would reach into the tensors
        stream.seek(8)
        stream.write(told.ljust(size))


def _refused(error: SafetensorError, file: Path) -> Exception:
    """As Python's own files tell it, so that a full disk is one everywhere."""
    found = _NUMBER.search(str(error))
    if found is None:
        return RunError(f"{file} cannot be written: {error}")
    number = int(found.group(1))
    return OSError(number, os.strerror(number), str(file))
