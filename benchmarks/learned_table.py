"""Print the table of learnt agents: each step of it by how much, scene by scene.

Run: `python benchmarks/learned_table.py [RUNS] [WORKERS] [--agents A B ...] [--split test]`.
Agents go from the floor to the recorded driver; RUNS keeps the run folders, so that a broken table
goes on where it stopped. Differences are paired, scene by scene, with 95 % bootstrap intervals. The
last column is the share of the distance from constant_velocity to human that an agent closes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from drivelab.reports.compare import paired_difference

AGENTS = ["constant_velocity", "ego_mlp", "transfuser", "diffusiondrive", "human"]
FLOOR, CEILING = "constant_velocity", "human"


def evaluate(agent: str, split: str, folder: Path, workers: str) -> dict[str, object]:
    """Run one evaluation, `agent` perhaps with options behind commas, and read its summary."""
    program = Path(sys.executable).with_name("drivelab")
    name, *options = agent.split(",")
    command = [program, "eval", f"agent={name}", *options, "bench=navsim", "data=embedded"]
    command += [f"split={split}", f"run.dir={folder}", f"workers={workers}", "quiet=true"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="?", type=Path)
    parser.add_argument("workers", nargs="?", default="2")
    parser.add_argument("--agents", nargs="+", default=AGENTS)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    runs = options.runs or Path(tempfile.mkdtemp())
    folders = {a: runs / f"{options.split}-{a.replace('/', '_')}" for a in options.agents}
    found = {a: evaluate(a, options.split, f, options.workers) for a, f in folders.items()}
    span = 0.0
    if FLOOR in found and CEILING in found:
        span = found[CEILING]["score"] - found[FLOOR]["score"]  # type: ignore[operator]
    print("| agent | PDMS | than the one before | distance closed |\n|---|---|---|---|")
    before = ""
    for agent, summary in found.items():
        low, high = summary["score_ci95"] or (float("nan"), float("nan"))
        mark = "" if summary["final"] else " (NOT FINAL)"
        step, share = "", ""
        if before:
            gain = paired_difference(folders[agent], folders[before])
            step = f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
        if span:
            closed = (summary["score"] - found[FLOOR]["score"]) / span  # type: ignore[operator]
            share = f"{100 * closed:.0f} %"
        score = f"{summary['score']:.4f} [{low:.4f}, {high:.4f}]{mark}"
        print(f"| `{agent}` | {score} | {step} | {share} |")
        before = agent


if __name__ == "__main__":
    main()
