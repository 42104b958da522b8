"""The package that is running, as files that travel to other machines."""

from __future__ import annotations

import shutil
from pathlib import Path

import drivelab


def copy_own_package(folder: Path) -> Path:
    """A copy of this drivelab below a folder, links followed and nothing compiled, as Ray takes it.

    Nodes of a cluster that are sent it (`runtime_env={"py_modules": [...]}`) run the code of this
    process, and need the packages that drivelab needs alone.
    """
    own = Path(str(drivelab.__file__)).parent
    return Path(shutil.copytree(
        own, folder / own.name, ignore=shutil.ignore_patterns("__pycache__", "*.nb[ci]")
    ))  # fmt: skip
