"""Settings of the whole suite."""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings

# Examples vary from run to run on a developer's machine and repeat in CI.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

# Two workers begin with the first two, whose kernels take longest to compile: while one compiles
# the world the other stays with sequence ops, so that both do not compile the same.
FIRST = (
    "test_bench_hugsim.py",
    "test_kernels_golden.py",
    "test_kernels_arguments.py",
    "test_kernels_sequence.py",
    "test_encoders_golden.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files above before all others, which stay in their order."""
    order = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(FIRST)))


def pytest_collection_finish() -> None:
    """Look for garbage seldom, and never among thousands of collected tests and their modules.

    Compiling makes so many objects that a tenth of its time would go into looking through them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_sessionfinish() -> None:
    """Modules in C++ tell of their own objects as leaks when the interpreter leaves them frozen."""
    gc.unfreeze()
