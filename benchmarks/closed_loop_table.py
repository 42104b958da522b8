"""Print README's closed-loop table: three agents on every bench, by `drivelab` commands.

Run: `python benchmarks/closed_loop_table.py DATA_ROOT [RUNS] [WORKERS]`. DATA_ROOT holds carla/
and real_logs/; RUNS keeps the run folders, so that a broken table goes on where it stopped.
Differences are paired, scene by scene, with 95 % bootstrap intervals.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from drivelab.reports.compare import paired_difference

AGENTS = ("constant_velocity", "idm", "pdm_closed")


def benches(data: Path) -> dict[str, list[str]]:
    return {
        "nuplan_closed_loop": ["bench=nuplan_closed_loop", f"data.root={data / 'real_logs'}"],
        "rad": ["bench=rad"],
        "carla_town05_short": ["bench=carla_town05_short", f"data.carla_root={data / 'carla'}"],
        "scenarios": ["bench=scenarios"],
    }


def evaluate(agent: str, options: list[str], folder: Path, workers: str) -> dict[str, object]:
    """Run one evaluation and read its summary."""
    program = Path(sys.executable).with_name("drivelab")
    command = [program, "eval", f"agent={agent}", *options, f"run.dir={folder}"]
    command += [f"workers={workers}", "quiet=true"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return summary


def main() -> None:
    data = Path(sys.argv[1])
    runs = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp())
    workers = sys.argv[3] if len(sys.argv) > 3 else "1"
    print("| bench | score | " + " | ".join(f"`{a}`" for a in AGENTS) + " | PDM-Closed better by |")
    print("|---|---|" + "---|" * (len(AGENTS) + 1))
    for bench, options in benches(data).items():
        cells, metric = [], ""
        for agent in AGENTS:
            summary = evaluate(agent, options, runs / f"{bench}-{agent}", workers)
            low, high = summary["score_ci95"] or (float("nan"), float("nan"))
            mark = "" if summary["final"] else " (NOT FINAL)"
            cells.append(f"{summary['score']:.3f} [{low:.3f}, {high:.3f}]{mark}")
            metric = str(summary["metric"])
        best = runs / f"{bench}-pdm_closed"
        gains = []
        for agent in AGENTS[:2]:
            gain = paired_difference(best, runs / f"{bench}-{agent}")
            gains.append(f"{gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}] than {agent}")
        print(f"| `{bench}` | `{metric}` | {' | '.join(cells)} | {'; '.join(gains)} |", flush=True)


if __name__ == "__main__":
    main()
