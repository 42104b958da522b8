"""Draw docs/images/drive.png: moments of one scenario as `pdm_closed` drives it.

Run: `python docs/drive_strip.py [SCENARIO] [SECONDS ...]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from drivelab.agents.pdm_closed import PdmClosed
from drivelab.data.rollout_log import rollout_scene
from drivelab.evaluation.closed_loop import drive
from drivelab.reports.drive_video import drive_frame
from drivelab.sim.scenario.files import load_scenario
from drivelab.sim.world.view import base_scene

OUT = Path(__file__).parent / "images" / "drive.png"


def main() -> None:
    """Drive, pick the moments, write the strip."""
    name = sys.argv[1] if len(sys.argv) > 1 else "red_light_runner"
    seconds = [float(word) for word in sys.argv[2:]] or [4.0, 6.5, 9.0]
    episode = load_scenario(name).episode(0)
    rollout = drive(episode, PdmClosed())
    scene = rollout_scene(rollout, base_scene(episode))
    steps = [min(round(10 * time), len(rollout.times) - 1) for time in seconds]
    frames = [drive_frame(scene, rollout, step, size_px=420) for step in steps]
    strip = Image.new("RGB", (sum(frame.width for frame in frames), frames[0].height))
    left = 0
    for frame in frames:
        strip.paste(frame, (left, 0))
        left += frame.width
    strip.quantize(64).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
