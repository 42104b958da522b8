"""Compiled code on disk is used only while everything that went into it is unchanged.

Numba looks at the file of a compiled function alone, but the code of the functions it calls is
compiled into it. Here the stamp of a kernel covers its file and all kernel files it imports, so an
edit or an upgrade never meets code that was compiled for the files before.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import caching

ROOT = Path(__file__).resolve().parent
_IMPORT = re.compile(r"^\s*from drivelab\.kernels(\.[\w.]+)? import (.*)", re.MULTILINE)


class _Stamped:
    """Mix-in for numba's cache locators: a stamp of contents instead of one file's date."""

    _py_file: str

    def get_source_stamp(self) -> str:
        """Digest of the function's file and of the kernels it imports."""
        return stamp(Path(self._py_file).resolve())

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Only for files of drivelab; all others keep numba's own locators."""
        file = Path(py_file).resolve()
        if not (file.is_file() and _is_ours(file)):
            return None
        return super().from_function(py_func, py_file)  # type: ignore[misc]


def stamp(file: Path) -> str:
    """Digest of a source file and of all kernel files that it imports, directly or not."""
    digest = hashlib.sha256()
    for path in sorted(_closure(file)):
        digest.update(path.name.encode() + b"\0" + _content(path) + b"\0")
    return digest.hexdigest()


def install() -> None:
    """Put the stamped locators before numba's own."""
    own = []
    for name in ("UserProvidedCacheLocator", "InTreeCacheLocator", "UserWideCacheLocator"):
        base = getattr(caching, name, None) or getattr(caching, f"_{name}", None)
        if base is not None:
            own.append(type(f"Stamped{name}", (_Stamped, base), {}))
    holder = getattr(caching, "CacheImpl", None) or getattr(caching, "_CacheImpl", None)
    if holder is None or any(issubclass(c, _Stamped) for c in holder._locator_classes):
        return
    holder._locator_classes = [*own, *holder._locator_classes]


def _is_ours(file: Path) -> bool:
    return b"drivelab.kernels" in _content(file) or ROOT in file.parents


def _closure(file: Path) -> set[Path]:
    found, waiting = {file}, [file]
    while waiting:
        for path in _imports(waiting.pop()):
            if path not in found:
                found.add(path)
                waiting.append(path)
    return found


@cache
def _imports(file: Path) -> tuple[Path, ...]:
    """Kernel files that a file imports from."""
    paths = []
    for module, names in _IMPORT.findall(_content(file).decode()):
        place = ROOT.joinpath(*module.strip(".").split(".")) if module else ROOT
        if place.with_suffix(".py").is_file():
            paths.append(place.with_suffix(".py"))
        for name in re.findall(r"\w+", names):
            if (place / f"{name}.py").is_file():
                paths.append(place / f"{name}.py")
    return tuple(paths)


@cache
def _content(file: Path) -> bytes:
    return file.read_bytes()
