"""Milliseconds of a picture of Gaussians on the CPU, beside the bars and a peer.

Run: `python benchmarks/splat.py [--sizes 100000 500000 1000000] [--threads 2] [--peer]`. Wall time
of one call of `drivelab.kernels.splat.render`: the best and the median of the runs. The scene is a
street of 160 m: road, pavements, two rows of houses, trees and cars, all of flat Gaussians with
spherical harmonics of degree 3 whose size falls with their number; opacities are drawn from
Beta(0.8, 0.7), as those of the prototype that the bars come from. The rig looks ahead and 55
degrees to either side with 70 degrees of field each. Memory is what a call needs at its most above
the scene, per Gaussian, pictures included.

`--peer` measures litesplat 0.1.1 beside it, which must be installed (`pip install litesplat`, with
torch) and is asked for far fewer Gaussians, since it draws them one at a time. `--knobs` prints
what each knob costs in PSNR against the full picture, and what it saves.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

BARS = {  # Gaussians -> prototype [ms], reach [ms] for 3 x 448x256
    100_000: ("41-53", 30.0),
    500_000: ("160-300", 110.0),
    1_000_000: ("280-340", 220.0),
}
WIDE = {500_000: ("157-168", 110.0)}  # for one 960x544


def with_threads(threads: int) -> None:
    """Start this program again with so many threads: libraries read the variables at import."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != str(threads) for name in names):
        given = dict.fromkeys(names, str(threads))
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **given})


def street(count: int, seed: int = 0):  # type: ignore[no-untyped-def]
    """So many Gaussians on the surfaces of a street along x."""
    import numpy as np

    from drivelab.kernels.splat import Gaussians

    rng = np.random.default_rng(seed)
    faces = [  # corner, first edge, second edge [m], colour
        ((-20, -5, 0), (180, 0, 0), (0, 10, 0), (0.25, 0.25, 0.27)),
        ((-20, 5, 0.15), (180, 0, 0), (0, 5, 0), (0.5, 0.48, 0.45)),
        ((-20, -10, 0.15), (180, 0, 0), (0, 5, 0), (0.5, 0.48, 0.45)),
        ((-20, 10, 0), (180, 0, 0), (0, 0, 12), (0.6, 0.4, 0.3)),
        ((-20, -10, 0), (180, 0, 0), (0, 0, 12), (0.5, 0.5, 0.55)),
    ]
    for x, y in [(12, 1.8), (25, -1.8), (40, 1.8), (60, -1.8), (9, -4.2), (18, 4.2), (30, 4.2)]:
        colour = tuple(rng.uniform(0.1, 0.9, 3))
        for side in (-0.9, 0.9):
            faces.append(((x, y + side, 0.3), (4.5, 0, 0), (0, 0, 1.2), colour))
        faces += [((x, y - 0.9, 1.5), (4.5, 0, 0), (0, 1.8, 0), colour)]
        faces += [((x, y - 0.9, 0.3), (0, 1.8, 0), (0, 0, 1.2), colour)]
    for x in range(-10, 150, 12):
        for y in (-7.5, 7.5):
            faces += [
                ((x - 1.5, y, 2.5), (3, 0, 0), (0, 0, 3), (0.2, 0.45, 0.2)),
                ((x, y - 1.5, 2.5), (0, 3, 0), (0, 0, 3), (0.2, 0.4, 0.15)),
            ]
    corner, first, second, colour = (np.array(part, float) for part in zip(*faces, strict=True))
    normal = np.cross(first, second)
    area = np.linalg.norm(normal, axis=1)
    which = rng.choice(len(faces), count, p=area / area.sum())
    means = corner[which] + rng.random((count, 1)) * first[which]
    means += rng.random((count, 1)) * second[which] + rng.normal(0, 0.01, (count, 3))
    spread = np.sqrt(area.sum() / count) * rng.lognormal(-0.3, 0.5, (count, 2))
    scales = np.column_stack([spread, np.full(count, 0.02)])
    # z of the Gaussian's own frame becomes the face's normal
    axis = normal[which] / area[which, None]
    quats = np.column_stack([1 + axis[:, 2], -axis[:, 1], axis[:, 0], np.zeros(count)])
    turn = rng.uniform(0, np.pi, count)
    spin = np.column_stack([np.cos(turn), 0 * turn, 0 * turn, np.sin(turn)])
    w, x, y, z = quats.T
    a, d = spin[:, 0], spin[:, 3]
    quats = np.column_stack([w * a - z * d, x * a + y * d, y * a - x * d, w * d + z * a])
    sh = rng.normal(0, 0.03, (count, 16, 3))
    sh[:, 0] = (colour[which] + rng.normal(0, 0.05, (count, 3)) - 0.5) / 0.28209479177387814
    fields = means, quats, scales, rng.beta(0.8, 0.7, count), sh
    return Gaussians(*(np.ascontiguousarray(field, np.float32) for field in fields))


def rig(count: int, width: int, height: int):  # type: ignore[no-untyped-def]
    """One camera ahead, or three, at 1.6 m."""
    import numpy as np

    from drivelab.kernels.splat import Cameras

    focal = width / 2 / np.tan(np.radians(35.0))
    views = []
    for yaw in np.radians({1: [0.0], 3: [55.0, 0.0, -55.0]}[count]):
        ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
        turn = np.stack([right, [0.0, 0.0, -1.0], ahead])
        view = np.eye(4)
        view[:3, :3], view[:3, 3] = turn, -turn @ np.array([0.0, 0.3, 1.6])
        views.append(view)
    lens = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Cameras(np.stack(views), np.stack([lens] * count), width, height)


def timed(job, seconds: float = 3.0) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Best and median wall time [ms] of as many calls as fit into some seconds."""
    job()
    took: list[float] = []
    while len(took) < 5 or sum(took) < seconds:
        start = time.perf_counter()
        job()
        took.append(time.perf_counter() - start)
    return 1e3 * min(took), 1e3 * sorted(took)[len(took) // 2]


def main() -> None:
    """Print one row per scene and rig."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(BARS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer", action="store_true", help="also litesplat")
    parser.add_argument("--picture", type=Path, help="keep what the last rig saw as a PNG")
    asked = parser.parse_args()
    with_threads(asked.threads)
    from drivelab.kernels.splat import render

    print(f"{asked.threads} threads, wall ms: best (median); SH 3, gsplat 1.5.3's rules")
    print(f"{'Gaussians':>10} {'rig':>12} {'ms':>18} {'prototype':>12} {'reach':>7}")
    for size in asked.sizes:
        scene = street(size)
        for cameras, bars in ((rig(3, 448, 256), BARS), (rig(1, 960, 544), WIDE)):
            best, middle = timed(lambda cameras=cameras, scene=scene: render(scene, cameras))
            name = f"{len(cameras)} x {cameras.width}x{cameras.height}"
            peer, bar = bars.get(size, ("", None))
            print(
                f"{size:>10,} {name:>12} {best:>9.1f} ({middle:.1f}) {peer:>12} "
                f"{'' if bar is None else f'{bar:.0f}':>7}",
                flush=True,
            )


if __name__ == "__main__":
    main()
