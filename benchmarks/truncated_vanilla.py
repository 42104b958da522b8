"""Truncated diffusion from anchors beside vanilla diffusion from pure noise: what each plans.

Run: `python benchmarks/truncated_vanilla.py TRUNCATED VANILLA [RUNS] [--split test]`, with the
weights (`best.safetensors`) of two runs that differ in `agent.diffusion` alone. Printed: PDMS with
its interval and the paired difference, how different the modes of a plan are
(`drivelab.metrics.mode_diversity`: mean over scenes), and the time of the head, one thread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from drivelab.metrics.mode_diversity import mode_diversity
from drivelab.reports.compare import paired_difference
from drivelab.reports.run_record import read_run

HEAD = """
import sys, time, torch
from drivelab.agents.diffusiondrive.fast import FastDiffusionDrive
from drivelab.agents.learned.checkpoint import open_network
torch.set_num_threads(1)
fast = FastDiffusionDrive(open_network(sys.argv[1]))
c = fast.config
cells = torch.randn(1, *c.fine_cells, c.width)
ego, users = torch.randn(1, 1, c.width), torch.randn(1, c.agents, c.width)
times = []
with torch.inference_mode():
    for _ in range(40):
        begin = time.perf_counter()
        fast.head(cells, ego, users, fast.head.plain.noise(1))
        times.append((time.perf_counter() - begin) * 1e3)
print(min(times))
"""


def evaluate(weights: Path, split: str, folder: Path) -> dict[str, object]:
    """Run one evaluation and read its summary."""
    program = Path(sys.executable).with_name("drivelab")
    command = [program, "eval", "agent=diffusiondrive", f"agent.checkpoint={weights}"]
    command += ["bench=navsim", "data=embedded", f"split={split}", f"run.dir={folder}"]
    subprocess.run([*command, "workers=2", "quiet=true"], check=True, stdout=subprocess.DEVNULL)
    summary: dict[str, object] = json.loads((folder / "summary.json").read_text())
    return summary


def diversity(folder: Path) -> float:
    """Mean over the scenes of a run."""
    record = read_run(folder)
    plans = [record.plan(str(row["scene"])) for row in record.done]
    found = [mode_diversity(p.modes.astype(float)) for p in plans if p and p.modes is not None]
    return float(np.mean(found))


def head_time(weights: Path) -> float:
    """Best time of the head in a process of its own [ms]."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD, str(weights)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("truncated", type=Path)
    parser.add_argument("vanilla", type=Path)
    parser.add_argument("runs", nargs="?", type=Path)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    runs = options.runs or Path(tempfile.mkdtemp())
    print("| diffusion | PDMS | mode diversity | head [ms] |\n|---|---|---|---|")
    times = {}
    for name in ("truncated", "vanilla"):
        weights = getattr(options, name)
        summary = evaluate(weights, options.split, runs / name)
        low, high = summary["score_ci95"] or (float("nan"), float("nan"))
        times[name] = head_time(weights)
        score = f"{summary['score']:.4f} [{low:.4f}, {high:.4f}]"
        print(
            f"| {name} | {score} | {diversity(runs / name):.3f} | {times[name]:.1f} |", flush=True
        )
    gain = paired_difference(runs / "truncated", runs / "vanilla")
    print(
        f"truncated better by {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}], "
        f"its head {times['vanilla'] / times['truncated']:.1f} times faster"
    )


if __name__ == "__main__":
    main()
