"""Milliseconds, memory and training steps of the gradient of a picture of Gaussians on the CPU.

Run: `python benchmarks/splat_backward.py [--threads 2] [--clock wall|cpu]`. The scene is the street
of `benchmarks/splat.py`, all of its 59 numbers a Gaussian ask for a gradient, and so does the pose.
Forward is a call of `drivelab.kernels.splat.render` without gradients, backward what the gradient
of random weights of colours, depths and covers takes besides a picture that keeps what it needs.
Memory is what picture and gradient take at their most above the scene, per Gaussian, the gradients
of all numbers (236 bytes) included.

A step is what `drivelab.training.reconstruction` does with one picture: activations, picture, loss
(L1 and SSIM), gradient, Adam. With one thread, `--clock cpu` counts what other programs do not
disturb.

`--device cuda` prints steps alone, of a million Gaussians at 960x544 unless told otherwise, and
beside them those of a loop around `gsplat.rasterization` with the same loss and Adam, as gsplat's
own trainer does it (extra `splat`; not run yet: no GPU was at hand).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from splat import rig, street, with_threads

BAR, BYTES = 3.0, 600  # backward by forward, bytes a Gaussian: what was asked for
VIEWS = ((1, 224, 128), (3, 448, 256), (1, 960, 544))
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def best(job: Callable[[], Any], clock: Callable[[], float], seconds: float) -> float:
    """Best time of a call [ms]."""
    job()
    took: list[float] = []
    while len(took) < 5 or sum(took) < seconds:
        start = clock()
        job()
        took.append(clock() - start)
    return 1e3 * min(took)


def tensors_of(scene: Any) -> Any:
    """The same scene as tensors that ask for gradients."""
    import torch

    from drivelab.kernels.splat import Gaussians

    names = ("means", "quats", "scales", "opacities", "sh")
    return Gaussians(*(torch.tensor(getattr(scene, name)).requires_grad_() for name in names))


def measured(size: int, view: tuple[int, int, int], clock: Callable[[], float]) -> str:
    """A row of the table."""
    import numpy as np
    import torch

    from drivelab.kernels.splat import Cameras, render
    from drivelab.speed.clock import cpu_mb

    scene, cameras = street(size), rig(*view)
    tensors = tensors_of(scene)
    views = torch.tensor(cameras.views).requires_grad_()
    seen = Cameras(views, cameras.intrinsics, cameras.width, cameras.height)
    given = [tensors.means, tensors.quats, tensors.scales, tensors.opacities, tensors.sh, views]
    found = render(tensors, seen)
    rng = np.random.default_rng(0)
    pictures = (found.rgb, found.depth_sum, found.alpha)
    weights = [torch.tensor(rng.normal(size=x.shape).astype(np.float32)) for x in pictures]

    def gradient() -> None:
        torch.autograd.grad(pictures, given, weights, retain_graph=True)

    def both() -> None:
        found = render(tensors, seen)
        torch.autograd.grad((found.rgb, found.depth_sum, found.alpha), given, weights)

    forward = best(lambda: render(scene, cameras), clock, 1.0)
    backward = best(gradient, clock, 1.0)
    del found, pictures
    each = cpu_mb(both)
    taken = "" if each is None else f"{1e6 * each / size:.0f}"
    name = f"{view[0]} x {view[1]}x{view[2]}"
    return (
        f"{size:>10,} {name:>12} {forward:>9.1f} {backward:>9.1f} {backward / forward:>7.2f} "
        f"{BAR:>5.1f} {taken:>7} {BYTES:>5}"
    )


def begun(size: int, view: tuple[int, int], device: str) -> Any:
    """A reconstruction that adds and removes nothing, all harmonics learned."""
    import numpy as np

    from drivelab.kernels.splat import Cameras, render
    from drivelab.training.reconstruction.loop import Reconstruction
    from drivelab.training.reconstruction.model import Model
    from drivelab.training.reconstruction.settings import Density, ReconstructionSettings
    from drivelab.training.reconstruction.views import Views

    scene, eye = street(size), rig(1, *view)
    views = np.repeat(eye.views, 8, 0)
    views[:, 2, 3] -= 0.5 * np.arange(8)  # half a metre further each
    cameras = Cameras(views, np.repeat(eye.intrinsics, 8, 0), *view)
    seen = Views(render(scene, cameras).rgb.clip(0, 1), cameras)
    colours = np.clip(0.5 + 0.28209479177387814 * scene.sh[:, 0], 0, 1)
    model = Model.of_points(scene.means, colours, 0.5)
    settings = ReconstructionSettings(degree_every=1, hold_out=0, density=Density(last=0))
    return Reconstruction(seen, model, settings, device)


def plain_loop(run: Any) -> Callable[[], Any]:
    """A step around `gsplat.rasterization` on the same pictures, loss and Adam."""
    import torch
    from gsplat import rasterization

    from drivelab.training.reconstruction.losses import ssim
    from drivelab.training.reconstruction.model import optimizer_of

    model, cameras = run.model, run.views.cameras
    images = torch.as_tensor(run.views.images, device=run.device)
    views = torch.as_tensor(cameras.views, device=run.device).float()
    lenses = torch.as_tensor(cameras.intrinsics, device=run.device).float()
    optimizer, done = optimizer_of(model, run.settings.rates, run.views.extent), [0]

    def step() -> None:
        at = done[0] % len(images)
        seen = rasterization(
            model.means, model.quats, model.scales.exp(), model.opacities.sigmoid(),
            torch.cat([model.sh_first, model.sh_rest], 1), views[at : at + 1], lenses[at : at + 1],
            cameras.width, cameras.height, sh_degree=3, packed=True,
        )[0][0]  # fmt: skip
        loss = 0.8 * (seen - images[at]).abs().mean() + 0.2 * (1 - ssim(seen, images[at]))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done[0] += 1

    return step


def rate(step: Callable[[], Any], clock: Callable[[], float], device: str, count: int = 40) -> str:
    """Median and best steps a second."""
    import numpy as np
    import torch

    took = []
    for _ in range(count + 5):
        start = clock()
        step()
        if device != "cpu":
            torch.cuda.synchronize(device)
        took.append(clock() - start)
    took = took[5:]
    return f"{1 / float(np.median(took)):.1f} steps/s (best {1 / min(took):.1f})"


def steps(size: int, view: tuple[int, int], clock: Callable[[], float], device: str) -> str:
    """Steps a second, on a GPU beside those of a plain loop around gsplat."""
    run = begun(size, view, device)
    told = f"{size:,} Gaussians, 1 x {view[0]}x{view[1]}: {rate(run.advance, clock, device)}"
    if device == "cpu":
        return told
    return f"{told}, gsplat's loop {rate(plain_loop(run), clock, device)}"


def main() -> None:
    """Print one row per scene and rig."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    asked = parser.parse_args()
    with_threads(asked.threads)
    if asked.device != "cpu":
        for size in asked.sizes or [1_000_000]:
            print(steps(size, (960, 544), CLOCKS["wall"], asked.device), flush=True)
        return
    sizes = asked.sizes or [100_000, 500_000]
    print(f"{asked.threads} threads, {asked.clock} ms, best of the runs; SH 3, float32")
    heads = (("Gaussians", 10), ("rig", 12), ("forward", 9), ("backward", 9), ("ratio", 7))
    heads += (("bar", 5), ("B each", 7), ("bar", 5))
    print(" ".join(f"{name:>{wide}}" for name, wide in heads))
    for size in sizes:
        for view in VIEWS:
            print(measured(size, view, CLOCKS[asked.clock]), flush=True)
    for size in sizes:
        print(steps(size, (224, 128), CLOCKS[asked.clock], "cpu"), flush=True)


if __name__ == "__main__":
    main()
