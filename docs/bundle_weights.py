"""Put the weights of a training run beside their agent, at half precision, as they ship.

Run: `python docs/bundle_weights.py RUN [RUN ...]`. Prints size and SHA-256 for the card; measure
the agent afterwards with the weights that ship, not with those of the run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from drivelab.agents.learned.checkpoint import open_network, read_notes, save_network

AGENTS = Path(__file__).resolve().parent.parent / "agents"


def bundle(run: Path) -> None:
    """Copy `best.safetensors` of one run."""
    summary = json.loads((run / "summary.json").read_text())
    source = run / summary["weights"]
    network, notes = open_network(source), read_notes(source)
    target = AGENTS / summary["agent"] / "weights" / f"{summary['preset']}.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_network(network.half(), target, notes=notes)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"{target.relative_to(AGENTS.parent)}: {target.stat().st_size / 1e6:.2f} MB, {digest}")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        bundle(Path(name))
