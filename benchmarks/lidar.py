"""Rays per second of a lidar sweep on the CPU, one thread.

Run: `python benchmarks/lidar.py [--beams 32] [--azimuths 1800] [--boxes 40]`. Wall time; the median
and the best of the sweeps. The scene is a street of 160 m: ground of splats (a height grid), house
fronts 8 m to either side (voxels of 0.2 m), and cars on and beside the road as boxes. `cast` is the
compiled kernel alone; `sweep` adds labels, losses, noise and the turn into the ego frame. Before
anything is timed, boxes are compared with the plain definition.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable


def single_threaded() -> None:
    """Start this program again with one thread: libraries read these variables once, at import."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != "1" for name in names):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(names, "1")}
        )


def cars(count: int):  # type: ignore[no-untyped-def]
    """Boxes along the street, each a little turned."""
    import numpy as np

    from drivelab.kernels.raycast import Boxes

    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (count, 1, 1))
    yaw = rng.uniform(-0.2, 0.2, count)
    poses[:, 0, 0], poses[:, 0, 1] = np.cos(yaw), -np.sin(yaw)
    poses[:, 1, 0], poses[:, 1, 1] = np.sin(yaw), np.cos(yaw)
    poses[:, 0, 3] = rng.uniform(5, 75, count) * rng.choice([-1, 1], count)
    poses[:, 1, 3] = rng.choice([-5.5, -3.5, 3.5, 5.5], count)
    poses[:, 2, 3] = 0.8
    return Boxes(poses, np.tile([2.3, 0.95, 0.8], (count, 1)))


def street():  # type: ignore[no-untyped-def]
    """Static splats: discs on the ground and on the fronts of houses."""
    import numpy as np

    from drivelab.kernels.splat import Gaussians
    from drivelab.sim.splats.labels import NUMBER
    from drivelab.sim.splats.scene import Splats

    x, y = np.meshgrid(np.arange(-80, 80, 0.3), np.arange(-8, 8, 0.3))
    ground = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], -1)
    x, z = np.meshgrid(np.arange(-80, 80, 0.3), np.arange(0.1, 9, 0.3))
    fronts = [np.stack([x.ravel(), np.full(x.size, side), z.ravel()], -1) for side in (-8.1, 8.1)]
    means = np.concatenate([ground, *fronts]).astype(np.float32)
    scales = np.full((len(means), 3), 0.2, np.float32)
    scales[: len(ground), 2] = scales[len(ground) :, 1] = 0.01
    labels = np.full(len(means), NUMBER["building"], np.uint8)
    labels[: len(ground)] = NUMBER["road"]
    turns = np.tile(np.array([1, 0, 0, 0], np.float32), (len(means), 1))
    shade = np.zeros((len(means), 1, 3), np.float32)
    return Splats(Gaussians(means, turns, scales, np.ones(len(means), np.float32), shade), labels)


def timed(call: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median and best seconds of a call that has been made once before."""
    call()
    taken = []
    for _ in range(runs):
        begin = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begin)
    taken.sort()
    return taken[len(taken) // 2], taken[0]


def measured(beams: int, azimuths: int, boxes: int, runs: int) -> None:
    import numpy as np

    from drivelab.kernels.raycast import Plane, cast
    from drivelab.kernels.raycast.ref import cast_boxes_ref
    from drivelab.sim.sensors.lidar import directions_of, sweep
    from drivelab.sim.sensors.lidar_world import LidarWorld, ground_of, standing
    from drivelab.sim.sensors.specs import LidarSpec
    from drivelab.sim.splats.labels import NUMBER

    mount = np.eye(4)
    mount[2, 3] = 1.84
    spec = LidarSpec(
        "TOP", mount, np.radians(np.linspace(-30.67, 10.67, beams)), azimuths, 100.0,
        dropout=0.02, fade=0.02, range_noise=0.02,
    )  # fmt: skip
    splats, actors, rays = street(), cars(boxes), directions_of(spec)
    hits = cast(mount[:3, 3], rays, max_range=np.inf, boxes=actors)
    assert np.allclose(hits.distances, cast_boxes_ref(mount[:3, 3], rays, actors)[0])
    begin = time.perf_counter()
    grid, voxels = ground_of(splats), standing(splats)
    print(f"{len(splats)} splats made ready in {time.perf_counter() - begin:.2f} s, once a scene")
    worlds = {
        "boxes": {"boxes": actors},
        "boxes, plane": {"boxes": actors, "ground": Plane()},
        "boxes, ground grid": {"boxes": actors, "ground": grid},
        "boxes, ground grid, voxels": {"boxes": actors, "ground": grid, "voxels": voxels},
    }
    print(f"{len(rays)} rays, {boxes} boxes\n{'':34}{'median ms':>10}{'best ms':>9}{'Mrays/s':>9}")
    for name, parts in worlds.items():
        row = timed(lambda p=parts: cast(mount[:3, 3], rays, max_range=100.0, **p), runs)
        tell(f"cast: {name}", row, len(rays))
    labels = np.full(boxes, NUMBER["vehicle"], np.uint8)
    world = LidarWorld(grid, voxels, actors, labels)
    row = timed(lambda: sweep([spec], world, np.eye(4), scene="s", frame=0), runs)
    tell("sweep: all of it", row, len(rays))


def tell(name: str, row: tuple[float, float], rays: int) -> None:
    print(f"{name:34}{1e3 * row[0]:10.1f}{1e3 * row[1]:9.1f}{rays / row[0] / 1e6:9.1f}")


if __name__ == "__main__":
    single_threaded()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beams", type=int, default=32)
    parser.add_argument("--azimuths", type=int, default=1800)
    parser.add_argument("--boxes", type=int, default=40)
    parser.add_argument("--runs", type=int, default=15)
    said = parser.parse_args()
    measured(said.beams, said.azimuths, said.boxes, said.runs)
