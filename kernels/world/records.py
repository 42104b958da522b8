"""Named tuples of arrays that compiled functions take by reference.

Numba hands a tuple of seventy arrays to a function by its seventy array headers, and compiling one
such call takes a second. A `Record` goes as one pointer, whose fields are read where they are used;
the kernels of the world compile ten times as fast. On the Python side it stays a named tuple.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.typing.typeof import typeof_impl
from numba.experimental import structref
from numba.extending import overload


class Record:
    """Mix-in for a named tuple of arrays; `define_record` ties it to its compiled type."""

    _native: Any = None
    _make_native: Callable[[tuple[Any, ...]], Any]

    @property
    def _meminfo(self) -> Any:
        """What numba unboxes; the compiled copy of the array headers is made once."""
        if self._native is None:
            self._native = type(self)._make_native(tuple(self))  # type: ignore[arg-type]
        return self._native._meminfo

    @property
    def _numba_type_(self) -> Any:
        return self._native._type if self._native is not None else self._typed()

    def _typed(self) -> Any:
        _ = self._meminfo
        return self._native._type

    def __getstate__(self) -> None:
        """Pickles and copies carry the arrays only."""


def define_record(record: type, struct: type[types.StructRef], make: Callable[..., Any]) -> None:
    """Let compiled functions take instances of `record` as references of type `struct`.

    Args:
        record: a named tuple with the mix-in `Record`.
        struct: an importable subclass of `StructRef`, so that compiled code can be cached.
        make: compiled function from the plain tuple of fields to the struct: a call of
            `build_struct` with `struct`'s name, kept in a file of its own for the cache.
    """
    structref.register(struct)
    structref.define_boxing(struct, structref.StructRefProxy)
    record._make_native = staticmethod(make)  # type: ignore[attr-defined]
    typeof_impl.register(record)(lambda value, _: value._numba_type_)


def struct_builder(struct: type[types.StructRef], names: tuple[str, ...]) -> Callable[..., Any]:
    """A function for compiled code: plain tuple of fields -> reference."""

    def build(fields: tuple[Any, ...]) -> Any:
        raise NotImplementedError("only compiled code can build a reference")

    @overload(build)
    def _build(fields):  # type: ignore[no-untyped-def]
        instance = struct(list(zip(names, fields.types, strict=True)))
        lines = ["def impl(fields):", "    made = new(instance)"]
        lines += [f"    made.{name} = fields[{i}]" for i, name in enumerate(names)]
        lines += ["    return made"]
        scope: dict[str, Any] = {"new": structref.new, "instance": instance}
        exec("\n".join(lines), scope)  # the names are fields of our own classes
        return scope["impl"]

    return build
