"""Read pickles of data without running anything they name.

A pickle is a program. This reader resolves only the names of `_ALLOWED`, and resolves them to
stand-ins of this module that accept exactly what numpy, nuPlan and NAVSIM write: never to the
functions and classes that the file names. In particular

* `numpy.dtype` becomes a stand-in that knows plain numbers, booleans and strings; a real dtype's
  `__setstate__` would let a file describe objects inside raw bytes;
* `numpy.core.multiarray._reconstruct` makes an array subclass whose `__setstate__` checks kind,
  shape and byte count; object and structured arrays are refused;
* `_codecs.encode` is only text to latin-1 bytes, which is how old protocols write array bytes;
* stand-ins refuse new attributes, so that the BUILD opcode cannot alter them.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.errors import DataError, UnsafePickleError

_PLAIN_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[US]\d{1,9})")
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    MemoryError,
    RecursionError,
)


def load_restricted(
    source: str | Path | bytes,
    *,
    name: str | Path | None = None,
    also: Mapping[tuple[str, str], Callable[..., Any] | InertName] | None = None,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Load a pickle of lists, dicts, plain values and numpy arrays.

    Args:
        source: a path, or the bytes of a pickle.
        name: what error messages call the source; default: its path.
        also: (module, name) -> a stand-in for it, beside those of the allow-list. It is called
            with whatever the file says, and must make nothing of it but data; an `InertName` is
            never called.
        persistent: stands in for objects outside the file, by their id; default: they are refused.

    Returns:
        The content. Arrays are of an ndarray subclass (`np.asarray` gives plain ones).

    Raises:
        UnsafePickleError: it names something outside the allow-list, or misuses what is on it.
        DataError: the file cannot be read, is truncated or not a pickle.
    """
    if isinstance(source, bytes):
        data, place = source, name or "pickle"
    else:
        place = name or source
        try:
            data = Path(source).read_bytes()
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror or error}", file=place) from error
    try:
        _refuse_extensions(data)
        return _Restricted(io.BytesIO(data), also or {}, persistent).load()
    except UnsafePickleError as error:
        raise UnsafePickleError(str(error), file=place) from None
    except _BROKEN as error:
        raise DataError(
            f"not a complete pickle ({type(error).__name__}: {error}); the file is truncated or "
            "damaged, fetch it again",
            file=place,
        ) from error


class _Restricted(pickle.Unpickler):
    """An unpickler that finds nothing but the stand-ins below and those it is given."""

    def __init__(
        self,
        stream: io.BytesIO,
        also: Mapping[tuple[str, str], Callable[..., Any] | InertName],
        persistent: Callable[[Any], Any] | None,
    ) -> None:
        super().__init__(stream)
        self._also = {
            key: found if isinstance(found, InertName) else _Call(found)
            for key, found in also.items()
        }
        self._persistent = persistent

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) in self._also:
            return self._also[module, name]
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise UnsafePickleError(
                f"names {module}.{name}, which is not on the allow-list; nothing of it was run"
            ) from None

    def persistent_load(self, pid: Any, /) -> Any:
        if self._persistent is not None:
            return self._persistent(pid)
        raise UnsafePickleError("refers to an object outside the file (persistent id)")


def _refuse_extensions(data: bytes) -> None:
    # The C unpickler takes extension codes that were used before from a cache, past find_class.
    if getattr(copyreg, "_extension_cache", None):
        for opcode, _, _ in pickletools.genops(data):
            if opcode.name.startswith("EXT"):
                raise UnsafePickleError(f"uses the extension registry (opcode {opcode.name})")


class _Sealed(type):
    """Metaclass of the stand-ins: their attributes cannot be set from a pickle."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of {cls.__name__}")


class _Call(metaclass=_Sealed):
    """A callable without settable attributes; plain functions let BUILD change their defaults."""

    __slots__ = ("_run",)
    _run: Callable[..., Any]

    def __init__(self, run: Callable[..., Any]) -> None:
        object.__setattr__(self, "_run", run)

    def __call__(self, *args: Any) -> Any:
        return self._run(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of {self._run.__name__.strip('_')}")

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError(f"sets the state of {self._run.__name__.strip('_')}")


class _Dtype(metaclass=_Sealed):
    """What a file says about an array's elements; only plain kinds get through."""

    __slots__ = ("plain",)
    plain: np.dtype[Any]

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, tuple) and 6 <= len(state) <= 9):
            raise UnsafePickleError("gives a dtype an unknown state")
        order, (subarray, names, fields) = state[1], state[2:5]
        if subarray is not None or names is not None or fields is not None:
            raise UnsafePickleError("holds a structured dtype; only plain arrays are read")
        if order not in ("<", ">", "|", "="):
            raise UnsafePickleError(f"gives a dtype the byte order {order!r}")
        object.__setattr__(self, "plain", self.plain.newbyteorder(order))


def _make_dtype(spec: Any, *flags: Any) -> _Dtype:
    if not (isinstance(spec, str) and _PLAIN_DTYPE.fullmatch(spec)):
        raise UnsafePickleError(f"holds an array of dtype {spec!r}; only plain arrays are read")
    made = _Dtype()
    object.__setattr__(made, "plain", np.dtype(spec))
    return made


def _plain(dtype: Any) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise UnsafePickleError(f"uses {type(dtype).__name__} in the place of a dtype")
    return dtype.plain


class _Array(np.ndarray, metaclass=_Sealed):
    """A plain array that checks what the pickle fills it with."""

    def __setstate__(self, state: Any, /) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            raise UnsafePickleError("gives an array an unknown state")
        _, shape, dtype, fortran, data = state
        plain = _plain(dtype)
        if not isinstance(data, bytes):
            raise UnsafePickleError(f"fills an array from {type(data).__name__}, not from bytes")
        if len(data) != _count(shape) * plain.itemsize:
            raise ValueError(f"{len(data)} bytes for an array of shape {shape} of {plain}")
        checked: Any = (1, shape, plain, bool(fortran), data)
        super().__setstate__(checked)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of an array")


def _count(shape: Any) -> int:
    """Number of elements of a shape, as a Python integer that cannot overflow."""
    count = 1
    if not isinstance(shape, tuple):
        raise UnsafePickleError(f"gives an array the shape {shape!r}")
    for size in shape:
        if type(size) is not int or size < 0:
            raise UnsafePickleError(f"gives an array the shape {shape!r}")
        count *= size
    return count


def _reconstruct(subtype: Any, shape: Any, typecode: Any) -> _Array:
    if subtype is not _NDARRAY or shape != (0,) or typecode not in (b"b", "b"):
        raise UnsafePickleError("calls numpy's _reconstruct for something else than an array")
    return _Array((0,), np.int8)


def _frombuffer(buffer: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    plain = _plain(dtype)
    if not isinstance(buffer, bytes | bytearray) or order not in ("C", "F"):
        raise UnsafePickleError("calls numpy's _frombuffer for something else than an array")
    if len(buffer) != _count(shape) * plain.itemsize:
        raise ValueError(f"{len(buffer)} bytes for an array of shape {shape} of {plain}")
    flat = np.frombuffer(buffer, plain) if buffer else np.empty(0, plain)
    return flat.reshape(shape, order=order).view(_Array)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    plain = _plain(dtype)
    if not isinstance(data, bytes) or len(data) != plain.itemsize:
        raise UnsafePickleError(f"makes a scalar of {plain} from {type(data).__name__}")
    return np.frombuffer(data, plain)[0] if data else np.zeros((), plain)[()]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise UnsafePickleError(f"calls _codecs.encode with encoding {encoding!r}, not latin1")
    return text.encode("latin1")


def _ndarray(*args: Any) -> Any:
    raise UnsafePickleError("calls numpy.ndarray; arrays are made by _reconstruct only")


class InertRecord(metaclass=_Sealed):
    """Attributes that a pickle gives to an instance of a class that is not here."""

    __slots__ = ("fields",)
    fields: dict[str, Any]

    def __new__(cls) -> InertRecord:
        """An instance without fields; the pickle sets them next."""
        made = super().__new__(cls)
        object.__setattr__(made, "fields", {})
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of {type(self).__name__}")

    def __setstate__(self, state: Any) -> None:
        if not (isinstance(state, dict) and all(isinstance(key, str) for key in state)):
            raise UnsafePickleError(f"gives {type(self).__name__} a state that is not a dict")
        object.__setattr__(self, "fields", dict(state))


class InertName(metaclass=_Sealed):
    """A class or function that a pickle names as data, and can do nothing with."""

    __slots__ = ("name",)
    name: str

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise UnsafePickleError(f"sets attribute {name!r} of {self.name}")

    def __setstate__(self, state: Any) -> None:
        raise UnsafePickleError(f"sets the state of {self.name}")

    def __call__(self, *_given: Any) -> Any:
        """Refused: it is a name only."""
        raise UnsafePickleError(f"calls {self.name}, which is read as a name only")


class TrajectoryRecord(InertRecord):
    """`navsim.common.dataclasses.Trajectory` as data: poses, trajectory_sampling."""

    __slots__ = ()


class SamplingRecord(InertRecord):
    """nuPlan's `TrajectorySampling` as data: num_poses, time_horizon, interval_length."""

    __slots__ = ()


_NDARRAY = _Call(_ndarray)
_CORES = ("numpy.core", "numpy._core")  # numpy 1 and numpy 2 spelling
_ALLOWED: dict[tuple[str, str], Any] = {
    **{(f"{core}.multiarray", "_reconstruct"): _Call(_reconstruct) for core in _CORES},
    **{(f"{core}.multiarray", "scalar"): _Call(_scalar) for core in _CORES},
    **{(f"{core}.numeric", "_frombuffer"): _Call(_frombuffer) for core in _CORES},
    ("numpy", "dtype"): _Call(_make_dtype),
    ("numpy", "ndarray"): _NDARRAY,
    ("_codecs", "encode"): _Call(_encode),
    ("nuplan.database.common.data_types", "Translation"): list,
    ("nuplan.database.common.data_types", "Rotation"): list,
    ("nuplan.database.common.data_types", "CameraIntrinsic"): list,
    ("navsim.common.dataclasses", "Trajectory"): TrajectoryRecord,
    (
        "nuplan.planning.simulation.trajectory.trajectory_sampling",
        "TrajectorySampling",
    ): SamplingRecord,
}
