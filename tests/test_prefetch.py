"""Asking memory for elements: nothing is seen of it, whatever is asked for."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from drivelab.kernels.prefetch import prefetch


@njit
def ask_and_add(array, indices):  # type: ignore[no-untyped-def]
    for index in indices:
        prefetch(array, index)
    return array.sum()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.int8])
def test_what_is_asked_for_stays_as_it_is(dtype: type) -> None:
    array = np.arange(24, dtype=dtype).reshape(4, 6)

    total = ask_and_add(array, np.arange(24))

    assert total == 276
    assert (array.ravel() == np.arange(24)).all()


def test_an_index_that_the_array_has_not_is_no_error() -> None:
    far = np.array([-1, 24, 2**40, -(2**40)])

    assert ask_and_add(np.ones(24), far) == 24.0
    assert ask_and_add(np.ones(0), far) == 0.0


def test_it_is_an_instruction_of_the_compiled_code() -> None:
    ask_and_add(np.ones(3), np.arange(3))

    assert all("llvm.prefetch" in code for code in ask_and_add.inspect_llvm().values())
