"""The restricted unpickler: data comes through, programs do not."""

from __future__ import annotations

import copyreg
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from drivelab.data.unpickle import TrajectoryRecord, load_restricted
from drivelab.errors import DataError, UnsafePickleError

ARRAYS = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_, np.dtype("<U5")]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


class Call:
    """Pickles as a call of any callable, as an attacker writes it."""

    def __init__(self, run: Any, *args: Any) -> None:
        self.run, self.args = run, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.run, self.args


def call_by_name(module: str, name: str, *arguments: str) -> bytes:
    """A protocol 4 pickle `module.name(*arguments)`; the name need not exist here."""
    texts = b"".join(b"X" + len(a.encode()).to_bytes(4, "little") + a.encode() for a in arguments)
    names = b"".join(
        b"X" + len(part).to_bytes(4, "little") + part.encode() for part in (module, name)
    )
    return b"\x80\x04" + names + b"\x93(" + texts + b"tR."


@given(array=ARRAYS, protocol=st.integers(0, 5))
def test_arrays_come_back_equal(array: np.ndarray, protocol: int) -> None:
    assume(protocol >= 3 or array.nbytes)  # see the next test
    found = load_restricted(pickle.dumps({"a": [array]}, protocol=protocol))["a"][0]
    np.testing.assert_array_equal(found, array)
    assert np.asarray(found).dtype == array.dtype
    assert type(np.asarray(found)) is np.ndarray


def outcome(data: bytes) -> str:
    """What reading gives; any error but DataError goes through and fails the test."""
    try:
        load_restricted(data)
    except DataError as error:
        return "refused" if str(error).startswith("pickle: ") else str(error)
    return "content"


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_empty_arrays_of_old_protocols_name_builtins_and_are_refused(protocol: int) -> None:
    """Python writes empty bytes as a call of `bytes` there, and no builtin is on the list."""
    with pytest.raises(UnsafePickleError, match=r"__builtin__\.bytes"):
        load_restricted(pickle.dumps(np.empty((0, 7)), protocol=protocol))


@given(array=ARRAYS, protocol=st.integers(3, 5))
def test_fortran_order_and_scalars_come_back_equal(array: np.ndarray, protocol: int) -> None:
    turned = np.asfortranarray(array)
    content = [turned, *array.ravel()[:2]]
    found = load_restricted(pickle.dumps(content, protocol=protocol))
    np.testing.assert_array_equal(found[0], turned)
    assert found[1:] == content[1:] or any(x != x for x in content[1:])
    assert [type(x) for x in found[1:]] == [type(x) for x in content[1:]]


def test_big_endian_numbers_keep_their_value() -> None:
    found = load_restricted(pickle.dumps(np.array([1.5, -2.0], ">f8")))
    assert found.tolist() == [1.5, -2.0]


@pytest.mark.parametrize("spelling", ["numpy.core", "numpy._core"])
def test_both_numpy_spellings_are_read(spelling: str) -> None:
    data = pickle.dumps(np.arange(3.0), protocol=2)
    other = "numpy._core" if b"numpy._core" in data else "numpy.core"
    assert load_restricted(data.replace(other.encode(), spelling.encode())).tolist() == [0, 1, 2]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("run", "named"),
    [
        (os.system, f"{os.system.__module__}.system"),
        (eval, "builtins.eval"),
        (exec, "builtins.exec"),
        (getattr, "builtins.getattr"),
        (__import__, "builtins.__import__"),
        (os.mkdir, f"{os.mkdir.__module__}.mkdir"),
    ],
)
def test_a_reduce_bomb_is_refused_by_name_and_nothing_runs(
    tmp_path: Path, run: Any, named: str, protocol: int
) -> None:
    marker = tmp_path / "marker"
    command = {
        os.system: f"mkdir {marker}",
        os.mkdir: str(marker),
    }.get(run, f"__import__('os').mkdir({str(marker)!r})")
    data = pickle.dumps([1, Call(run, command)], protocol=protocol)
    module, name = named.split(".")
    with pytest.raises(UnsafePickleError, match=rf"names (__builtin__|{module})\.{name}"):
        load_restricted(data)
    assert not marker.exists()
    if run not in (getattr, __import__):
        pickle.loads(data)  # the bomb is real: the standard reader runs it
        assert marker.exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "list"),
        ("posix", "system"),
        ("nt", "system"),
        ("subprocess", "Popen"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.testing", "runstring"),
        ("numpy.f2py.crackfortran", "myeval"),
        ("numpy.f2py.capi_maps", "load_f2cmap_file"),
        ("numpy.distutils.exec_command", "exec_command"),
        ("numpy", "load"),
        ("numpy", "memmap"),
        ("numpy", "ndarray.tofile"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.core.multiarray", "scalar.__class__"),
        ("numpy.core.records", "fromfile"),
        ("numpy.ma.core", "_mareconstruct"),
        ("_codecs", "lookup"),
        ("_codecs", "decode"),
        ("copyreg", "_reconstructor"),
        ("copyreg", "__newobj__"),
        ("pickle", "loads"),
        ("operator", "attrgetter"),
        ("functools", "partial"),
        ("nuplan.database.common.data_types", "Box3D"),
        ("navsim.common.dataclasses", "Scene"),
        ("pathlib", "PosixPath"),
    ],
)
def test_a_name_outside_the_list_is_refused(module: str, name: str) -> None:
    with pytest.raises(UnsafePickleError, match=f"names {module}.{name}, which is not on"):
        load_restricted(call_by_name(module, name, "open('x', 'w')"), name="log.pkl")


def test_the_error_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "bad.pkl"
    file.write_bytes(pickle.dumps(Call(os.getcwd)))
    with pytest.raises(UnsafePickleError, match=r"bad\.pkl: names"):
        load_restricted(file)


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}, None], object),
        np.zeros(2, [("a", "f8"), ("b", "O")]),
        np.zeros(2, [("a", "f8")]),
        np.zeros(2, "V8"),
        np.zeros(2, "M8[s]"),
        np.array([1 + 2j]),
    ],
    ids=lambda array: str(array.dtype),
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_object_and_structured_arrays_are_refused(array: np.ndarray, protocol: int) -> None:
    with pytest.raises(UnsafePickleError, match="only plain arrays"):
        load_restricted(pickle.dumps(array, protocol=protocol))


def test_masked_arrays_and_other_subtypes_are_refused() -> None:
    with pytest.raises(UnsafePickleError):
        load_restricted(pickle.dumps(np.ma.masked_array([1.0, 2.0], [True, False])))
    plain = pickle.dumps(np.arange(2.0), protocol=2)
    swapped = plain.replace(b"cnumpy\nndarray", b"cnumpy\ndtype")
    assert swapped != plain
    with pytest.raises(UnsafePickleError, match="_reconstruct"):
        load_restricted(swapped)


@pytest.mark.parametrize(
    ("target", "state"),
    [
        (b"cnumpy\ndtype\n", b"}X\x01\x00\x00\x00aK\x01s"),
        (b"c_codecs\nencode\n", b"(N}X\x0c\x00\x00\x00__defaults__K\x01st"),
        (b"cnavsim.common.dataclasses\nTrajectory\n", b"(N}X\x0c\x00\x00\x00__setstate__K\x01st"),
        (b"cnuplan.database.common.data_types\nRotation\n", b"(N}X\x06\x00\x00\x00appendK\x01st"),
    ],
)
def test_build_cannot_change_what_the_names_mean(target: bytes, state: bytes) -> None:
    data = b"\x80\x02" + target + state + b"b."
    assert list(pickletools.genops(data))[-1][0].name == "STOP"  # a well-formed pickle
    with pytest.raises(DataError):
        load_restricted(data)
    record = pickle.dumps(np.arange(2.0))
    assert load_restricted(record).tolist() == [0, 1]


def test_build_on_a_finished_array_is_checked_again() -> None:
    array = pickle.dumps(np.arange(4, dtype=np.int64), protocol=4)[:-1]
    for state in (
        b"(N}X\x05\x00\x00\x00shapeK\x02st",  # slot state: setattr(array, "shape", 2)
        b"(N}X\x07\x00\x00\x00stridesK\x7fst",
    ):
        with pytest.raises(UnsafePickleError, match=r"sets attribute|unknown state"):
            load_restricted(array + state + b"b.")


def test_records_take_only_dicts_of_names() -> None:
    head = b"\x80\x02cnavsim.common.dataclasses\nTrajectory\n)\x81"
    found = load_restricted(head + b"}X\x05\x00\x00\x00posesK\x07sb.")
    assert type(found) is TrajectoryRecord
    assert found.fields == {"poses": 7}
    with pytest.raises(UnsafePickleError, match="not a dict"):
        load_restricted(head + b"]b.")


def test_codec_is_latin1_only() -> None:
    with pytest.raises(UnsafePickleError, match="not latin1"):
        load_restricted(call_by_name("_codecs", "encode", "abc", "unicode_escape"))
    assert load_restricted(call_by_name("_codecs", "encode", "\xe9", "latin1")) == b"\xe9"


def test_an_array_larger_than_its_bytes_is_refused() -> None:
    data = pickle.dumps(np.zeros(3, np.uint8), protocol=2)
    grown = data.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85")  # shape (3,) -> (2**31 - 1,)
    assert grown != data
    with pytest.raises(DataError, match="3 bytes for an array of shape"):
        load_restricted(grown)


def test_persistent_ids_and_extensions_are_refused() -> None:
    with pytest.raises(UnsafePickleError, match="persistent id"):
        load_restricted(b"\x80\x02X\x01\x00\x00\x00aQ.")
    copyreg.add_extension("os", "getcwd", 240)
    try:
        extension = b"\x80\x02\x82\xf0."
        with pytest.raises(UnsafePickleError, match=r"os\.getcwd|extension registry"):
            load_restricted(extension)
        assert pickle.loads(extension) is os.getcwd  # now the code is in the reader's cache
        with pytest.raises(UnsafePickleError, match="extension registry"):
            load_restricted(extension)
    finally:
        copyreg.remove_extension("os", "getcwd", 240)


def test_every_truncation_is_a_data_error_with_the_file_name(tmp_path: Path) -> None:
    data = pickle.dumps([{"a": np.arange(5.0), "b": [np.float64(1.0), "text"]}], protocol=5)
    file = tmp_path / "cut.pkl"
    for length in range(len(data)):
        file.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"cut\.pkl"):
            load_restricted(file)


@given(data=st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    assert outcome(b"\x80\x04" + data) in ("content", "refused")


@given(data=st.data())
def test_a_changed_byte_never_raises_anything_else(data: st.DataObject) -> None:
    whole = bytearray(pickle.dumps([np.arange(3.0), np.float32(2), "x"], protocol=2))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(whole)) in ("content", "refused")


def test_a_missing_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.pkl: cannot be read: No such file"):
        load_restricted(tmp_path / "nothing.pkl")
