"""Compiled kernels on disk: files of several processes fit together, and follow their sources."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from numba.core.dispatcher import Dispatcher

from drivelab import kernels
from drivelab.kernels import compile_cache

pytestmark = pytest.mark.nn  # the sequence ops are among the kernels

COMPARE = """
import sys

import torch

from drivelab.kernels import gla, simple_gla

given = torch.Generator().manual_seed(0)
q, k, v = (torch.randn(1, 9, 2, 8, generator=given) for _ in range(3))
gate = -torch.rand(1, 9, 2, 8, generator=given)
calls = {"gla": (gla, gate), "simple_gla": (simple_gla, gate[..., 0].contiguous())}
for name in sys.argv[1:]:
    op, g = calls[name]
    found, wanted = (op(q, k, v, g, backend=backend)[0] for backend in ("numba", "torch"))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
"""


def _compiled_functions() -> Iterator[Any]:
    """Every compiled function of the kernels, with those that only others can reach."""
    names = [m.name for m in pkgutil.walk_packages(kernels.__path__, kernels.__name__ + ".")]
    waiting = [x for name in names for x in vars(importlib.import_module(name)).values()]
    seen = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, Dispatcher) and one not in seen:
            seen.add(one)
            cells = one.py_func.__closure__ or ()
            waiting += [cell.cell_contents for cell in cells]
            yield one.py_func


def test_no_two_compiled_functions_have_one_name():
    """A process that loads the files of two others tells functions apart by nothing else."""
    known = defaultdict(set)
    for function in _compiled_functions():
        known[function.__module__, function.__qualname__].add(function)
    assert ("drivelab.kernels.sequence.scan", "scan_row") in known  # made by a factory
    assert not {name: len(them) for name, them in known.items() if len(them) > 1}


@pytest.mark.slow  # compiles two ops afresh
def test_what_two_processes_compiled_a_third_one_runs(tmp_path):
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def start(*ops):
        command = [sys.executable, "-c", COMPARE, *ops]
        return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)

    def end(process):
        _, told = process.communicate(timeout=300)
        assert process.returncode == 0, told

    for process in [start("gla"), start("simple_gla")]:
        end(process)
    kept = sorted(file.name for file in tmp_path.rglob("*.nbc"))
    for order in (("gla", "simple_gla"), ("simple_gla", "gla")):
        end(start(*order))
    assert kept
    assert kept == sorted(file.name for file in tmp_path.rglob("*.nbc"))  # loaded, not compiled


def test_a_stamp_follows_every_file_that_is_compiled_in(tmp_path, monkeypatch):
    monkeypatch.setattr(compile_cache, "ROOT", tmp_path)
    outer, inner, other = (tmp_path / f"{name}.py" for name in ("outer", "inner", "other"))
    outer.write_text("from drivelab.kernels.inner import add\n")
    inner.write_text("from drivelab.kernels import deepest\n")
    (tmp_path / "deepest.py").write_text("one = 1\n")
    other.write_text("two = 2\n")

    def stamps():
        compile_cache._content.cache_clear()
        compile_cache._imports.cache_clear()
        return [compile_cache.stamp(file) for file in (outer, inner, other)]

    before = stamps()
    assert stamps() == before
    (tmp_path / "deepest.py").write_text("one = 2\n")
    after = stamps()
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, False, True]
