"""Time and memory to read CARLA's towns, cold and from the cache, one thread.

Run: `DRIVELAB_DATA=... python benchmarks/opendrive.py [TOWN ...]` (or with CARLA_ROOT). Limits:
Town05 1.5 s, Town12 and Town13 25 s, unpacking and writing the cache included; on a busy machine
the processor time is the fair figure. Beside it, the time of `carla.Map` on the same text where the
wheel is installed. Each row is a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

TOWNS = ("Town01", "Town05", "Town10HD", "Town15", "Town11", "Town12", "Town13")
LIMITS = {"Town05": 1.5, "Town12": 25.0, "Town13": 25.0}
READ = """
import json, resource, sys, tempfile, time
from pathlib import Path
import numpy as np
from drivelab.maps.road_options import plan_route
from drivelab.maps.towns import read_town
town = sys.argv[1]
with tempfile.TemporaryDirectory() as folder:
    clock = [time.perf_counter()]
    used = time.process_time()
    for _ in range(2):
        if len(clock) == 2:
            used = time.process_time() - used
        found = read_town(town, cache=Path(folder)).lane_map
        clock.append(time.perf_counter())
lanes = [lane for lane in found.lanes.values() if not lane.connector]
rng = np.random.default_rng(0)
ends = [lanes[k].centreline[0, :2] for k in rng.integers(len(lanes), size=40)]
plan_route(found, np.array([lanes[0].centreline[0, :2], lanes[0].centreline[-1, :2]]))
clock.append(time.perf_counter())
planned = 0
for start, goal in zip(ends[::2], ends[1::2], strict=True):
    try:
        plan_route(found, np.array([start, goal]))
    except Exception:
        continue
    planned += 1
clock.append(time.perf_counter())
print(json.dumps({
    "lanes": len(found.lanes),
    "cold": clock[1] - clock[0],
    "used": used,
    "cached": clock[2] - clock[1],
    "route": (clock[4] - clock[3]) / 20,
    "planned": planned,
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""
CARLA = """
import json, resource, sys, time
import carla
from drivelab.maps.towns import read_xodr, town_file
text = read_xodr(town_file(sys.argv[1])).decode()
start = time.perf_counter()
world = carla.Map(sys.argv[1], text)
world.get_topology()
print(json.dumps({"carla": time.perf_counter() - start}))
"""


def measured(program: str, town: str) -> dict[str, float]:
    """Figures that a program prints for a town; none where it fails."""
    one = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", program, town],
        capture_output=True,
        text=True,
        env={**os.environ, **one},
        check=False,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        print(f"{town}: {last[0]}", file=sys.stderr)
        return {}
    return json.loads(done.stdout)


def main() -> None:
    print(
        "town       lanes   cold s  processor s  limit  cached s  route ms  memory MB  carla.Map s"
    )
    for town in sys.argv[1:] or TOWNS:
        ours, theirs = measured(READ, town), measured(CARLA, town)
        if ours:
            limit = f"{LIMITS[town]:6.1f}" if town in LIMITS else "     -"
            peer = f"{theirs['carla']:8.2f}" if theirs else "       -"
            print(
                f"{town:9}{ours['lanes']:7.0f}{ours['cold']:9.2f}{ours['used']:13.2f}{limit:>7}{ours['cached']:10.2f}"
                f"{1000 * ours['route']:10.1f}{ours['memory']:11.0f}{peer:>13}"
            )


if __name__ == "__main__":
    main()
