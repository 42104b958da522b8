"""Draw docs/images/rad.webp: the same clips as driven in two runs, side by side.

Run: `python docs/before_after_film.py BEFORE AFTER CLIP [CLIP ...]`. BEFORE and AFTER are folders
of `drivelab eval`, such as of `agent=rad` with the weights from before and after reinforcement.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from drivelab.data.rollout_log import load_rollout, rollout_scene
from drivelab.reports.drive_video import drive_frame
from drivelab.reports.splat_film import write_film
from drivelab.sim.radlab import clip_scene

OUT = Path(__file__).parent / "images" / "rad.webp"
SIZE, EVERY, HELD = 340, 2, 5  # pixels, steps between frames, frames that the end is held


def frames_of(run: Path, clip: str) -> list[Image.Image]:
    """Every second step of a drive."""
    rollout = load_rollout(run / "rollouts" / f"{clip}.npz")
    scene = rollout_scene(rollout, clip_scene(clip))
    steps = [*range(0, len(rollout.times), EVERY)]
    return [drive_frame(scene, rollout, step, size_px=SIZE) for step in steps]


def film(runs: Sequence[Path], clips: Sequence[str]) -> Iterator[Image.Image]:
    """Both drives of each clip beside each other; one that ended stands still."""
    for clip in clips:
        sides = [frames_of(run, clip) for run in runs]
        for k in range(max(map(len, sides)) + HELD):
            shown = [side[min(k, len(side) - 1)] for side in sides]
            both = Image.new("RGB", (sum(one.width for one in shown), shown[0].height))
            left = 0
            for one in shown:
                both.paste(one, (left, 0))
                left += one.width
            yield both


def main() -> None:
    """Film what the words say."""
    before, after, *clips = sys.argv[1:]
    write_film(film([Path(before), Path(after)], clips), OUT, fps=round(10 / EVERY), total=0)
    print(f"{OUT}: {OUT.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
