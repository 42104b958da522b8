"""Read npz archives of plain arrays; whatever is wrong with the file is one `DataError`."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from drivelab.errors import DataError

# RuntimeError: zipfile's answer to entries that claim to be encrypted or oddly compressed;
# TypeError: numpy's, where a single array stands in the place of an archive.
_BROKEN = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,
    MemoryError,
    AttributeError,
    TypeError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(file: Path, what: str, *, entry: str = "array") -> dict[str, np.ndarray]:
    """All arrays by name; object arrays are refused.

    Args:
        file: the archive.
        what: what messages say it should be, such as "a rollout".
        entry: what messages call one of its arrays.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            found: dict[str, np.ndarray] = {}
            for name in archive.files:
                if name in found:
                    raise ValueError(f"{entry} {name} occurs twice")
                found[name] = archive[name]
            return found
    except _BROKEN as error:
        raise DataError(
            f"cannot be read as {what}: an npz of plain arrays is expected, this file may be cut "
            f"short or damaged ({error})",
            file=file,
        ) from error
