"""Milliseconds of a picture of Gaussians on the CPU, beside the bars and a peer.

Run: `python benchmarks/splat.py [--sizes N ...] [--threads 2] [--knobs] [--env] [--peer]`. Wall
time of one call of `drivelab.kernels.splat.render`: the best and the median of the runs. The scene
is a street of 160 m: road, pavements, two rows of houses, trees and cars, all flat Gaussians with
spherical harmonics of degree 3 whose size falls with their number; opacities are drawn from
Beta(0.8, 0.7), as those of the prototype that the bars come from. The rig looks ahead and 55
degrees to either side with 70 degrees of field each. Memory is what a call needs at its most above
the scene, per Gaussian, pictures included.

`--knobs` prints what each knob costs in PSNR against the full picture, and what it saves. `--env`
prints steps per second of `drivelab/Splat-v0`. `--peer` measures litesplat 0.1.1 beside it, which
must be installed with keras and torch; it weighs every Gaussian at every pixel and is asked for
2,000 of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path

BARS = {  # Gaussians -> prototype [ms], reach [ms] for 3 x 448x256
    100_000: ("41-53", 30.0),
    500_000: ("160-300", 110.0),
    1_000_000: ("280-340", 220.0),
}
PEER = 2_000  # Gaussians that the peer is asked for
KNOBS = (
    ("min_radius_px", 1.0), ("min_radius_px", 2.0), ("min_radius_px", 3.0),
    ("prune_opacity", 0.05), ("prune_opacity", 0.1), ("prune_opacity", 0.2),
    ("sh_degree", 0), ("sh_degree", 1), ("sh_degree", 2),
)  # fmt: skip
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


def timed(job, seconds: float = 3.0, clock=time.perf_counter):  # type: ignore[no-untyped-def]
    """Best and median time [ms] of as many calls as fit into some seconds of a clock."""
    job()
    took: list[float] = []
    while len(took) < 5 or sum(took) < seconds:
        start = clock()
        job()
        took.append(clock() - start)
    return 1e3 * min(took), 1e3 * sorted(took)[len(took) // 2]


def knobs(size: int) -> None:
    """PSNR against the full picture and processor time of one camera, knob by knob."""
    import numpy as np

    from drivelab.kernels.splat import Settings, render
    from drivelab.sim.splats.merge import merge_far
    from drivelab.sim.splats.scene import Splats

    scene, cameras = street(size), rig(1, 448, 256)
    whole = render(scene, cameras).rgb
    full, _ = timed(lambda: render(scene, cameras), clock=time.process_time)
    print(f"\n{size:,} Gaussians, one 448x256 camera: {full:.1f} CPU-ms in full")
    print(f"{'knob':>28} {'CPU-ms':>8} {'PSNR [dB]':>10}")
    splats = Splats(scene, np.zeros(len(scene), np.uint8))
    tried = [(f"{name}={value:g}", scene, Settings(**{name: value})) for name, value in KNOBS]
    for distance, cell in ((60.0, 0.3), (40.0, 0.3), (40.0, 0.6)):
        merged = merge_far(splats, np.zeros((1, 2)), distance, cell).gaussians
        name = f"merged beyond {distance:g} m in {cell:g} m"
        tried.append((f"{name}: {len(merged):,}", merged, Settings()))
    for name, gaussians, how in tried:
        seen = render(gaussians, cameras, settings=how).rgb
        job = partial(render, gaussians, cameras, settings=how)
        best, _ = timed(job, 1.0, time.process_time)
        off = np.mean((np.clip(seen, 0, 1) - np.clip(whole, 0, 1)) ** 2)
        print(f"{name:>28} {best:>8.1f} {-10 * np.log10(off):>10.1f}", flush=True)


def steps() -> None:
    """Steps per second of the environment, street by street."""
    import numpy as np

    from drivelab.sim.envs.clips import ClipEpisodes
    from drivelab.sim.envs.splat import SplatEnv

    print("\ndrivelab/Splat-v0, 3 x 448x256, steps/s (reach 12)")
    env, rates = SplatEnv(), []
    for seed in range(6):
        start = time.perf_counter()
        _, info = env.reset(options={"episode": ClipEpisodes("test")(seed)})
        begun, took = time.perf_counter() - start, []
        for _ in range(40):
            start = time.perf_counter()
            _, _, over, cut, info = env.step(np.array([30, round(2 * info["speed"])]))
            took.append(time.perf_counter() - start)
            if over or cut:
                break
        rates.append(len(took) / sum(took))
        print(f"{info['episode_id']:>24} {rates[-1]:>6.1f}  (reset {begun:.2f} s)", flush=True)
    print(f"{'median':>24} {float(np.median(rates)):>6.1f}")


def peer() -> None:
    """Litesplat and ours on the same small scene, one camera."""
    import json
    import tempfile

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import numpy as np
    import torch
    from litesplat.core.camera_model import CameraLayer
    from litesplat.core.gaussian_model import GaussianParameterLayer

    from drivelab.kernels.splat import Cameras, Gaussians, render

    whole, cameras = street(2 * PEER), rig(1, 448, 256)
    # Balls ahead of an eye at the origin: it has no near plane, inverts without a blur, and
    # multiplies rotations element by element, which other scenes make singular.
    view, lens = cameras.views[0], cameras.intrinsics[0]
    means = whole.means @ view[:3, :3].T.astype(np.float32) + view[:3, 3].astype(np.float32)
    ahead = np.flatnonzero(means[:, 2] > 2.0)[:PEER]
    scales = np.repeat(np.maximum(whole.scales[ahead, :1], 0.05), 3, axis=1)
    turn = np.tile(np.array([1, 0, 0, 0], np.float32), (len(ahead), 1))
    scene = Gaussians(means[ahead], turn, scales, whole.opacities[ahead], whole.sh[ahead])
    cameras = Cameras(np.eye(4)[None], cameras.intrinsics, 448, 256)
    colours = np.clip(0.5 + 0.28209479177387814 * scene.sh[:, 0], 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        things = [
            {"position": p.tolist(), "color": c.tolist(), "rotation": q.tolist(),
             "translation": p.tolist(), "scale": s.tolist(), "opacity": float(o)}
            for p, c, q, s, o in zip(
                scene.means, colours, scene.quats, scene.scales, scene.opacities, strict=True
            )
        ]  # fmt: skip
        one = {
            "camera_id": 0, "model": "PINHOLE", "image_name": "", "width": 448, "height": 256,
            "fx": lens[0, 0], "fy": lens[1, 1], "cx": lens[0, 2], "cy": lens[1, 2],
            "rotation": np.eye(3).tolist(), "translation": [0.0, 0.0, 0.0],
        }  # fmt: skip
        (Path(folder) / "gaussians.json").write_text(json.dumps(things))
        (Path(folder) / "camera.json").write_text(json.dumps([one]))
        layer = CameraLayer(folder, GaussianParameterLayer(folder, trainable=False))
        with torch.no_grad():
            theirs, _ = timed(lambda: layer.call((256, 448), render=False), 1.0)
    ours, _ = timed(lambda: render(scene, cameras), 1.0)
    print(
        f"\n{PEER:,} Gaussians, one 448x256 camera: litesplat {theirs:,.0f} ms, ours {ours:.2f} ms"
    )


def main() -> None:
    """Print one row per scene and rig."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(BARS))
    parser.add_argument("--threads", type=int, default=2)
    for name in ("knobs", "env", "peer"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    with_threads(asked.threads)
    from drivelab.kernels.splat import render

    print(f"{asked.threads} threads, wall ms: best (median); SH 3, gsplat 1.5.3's rules")
    print(f"{'Gaussians':>10} {'rig':>12} {'ms':>18} {'prototype':>12} {'reach':>7} {'B each':>7}")
    for size in asked.sizes:
        scene = street(size)
        for cameras, bars in ((rig(3, 448, 256), BARS), (rig(1, 960, 544), WIDE)):
            best, middle = timed(lambda cameras=cameras, scene=scene: render(scene, cameras))
            name = f"{len(cameras)} x {cameras.width}x{cameras.height}"
            prototype, bar = bars.get(size, ("", None))
            print(
                f"{size:>10,} {name:>12} {best:>9.1f} ({middle:.1f}) {prototype:>12} "
                f"{'' if bar is None else f'{bar:.0f}':>7} {taken(scene, cameras):>7}",
                flush=True,
            )
    for wanted, job in (
        (asked.knobs, lambda: knobs(500_000)),
        (asked.env, steps),
        (asked.peer, peer),
    ):
        if wanted:
            job()


def taken(scene, cameras) -> str:  # type: ignore[no-untyped-def]
    """Bytes that a call takes above the scene at its most, per Gaussian; "" without torch."""
    try:
        from drivelab.speed.clock import cpu_mb
    except ModuleNotFoundError:
        return ""
    from drivelab.kernels.splat import compiled, render

    def job() -> None:
        render(scene, cameras)
        compiled._DESK.__init__()  # type: ignore[misc] # so that the next one takes its own

    found = cpu_mb(job)
    return "" if found is None else f"{1e6 * found / len(scene):.0f}"


if __name__ == "__main__":
    main()
