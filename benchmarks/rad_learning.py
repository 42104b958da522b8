"""What reinforcement in closed loop adds to imitation: RAD's ablations on radlab.

Run: `python benchmarks/rad_learning.py OUT [--seeds 0 1 2] [--modes il rl rl_il]
[--variants full ppo_only ...] [key=value ...]`. Words with `=` are options of `drivelab train
recipe=rad`. Everything happens in this process, which makes each clip once; runs are kept below
OUT, and the same command goes on where it stopped. `--table` only prints what is there.

Each seed is pre-trained by imitation once (`il`). From these weights reinforcement goes on without
imitation (`rl`) and with every fifth round of imitation (`rl_il`), and all are judged on radlab's
test clips: the nine metrics with 95 % bootstrap intervals over clips.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from drivelab.cli import main as drivelab
from drivelab.training.reinforcement.intervals import metric_intervals

AUXILIARY = ("dynamic", "static", "position", "heading")
TRIALS = 300  # all test clips of radlab
# Rows of the paper's tables of ablations (arXiv 2502.13144v2, tables 4 and 5), and the released GAE
VARIANTS: dict[str, tuple[str, ...]] = {
    "full": (),
    "ppo_only": tuple(f"recipe.{kind}_aux=0" for kind in AUXILIARY),
    "aux_only": ("recipe.ppo=0",),
    **{f"no_{kind}_aux": (f"recipe.{kind}_aux=0",) for kind in AUXILIARY},
    "only_dynamic_reward": tuple(f"recipe.{kind}_reward=0" for kind in AUXILIARY[1:]),
    **{f"no_{kind}_reward": (f"recipe.{kind}_reward=0",) for kind in AUXILIARY},
    "released_gae": ("recipe.gae=released",),
}
COLUMNS = {
    "score": "no event", "collision_ratio": "CR", "dynamic_collision_ratio": "DCR",
    "static_collision_ratio": "SCR", "deviation_ratio": "DR", "position_deviation_ratio": "PDR",
    "heading_deviation_ratio": "HDR", "average_deviation_distance": "ADD [m]",
    "longitudinal_jerk": "long. jerk", "lateral_jerk": "lat. jerk",
}  # fmt: skip


def run_folder(out: Path, seed: int, mode: str, variant: str) -> Path:
    name = f"seed{seed}-{mode}" if mode == "il" or variant == "full" else f"seed{seed}-{variant}"
    return out / name


def learn(out: Path, seed: int, mode: str, variant: str, options: Sequence[str]) -> None:
    """One run, or the rest of it."""
    folder = run_folder(out, seed, mode, variant)
    words = ["train", "recipe=rad", *options, f"mode={mode}", f"seed={seed}", f"trials={TRIALS}"]
    if mode != "il":
        start = run_folder(out, seed, "il", "full") / "imitation.safetensors"
        words += [f"start={start}", "pretraining=0", *VARIANTS[variant]]
    if drivelab([*words, f"run.dir={folder}"]) != 0:
        raise SystemExit(f"{folder}: the run ended with an error, see above")


def rows_of(folder: Path) -> list[dict[str, object]]:
    """Of the test clips by the trained weights."""
    lines = (folder / "test.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["policy"] == "trained"]


def told(folders: Sequence[Path]) -> list[str]:
    """Cells of one or several seeds: the clips of all of them are one sample."""
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    rows = [row for folder in folders for row in rows_of(folder)]
    ends = metric_intervals(rows)
    cells = []
    for name in COLUMNS:
        mean = float(np.mean([summary["results"]["trained"][name] for summary in summaries]))
        low, high = ends[name]
        cells.append(f"{mean:.3f} [{low:.3f}, {high:.3f}]")
    return cells


def print_table(out: Path, seeds: Sequence[int], wanted: Sequence[tuple[str, str]]) -> None:
    """A line per run that is finished, and one over the seeds where there are several."""
    print("| policy | seed | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for mode, variant in wanted:
        name = mode if variant == "full" else variant
        folders = {seed: run_folder(out, seed, mode, variant) for seed in seeds}
        done = {s: f for s, f in folders.items() if (f / "summary.json").is_file()}
        for seed, folder in done.items():
            print(f"| {name} | {seed} | " + " | ".join(told([folder])) + " |")
        if len(done) > 1:
            print(f"| {name} | all {len(done)} | " + " | ".join(told(list(done.values()))) + " |")
        if len(done) < len(folders):
            missing = ", ".join(str(seed) for seed in folders if seed not in done)
            print(f"| {name} | {missing} | not finished |")


def print_claims(out: Path, seeds: Sequence[int]) -> None:
    """The paper's claims by seed: collisions against imitation, the distance against RL alone."""
    for seed in seeds:
        found = {}
        for mode in ("il", "rl", "rl_il"):
            file = run_folder(out, seed, mode, "full") / "summary.json"
            if file.is_file():
                found[mode] = json.loads(file.read_text())["results"]["trained"]
        if {"il", "rl_il"} <= set(found):
            before, after = (found[mode]["collision_ratio"] for mode in ("il", "rl_il"))
            print(f"seed {seed}: CR of RL+IL is {after / max(before, 1e-9):.2f} of that of IL "
                  "(claim: at most 0.33)")  # fmt: skip
        if {"rl", "rl_il"} <= set(found):
            alone, both = (found[mode]["average_deviation_distance"] for mode in ("rl", "rl_il"))
            print(f"seed {seed}: ADD of RL+IL {both:.3f} m, of RL only {alone:.3f} m "
                  "(claim: not above)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--modes", nargs="+", default=["il", "rl", "rl_il"],
                        choices=["il", "rl", "rl_il"])  # fmt: skip
    parser.add_argument("--variants", nargs="+", default=["full"], choices=list(VARIANTS))
    parser.add_argument("--table", action="store_true", help="print what is there, learn nothing")
    options = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
    found = parser.parse_args([word for word in sys.argv[1:] if word not in options])
    wanted = [(mode, "full") for mode in ("il", "rl", "rl_il") if mode in found.modes]
    wanted += [("rl_il", variant) for variant in found.variants if variant != "full"]
    if not found.table:
        for seed in found.seeds:
            if any(mode != "il" for mode, _ in wanted):
                learn(found.out, seed, "il", "full", options)
            for mode, variant in wanted:
                learn(found.out, seed, mode, variant, options)
    print_table(found.out, found.seeds, wanted)
    print_claims(found.out, found.seeds)


if __name__ == "__main__":
    main()
