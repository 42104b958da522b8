"""A street reconstructed from its own pictures: PSNR, SSIM and scores beside what was asked for.

Run: `python benchmarks/reconstruction.py [--minutes 10] [--clips test-0003-lane_drop ...]`. A drive
of radlab along an empty procedural street is seen by one camera of 224 x 128 px from 40 poses and
scanned by a lidar; every 8th view is held out. `drivelab reconstruct` learns a scene from the
others with its defaults, from lidar points of random colours. Printed are PSNR and SSIM of held-out
views beside those of copying the nearest learned view, the limits (24 dB, wanted 27 dB, and 4 dB
above copying) and what it took: wall time with the threads that were there, and processor time.

`--agent pdm_closed` drives every clip in the original street and in the reconstructed one (both as
files, sensors on), and prints both scores and the mean of the differences with its 95 % interval
(bootstrap over clips).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

LEAST, WANTED, ABOVE = 24.0, 27.0, 4.0  # dB
VERB = (str(Path(sys.executable).with_name("drivelab")),)


def learned(clip: str, folder: Path, minutes: float, words: list[str]) -> dict[str, Any]:
    """Reconstruct a clip by the command line; its summary."""
    command = [*VERB, "reconstruct", f"source=radlab:{clip}", f"out={folder}",
               f"minutes={minutes}", *words]  # fmt: skip
    subprocess.run(command, check=True)
    file = folder / "summary.json"
    if not file.is_file():
        sys.exit(f"{clip}: not done within {minutes} minutes; its scene so far is in {folder}")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def row(clip: str, summary: dict[str, Any]) -> str:
    """A line of the table."""
    near, psnr = summary["nearest"], summary["psnr"]
    copied = f"{near['psnr']:>8.2f} {near['ssim']:>6.3f}"
    bar = max(LEAST, near["psnr"] + ABOVE)
    verdict = "missed" if psnr < bar else "reached" if psnr < WANTED else "reached, and wanted"
    return (
        f"{clip:<26} {psnr:>6.2f} {summary['ssim']:>6.3f} {copied} "
        f"{bar:>6.2f} {WANTED:>6.2f} {summary['gaussians']:>10,} {summary['seconds']:>7.0f} "
        f"{summary['cpu_seconds']:>7.0f}  {verdict}"
    )


def store_original(clip: str, file: Path) -> None:
    """The street that the clip's pictures were taken of, as a scene file."""
    from drivelab.sim.radlab import clip_scene
    from drivelab.sim.sensors.rendered import stage_of_scene
    from drivelab.sim.sensors.rendering import Rendering
    from drivelab.sim.splats.files import save_scene

    file.parent.mkdir(parents=True, exist_ok=True)
    save_scene(stage_of_scene(clip_scene(clip), Rendering()).scene, file)


def scores(agent: str, clips: list[str], streets: Path, run: Path) -> dict[str, float]:
    """Score of an agent in every clip, seen and felt in the stored streets."""
    import pyarrow.parquet as parquet

    command = [*VERB, "eval", f"agent={agent}", "bench=rad", "sensors=on", f"street={streets}",
               f"scenes=[{','.join(clips)}]", f"run.dir={run}", "report=none",
               "quiet=true"]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    rows = parquet.read_table(run / "rows.parquet").to_pylist()
    return {found["scene"]: float(found["score"]) for found in rows}


def compare(agent: str, clips: list[str], root: Path) -> str:
    """Both scores and the interval of their difference."""
    import numpy as np

    found = [scores(agent, clips, root / kind, root / f"{agent}-{kind}")
             for kind in ("original", "reconstructed")]  # fmt: skip
    before, after = (np.array([part[clip] for clip in clips]) for part in found)
    draws = np.random.default_rng(0).integers(0, len(clips), (10_000, len(clips)))
    low, high = np.quantile((after - before)[draws].mean(1), (0.025, 0.975))
    return (
        f"{agent}: {before.mean():.4f} in the original, {after.mean():.4f} in the reconstructed "
        f"street of {len(clips)} clips, difference {(after - before).mean():+.4f} "
        f"[{low:+.4f}, {high:+.4f}]"
    )


def main() -> None:
    """Reconstruct, judge, drive."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", nargs="+", default=["test-0003-lane_drop"])
    parser.add_argument("--minutes", type=float, default=10.0, help="of wall time for each")
    parser.add_argument("--root", type=Path, default=None, help="where runs are kept")
    parser.add_argument("--agent", nargs="*", default=[], help="also drives in both streets")
    parser.add_argument("--words", nargs="*", default=[], help="options of drivelab reconstruct")
    asked = parser.parse_args()
    root = asked.root or Path(mkdtemp(prefix="reconstruction-"))
    print(f"{os.cpu_count()} processors; runs in {root}")
    heads = (("PSNR", 6), ("SSIM", 6), ("nearest", 8), ("SSIM", 6), ("bar", 6), ("wanted", 6),
             ("Gaussians", 10), ("wall s", 7), ("CPU s", 7))  # fmt: skip
    print(f"{'clip':<26} " + " ".join(f"{name:>{wide}}" for name, wide in heads))
    for clip in asked.clips:
        summary = learned(clip, root / clip, asked.minutes, asked.words)
        print(row(clip, summary), flush=True)
        kept = root / "reconstructed" / f"{clip}.splats.safetensors"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes((root / clip / summary["scene"]).read_bytes())
        if asked.agent:
            store_original(clip, root / "original" / kept.name)
    for agent in asked.agent:
        print(compare(agent, asked.clips, root), flush=True)


if __name__ == "__main__":
    main()
