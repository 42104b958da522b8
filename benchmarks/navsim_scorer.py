"""Time the NAVSIM scorer and PDM-Closed on the golden scenes, one thread, beside the official code.

Run: `python benchmarks/navsim_scorer.py`. Peers' figures: the official v1.1 scorer on an AMD EPYC,
one thread, small synthetic scenes (1-7 agents), median wall time.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


def single_threaded() -> None:
    """Start this program again with one thread: libraries read these variables once, at import."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != "1" for name in names):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(names, "1")}
        )


def median_ms(job: Callable[[], object], repeats: int) -> float:
    """Median wall time of `repeats` calls after one warm-up [ms]."""
    import numpy as np

    job()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def measure() -> list[tuple[str, float, float | None, float | None]]:
    """Rows of (job, ms, peer's ms, limit in ms); medians over scenes of medians over calls."""
    import numpy as np

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from golden_worlds import archive, golden_scene

    from drivelab.metrics.navsim.epdms import Epdms
    from drivelab.metrics.navsim.pdm_closed.planner import plan_pdm_closed
    from drivelab.metrics.navsim.pdms import Pdms
    from drivelab.metrics.navsim.route_context import route_context
    from drivelab.metrics.navsim.rules import PDMS_V1_1, PLAN_DT

    scenes = [golden_scene(i) for i in range(min(20, len(archive().scenes)))]
    metric = Pdms()
    prepared = [metric.prepare(scene) for scene in scenes]
    plans = archive().case_arrays["poses"]
    batch = np.concatenate([plans] * (1 + 256 // len(plans)))[:256]

    def per_scene(job: Callable[[int], object], repeats: int) -> float:
        times = [median_ms(lambda i=i: job(i), repeats) for i in range(len(scenes))]
        return float(np.median(times))

    rows: list[tuple[str, float, float | None, float | None]] = []
    sizes = ((1, 36.0, 1.5, 20), (64, 161.0, None, 5), (256, 585.0, 20.0, 3))
    for size, peer, limit, repeats in sizes:
        ms = per_scene(lambda i, n=size: metric.score(prepared[i], batch[:n], PLAN_DT), repeats)
        rows.append((f"pdms_v1.1, {size} plan{'s' * (size > 1)}", ms, peer, limit))
    extended = Epdms()
    ready = [extended.prepare(scene) for scene in scenes]
    ms = per_scene(lambda i: extended.score(ready[i], batch[:1], PLAN_DT), 20)
    rows.append(("epdms_v2.2, 1 plan", ms, None, None))

    def plan(i: int) -> None:
        scenes[i].map.cache.clear()  # every scene of a benchmark sees its map for the first time
        plan_pdm_closed(scenes[i], route_context(scenes[i]), PDMS_V1_1)

    rows.append(("PDM-Closed, 1 scene", per_scene(plan, 10), 277.0, 12.0))
    ms = per_scene(lambda i: metric.prepare(scenes[i]), 10)
    return [*rows, ("prepare a scene (tracks, map, PDM-Closed)", ms, None, None)]


def main() -> None:
    single_threaded()
    rows = measure()
    machine = platform.processor() or platform.machine()
    print(f"{machine}, Python {platform.python_version()}, one thread")
    print(f"{'job':<44}{'ms':>9}{'official ms':>13}{'ratio':>8}{'limit ms':>10}")
    for job, ms, peer, limit in rows:
        ratio = f"{peer / ms:.0f}x" if peer else "-"
        print(f"{job:<44}{ms:>9.2f}{peer or '-':>13}{ratio:>8}{limit or '-':>10}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {memory:.0f} MB (limit 500)")
    if len(sys.argv) > 1:
        names = ("job", "ms", "official_ms", "limit_ms")
        Path(sys.argv[1]).write_text(
            json.dumps([dict(zip(names, row, strict=True)) for row in rows])
        )


if __name__ == "__main__":
    main()
