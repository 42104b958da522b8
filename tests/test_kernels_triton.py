"""The Triton kernels: in the interpreter on every machine, compiled for a GPU, and on one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import triton_checks as checks

from drivelab.kernels.sequence.backends import VARIABLE, choose
from drivelab.kernels.sequence.gpu import schedule, traffic
from drivelab.kernels.sequence.gpu.schedule import Blocks, Chosen
from drivelab.kernels.sequence.gpu.traffic import Shape

pytestmark = pytest.mark.nn
SUPPORT = Path(__file__).parent / "support"


def run_apart(script: str, *words: str, **variables: str) -> list[dict]:
    """JSON lines of a script in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", str(SUPPORT / script), *words],
        env={**os.environ, "PYTHONPATH": str(SUPPORT), "OMP_NUM_THREADS": "1", **variables},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


# A second and more each in the interpreter; of each op at least one other check is left
LENGTHY = {
    "dev_bidir_sum", "dev_gla_basic", "dev_gla_strong", "dev_selscan_basic", "dev_ssd_basic",
    "selective_tiles", "groups", "mixed_gates", "segments", "segments_reverse", "segments_both",
    "bfloat16", "float16", "windows", "wide",
}  # fmt: skip


def interpret(names: list[str]) -> dict[str, str]:
    """Error of each check in Triton's interpreter, empty where it passed."""
    rows = run_apart("triton_checks.py", *names, TRITON_INTERPRET="1")
    return {row["check"]: row["error"] for row in rows}


@pytest.fixture(scope="module")
def interpreted() -> dict[str, str]:
    return interpret([name for name in checks.CHECKS if name not in LENGTHY])


@pytest.fixture(scope="module")
def interpreted_at_length() -> dict[str, str]:
    return interpret(sorted(LENGTHY))


@pytest.mark.parametrize("name", [name for name in checks.CHECKS if name not in LENGTHY])
def test_interpreted(name, interpreted):
    assert interpreted[name] == "", interpreted[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LENGTHY))
def test_interpreted_at_length(name, interpreted_at_length):
    assert interpreted_at_length[name] == "", interpreted_at_length[name]


def test_most_golden_cases_are_short_enough_to_be_interpreted():
    assert sum(name.startswith("dev_") for name in checks.CHECKS) >= 28


@pytest.mark.slow
def test_kernels_compile_for_a_gpu_that_is_not_here(tmp_path):
    rows = run_apart("triton_compile.py", TRITON_INTERPRET="0", TRITON_CACHE_DIR=str(tmp_path))
    assert {row["kernel"] for row in rows[:-1]} == {
        *("scan", "join", "step", "forward", "backward"),
        *("convolve", "convolve_back", "normalize", "normalize_back"),
    }
    assert rows[-1] == {"kernels": len(rows) - 1}


@pytest.mark.gpu
@pytest.mark.parametrize("name", checks.CHECKS)
def test_on_a_device(name):
    checks.CHECKS[name]("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("name", checks.LONG)
def test_long_on_a_device(name):
    checks.long("cuda", name)


@pytest.mark.parametrize(("dtype", "backend"), [("float64", "torch"), ("bfloat16", "triton")])
def test_double_precision_on_a_gpu_is_left_to_torch(dtype, backend, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert choose("gla", "auto", torch.device("cuda"), getattr(torch, dtype)) == backend


def test_a_state_fits_into_the_registers_of_a_program():
    for rows in (1, 16, 70, 128, 256):
        for columns in (1, 64, 200, 256):
            for directions in (1, 2):
                for entry in schedule.table(rows, columns, directions):
                    held = schedule.padded(rows) * entry.columns * directions
                    assert held <= schedule.STATE
                    assert entry.columns >= schedule.LEAST
                    assert held / (32 * entry.warps) <= 64, (rows, columns, entry)


def test_segments_cover_a_sequence_and_fill_the_processors():
    few = schedule.segments(programs=3, tokens=16384, room=132)
    assert few.count * 3 >= 132
    assert (few.count - 1) * few.length < 16384 <= few.count * few.length
    assert schedule.segments(programs=200, tokens=16384, room=132).count == 1
    assert schedule.segments(programs=3, tokens=196, room=132).count == 1
    assert schedule.segments(programs=1, tokens=0, room=132).count == 1


def test_the_fastest_entry_is_found_once_a_shape(monkeypatch):
    tries, asked, launched = (Blocks(16, 16, 4), Blocks(32, 16, 4)), [], []
    monkeypatch.setattr(schedule, "interpreted", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(schedule, "fastest", lambda *args: asked.append(args) or tries[1])
    chosen = Chosen()
    for key in ("a", "a", "b"):
        chosen.run(key, tries, launched.append, torch.zeros(1))
    assert len(asked) == 2
    assert launched == [tries[1]] * 3
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    chosen.run("c", tries, launched.append, torch.zeros(1))
    assert len(asked) == 2
    assert launched[-1] == tries[0]


@pytest.mark.parametrize(
    ("sizes", "gigabytes"),
    [
        ((1, 96, 8192, 128, 128), 1.21),
        ((2, 16, 16384, 128, 128), 0.81),
        ((4, 16, 2048, 128, 128), 0.20),
        ((4, 64, 4096, 128, 128), 1.61),
        ((8, 8, 1024, 64, 64), 0.05),
        ((8, 32, 2048, 256, 256), 1.61),
    ],
)
def test_floor_of_one_pass(sizes, gigabytes):
    assert traffic.floor("gla", Shape(*sizes)) / 1e9 == pytest.approx(gigabytes, abs=0.005)


def test_bytes_are_counted_by_hand():
    shape = Shape(batch=1, heads=2, tokens=10, keys=4, values=8)
    # q, k 160 each, v and o 320 each, gates 320; two directions have two of those
    assert traffic.floor("gla", shape) == traffic.moved("gla", shape) == 1280
    assert traffic.floor("gla_bidirectional", shape) == 1600
    assert traffic.floor("gla", shape, backward=True) == 2 * 960 + 320
    assert traffic.floor("ssd", Shape(1, 2, 10, 4, 8, groups=1)) == 2 * 80 + 320 + 80 + 320
    for op in ("gla", "gla_bidirectional", "simple_gla"):
        for backward in (False, True):
            least = traffic.floor(op, shape, backward=backward)
            assert least <= traffic.moved(op, shape, backward=backward) < 4 * least
    with pytest.raises(ValueError, match="op='attention'; expected one of gla"):
        traffic.floor("attention", shape)
