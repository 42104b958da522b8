"""The package that is running, as files that travel to other machines."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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


@contextmanager
def package_sent(ship: bool) -> Iterator[dict[str, Any]]:
    """What `ray.init` is told to send this drivelab to all nodes; nothing unless `ship`."""
    with TemporaryDirectory() as folder:  # Ray has taken its copy when `init` is done
        if not ship:
            yield {}
        else:
            yield {"runtime_env": {"py_modules": [str(copy_own_package(Path(folder)))]}}
