"""Checkpoints of torch.save as numbers, read without torch and without running anything.

A checkpoint is a zip of one pickle and of the raw bytes of each storage. The pickle goes through
the allow-list of `drivelab.data.unpickle`; tensors become notes of where their bytes lie, and are
read when somebody asks for them. Storages are not compressed, so that none is larger than the file.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.data.unpickle import InertName, load_restricted
from drivelab.errors import DataError, UnsafePickleError
from drivelab.sim.splats.formats.bundle import BROKEN
from drivelab.sim.splats.memory import require_memory

LONGEST = 64 << 20  # bytes of the pickle, which names the tensors but does not hold them
MOST_AXES = 8
CONVERT = (
    "a checkpoint with objects of other programs is not read: where it was made, load it with "
    "torch.load(FILE, weights_only=False), keep the tensors, numbers and texts, and torch.save "
    "those; or export a PLY there"
)
_BFLOAT = "bfloat16"
_KINDS = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": _BFLOAT,
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1",
    "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip


class _Sealed:
    """What a pickle gets hold of and cannot change."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of {type(self).__name__}")

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError(f"sets the state of {type(self).__name__}")


class _Storage(_Sealed):
    """Raw numbers of the archive: their entry, type and count."""

    __slots__ = ("count", "entry", "kind")
    entry: str
    kind: str
    count: int

    def __init__(self, entry: str, kind: str, count: int) -> None:
        for name, value in (("entry", entry), ("kind", kind), ("count", count)):
            object.__setattr__(self, name, value)


class StoredTensor(_Sealed):
    """A tensor that has not been read yet.

    Attributes:
        shape: of the tensor.
    """

    __slots__ = ("_file", "_offset", "_storage", "_strides", "shape")
    shape: tuple[int, ...]
    _file: Path
    _offset: int
    _storage: _Storage
    _strides: tuple[int, ...]

    def __init__(
        self, file: Path, storage: _Storage, offset: int, shape: tuple[int, ...],
        strides: tuple[int, ...],
    ) -> None:  # fmt: skip
        values = (file, storage, offset, shape, strides)
        for name, value in zip(("_file", "_storage", "_offset", "shape", "_strides"), values,
                               strict=True):  # fmt: skip
            object.__setattr__(self, name, value)

    def array(self) -> np.ndarray:
        """Its numbers, in an array of their own.

        Raises:
            DataError: its bytes are missing, damaged, packed, or more than the memory holds.
        """
        held = self._storage
        raw = _entry(self._file, held.entry, most=8 * held.count + 8)
        if held.kind == _BFLOAT:
            flat: np.ndarray = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            flat = np.frombuffer(raw, held.kind) if len(raw) % np.dtype(held.kind).itemsize == 0 \
                else np.zeros(0)  # fmt: skip
        if len(flat) != held.count:
            raise DataError(f"{len(raw)} bytes for {held.count} numbers of {held.kind}; damaged, "
                            "fetch it again", file=self._file, where=held.entry)  # fmt: skip
        steps = [step * flat.itemsize for step in self._strides]
        return np.lib.stride_tricks.as_strided(flat[self._offset :], self.shape, steps).copy()


class _Table(dict[Any, Any]):
    """An OrderedDict as data; what a pickle sets on it besides its items is passed over."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of a table")

    def __setstate__(self, state: Any) -> None:
        return


def read_checkpoint_data(path: str | Path) -> Any:
    """What torch.save wrote: lists, tuples, tables, plain values, numpy arrays, `StoredTensor`s.

    Raises:
        UnsafePickleError: it names something that is neither data nor a tensor; nothing of it was
            run, and the message says how to convert it.
        DataError: no such file, no such archive, written by an old torch, truncated or damaged.
    """
    file = Path(path)
    root = _root(file)
    script = _entry(file, f"{root}data.pkl", most=LONGEST)
    try:
        return load_restricted(script, name=file, also=_makers(file, root),
                               persistent=_storages(root))  # fmt: skip
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{error}; {CONVERT}") from None


def _root(file: Path) -> str:
    """The folder within the archive that everything lies in, with its slash."""
    try:
        with file.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    if start[:2] == b"\x80\x02":
        raise DataError("was written by torch before 1.6, or in its old form: load and torch.save "
                        "it once more with a newer one", file=file)  # fmt: skip
    names = _names(file)
    scripts = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(scripts) != 1:
        raise DataError("is a zip without the data.pkl of torch.save; not a checkpoint", file=file)
    root = scripts[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in names:
        raise DataError("holds a TorchScript program, not weights", file=file)
    if f"{root}byteorder" in names and _entry(file, f"{root}byteorder", most=16) != b"little":
        raise DataError("holds numbers of a big-endian machine; save it again on another",
                        file=file)  # fmt: skip
    return root


def _names(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except BROKEN as error:
        raise DataError(f"is no checkpoint of torch.save, or no whole one ({error}); fetch it "
                        "again", file=file) from error  # fmt: skip


def _entry(file: Path, name: str, *, most: int) -> bytes:
    """The bytes of an entry that is not packed, which torch never does."""
    try:
        with zipfile.ZipFile(file) as archive:
            entry = archive.getinfo(name)
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > most:
                raise DataError(
                    f"is packed, or of {entry.file_size} bytes where at most {most} can be meant; "
                    "not written by torch.save, or damaged",
                    file=file, where=name,
                )  # fmt: skip
            require_memory(2 * entry.file_size, file=file, what=name)
            return archive.read(entry)
    except KeyError:
        raise DataError("is not in it; truncated or damaged, fetch it again", file=file,
                        where=name[:60]) from None  # fmt: skip
    except BROKEN as error:
        raise DataError(f"cannot be read ({error}); damaged, fetch it again", file=file,
                        where=name[:60]) from error  # fmt: skip


def _storages(root: str) -> Callable[[Any], _Storage]:
    def storage(found: Any) -> _Storage:
        if not (isinstance(found, tuple) and len(found) == 5 and found[0] == "storage"):
            raise UnsafePickleError("refers to an object outside the file that is no storage")
        _, kind, key, _, count = found
        if not isinstance(kind, InertName) or type(key) is not str or not key.isdecimal():
            raise UnsafePickleError("refers to a storage of an unknown kind or name")
        if type(count) is not int or count < 0:
            raise UnsafePickleError(f"refers to a storage of {count!r} numbers")
        return _Storage(f"{root}data/{key}", kind.name, count)

    return storage


def _makers(file: Path, root: str) -> Mapping[tuple[str, str], Callable[..., Any] | InertName]:
    """Stand-ins for what tensors are made of."""

    def tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_rest: Any) -> StoredTensor:
        return _tensor(file, storage, offset, shape, strides)

    def parameter(data: Any, *_rest: Any) -> Any:
        return data

    def table(*given: Any) -> _Table:
        return _Table(*given)

    def size(given: Any = ()) -> tuple[Any, ...]:
        return tuple(given)

    return {
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("collections", "OrderedDict"): table,
        ("torch", "Size"): size,
        **{("torch", name): InertName(kind) for name, kind in _KINDS.items()},
    }


def _tensor(file: Path, storage: Any, offset: Any, shape: Any, strides: Any) -> StoredTensor:
    """A tensor all of whose numbers lie within its storage."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise UnsafePickleError("makes a tensor from something else than a storage and counts")
    if len(shape) != len(strides) or len(shape) > MOST_AXES:
        raise UnsafePickleError(f"makes a tensor of shape {shape} with {len(strides)} strides")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    count = prod(shape)
    if count and (last >= storage.count or count > storage.count):
        raise DataError(f"a tensor of shape {tuple(shape)} reaches beyond its {storage.count} "
                        "numbers; damaged, fetch it again", file=file)  # fmt: skip
    return StoredTensor(file, storage, offset, tuple(shape), tuple(strides))
