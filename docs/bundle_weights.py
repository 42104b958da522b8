"""Put the weights of a training run beside their agent, as they ship.

Run: `python docs/bundle_weights.py RUN [RUN ...]`. Those of `drivelab train agent=...` are kept at
half precision; those of `recipe=...` are small, and go as they are. Prints size and SHA-256 for the
card; measure the agent afterwards with the weights that ship, not with those of the run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from drivelab.agents.learned.checkpoint import open_network, read_notes, save_network

AGENTS = Path(__file__).resolve().parent.parent / "agents"
LEARNT = {
    ("rad", "vector"): "mini.safetensors",
    ("rad", "images"): "images.safetensors",
    ("vadv2", "vector"): "vector.safetensors",
}  # what learnt in closed loop, and what it sees


def bundle(run: Path) -> None:
    """Copy `best.safetensors` of one run."""
    summary = json.loads((run / "summary.json").read_text())
    if "recipe" in summary:
        agent, source = summary["recipe"], run / "best.safetensors"
        target = AGENTS / agent / "weights" / LEARNT[agent, summary["obs"]]
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
    else:
        source = run / summary["weights"]
        target = AGENTS / summary["agent"] / "weights" / f"{summary['preset']}.safetensors"
        target.parent.mkdir(exist_ok=True)
        save_network(open_network(source).half(), target, notes=read_notes(source))
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"{target.relative_to(AGENTS.parent)}: {target.stat().st_size / 1e6:.2f} MB, {digest}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        bundle(Path(name))
