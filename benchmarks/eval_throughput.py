"""Time the whole command on the 200 embedded scenes, one thread, with a warm numba cache.

Run: `python benchmarks/eval_throughput.py`. Limit: 10 s on one core, start-up and report included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT = 10.0  # [s]
RUNS = 3
COMMAND = ["eval", "agent=pdm_closed", "bench=navsim", "data=embedded", "quiet=true"]


def timed_run(folder: Path) -> tuple[float, float]:
    """Wall and processor time of one run in a fresh folder [s]."""
    program = Path(sys.executable).with_name("drivelab")
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
    before, start = os.times(), time.perf_counter()
    subprocess.run(
        [program, *COMMAND, f"run.dir={folder}"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **one},
    )
    after = os.times()
    used = after.children_user - before.children_user
    return time.perf_counter() - start, used + after.children_system - before.children_system


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        timed_run(Path(folder) / "warm")
        runs = sorted(timed_run(Path(folder) / str(n)) for n in range(RUNS))
    wall, used = runs[len(runs) // 2]
    print(f"drivelab {' '.join(COMMAND)}: 200 scenes, median of {RUNS} runs")
    print(f"wall {wall:.1f} s, processor {used:.1f} s (limit {LIMIT:.0f} s on one core)")


if __name__ == "__main__":
    main()
