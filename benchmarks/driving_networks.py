"""Wall time of a plan by the driving networks, without reading or rendering anything.

Run: `python benchmarks/driving_networks.py [--threads 2] [--seconds 4] [--device cpu]`. Batch 1
unless `--batch` says otherwise, random weights (time does not depend on them), random features; the
best and the median of the calls. `plain` is the network as it is trained, `fast` what agents drive
with; before anything is timed their plans are compared. `head` is the diffusion alone, on a fixed
scene. Beside it: the released DiffusionDrive on two threads of such a machine, 316 ms a frame, its
head 69 (`full`, fp32).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

OFFICIAL = {"frame": 316.0, "head": 69.0}  # [ms]
LIMITS = {("full", "frame"): 170.0, ("full", "head"): 12.0, ("mini", "frame"): 25.0}


def with_threads(count: int) -> None:
    """Start this program again with so many threads: libraries read these variables at import."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    if any(os.environ.get(name) != str(count) for name in names):
        told = {**os.environ, **dict.fromkeys(names, str(count))}
        os.execve(sys.executable, [sys.executable, *sys.argv], told)


def timed(call: Callable[[], object], seconds: float, device: str) -> tuple[float, float]:
    """Best and median wall time of a call [ms]."""
    import numpy as np
    import torch

    def once() -> float:
        begin = time.perf_counter()
        call()
        if device != "cpu":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) * 1e3

    for _ in range(3):
        once()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        times.append(once())
    return min(times), float(np.median(times))


def features_for(config, batch: int, device: str):  # type: ignore[no-untyped-def]
    """Random features of the shapes that a configuration asks for."""
    import torch

    torch.manual_seed(0)
    status = torch.zeros(batch, 8)
    status[:, 1], status[:, 4] = 1.0, 6.0
    found = {
        "camera_feature": torch.rand(batch, 3, *config.camera),
        "lidar_feature": torch.rand(batch, 1, *config.lidar).round(),
        "status_feature": status,
    }
    return {name: value.to(device) for name, value in found.items()}


def network_of(preset: str, device: str, **changes: object):  # type: ignore[no-untyped-def]
    """A DiffusionDrive with random weights and anchors ahead of the ego."""
    import torch

    from drivelab.agents.diffusiondrive.agent import FAMILY

    torch.manual_seed(0)
    network = FAMILY.make(FAMILY.preset(preset, changes)).eval()
    steps = torch.arange(1.0, 9.0)[None, :, None]
    ways = torch.stack([torch.linspace(1, 7, 20), torch.linspace(-1.5, 1.5, 20)], -1)[:, None]
    network._trajectory_head.set_anchors(steps * ways)
    return network.to(device)


def row(name: str, found: tuple[float, float], bar: float | None, peer: float | None) -> None:
    """One line of the table."""
    best, median = found
    told = "-" if bar is None else f"{bar:g}"
    beside = "-" if peer is None else f"{peer:g} ({peer / best:.1f}x)"
    print(f"| {name} | {best:.1f} | {median:.1f} | {told} | {beside} |", flush=True)


def measure(preset: str, options: argparse.Namespace) -> None:
    """All lines of one preset."""
    import torch

    from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive

    network = network_of(preset, options.device)
    given = features_for(network.config, options.batch, options.device)
    fast, loose = FastDiffusionDrive(network), FastDiffusionDrive(network, packed=False)
    with torch.inference_mode():
        gap = float((network(given)["modes"] - fast(given)["modes"]).abs().max())
        keys, fine, answers = fast.perception(given)
        bev = fast.bev(keys, fine)
    print(f"<!-- {preset}: plans of plain and fast differ by {gap:.1e} m at most -->")
    noise = fast.head.plain.noise(options.batch)
    seconds, device, published = options.seconds, options.device, preset == "full"

    def plain() -> None:
        with torch.inference_mode():
            network(given)

    def head(of: FastDiffusionDrive) -> None:
        with torch.inference_mode():
            of.head(bev, answers[:, :1], answers[:, 1:], of.head.plain.noise(options.batch))

    def halved() -> None:
        with torch.autocast(device.partition(":")[0], dtype=torch.bfloat16):
            loose(given, noise=noise)

    peer = OFFICIAL if published and options.batch == 1 and device == "cpu" else {}
    row(f"`{preset}` plain", timed(plain, seconds, device), None, peer.get("frame"))
    row(f"`{preset}` fast", timed(lambda: fast(given), seconds, device),
        LIMITS.get((preset, "frame")), peer.get("frame"))  # fmt: skip
    if device != "cpu":
        from drivelab.agents.learned.recorded import RecordedNetwork

        recorded = RecordedNetwork(fast)
        row(f"`{preset}` fast, recorded", timed(lambda: recorded(given), seconds, device),
            None, None)  # fmt: skip
    row(f"`{preset}` fast, bf16 products", timed(halved, seconds, device), None, None)
    row(f"`{preset}` head of fast", timed(lambda: head(fast), seconds, device),
        LIMITS.get((preset, "head")), peer.get("head"))  # fmt: skip
    vanilla = FastDiffusionDrive(network_of(preset, device, diffusion="vanilla"))
    row(f"`{preset}` head, vanilla, {replace(vanilla.config).vanilla_steps} steps",
        timed(lambda: head(vanilla), seconds, device), None, None)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--presets", nargs="+", default=["full", "mini"])
    options = parser.parse_args()
    with_threads(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    print(f"DiffusionDrive, batch {options.batch}, {options.device}, {options.threads} threads")
    print("| what | best [ms] | median [ms] | limit [ms] | released [ms] |\n|---|---|---|---|---|")
    for preset in options.presets:
        measure(preset, options)


if __name__ == "__main__":
    main()
