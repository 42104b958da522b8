"""Print the table of README.md: every bundled agent on every bench, by `drivelab` commands.

Run: `python benchmarks/agents_table.py [REAL_LOGS_ROOT]`. Without the root the column of real logs
is left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

AGENTS = ("constant_velocity", "idm", "pdm_closed", "human")
BENCHES = {
    "navsim": ["bench=navsim", "data=embedded"],
    "navsim_v2": ["bench=navsim_v2", "data=embedded"],
}


def cell(agent: str, options: list[str], folder: Path) -> str:
    """Run one evaluation and format score and interval."""
    program = Path(sys.executable).with_name("drivelab")
    command = [program, "eval", f"agent={agent}", *options, f"run.dir={folder}", "quiet=true"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary = json.loads((folder / "summary.json").read_text())
    low, high = summary["score_ci95"]
    mark = "" if summary["final"] else " (NOT FINAL)"
    return f"{summary['score']:.3f} [{low:.3f}, {high:.3f}]{mark}"


def main() -> None:
    benches = dict(BENCHES)
    if len(sys.argv) > 1:
        benches["reallogs"] = ["bench=reallogs", f"data.root={sys.argv[1]}"]
    print("| agent | " + " | ".join(benches) + " |")
    print("|---|" + "---|" * len(benches))
    with tempfile.TemporaryDirectory() as root:
        for agent in AGENTS:
            cells = [
                cell(agent, options, Path(root) / f"{agent}-{bench}")
                for bench, options in benches.items()
            ]
            print(f"| `{agent}` | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
