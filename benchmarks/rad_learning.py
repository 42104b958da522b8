"""What reinforcement in closed loop adds to imitation: RAD's ablations on radlab.

Run: `python benchmarks/rad_learning.py OUT [--seeds 0 1 2] [--modes il rl rl_il]
[--variants full ppo_only ...] [key=value ...]`. Words with `=` are options of `drivelab train
recipe=rad`. Everything happens in this process, which makes each clip once; runs are kept below
OUT, and the same command goes on where it stopped. `--table` only prints what is there.

Each seed is pre-trained by imitation once (`il`). From these weights reinforcement goes on without
imitation (`rl`) and with every fifth round of imitation (`rl_il`), and all are judged on radlab's
test clips: the nine metrics with 95 % bootstrap intervals over clips, then by how much each policy
is above `rl_il` on the same clips (one of the ratios above 0 is worse).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from learning_runs import (
    is_done,
    learn,
    print_differences,
    print_metrics,
    split_words,
    trained,
)

WHOLE = "rl_il"  # RAD as it is, which every ablation takes something from
AUXILIARY = ("dynamic", "static", "position", "heading")
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


def run_folder(out: Path, seed: int, mode: str, variant: str) -> Path:
    name = f"seed{seed}-{mode}" if mode == "il" or variant == "full" else f"seed{seed}-{variant}"
    return out / name


def teach(out: Path, seed: int, mode: str, variant: str, options: Sequence[str]) -> None:
    words = ["recipe=rad", *options, f"mode={mode}", f"seed={seed}"]
    if mode != "il":
        start = run_folder(out, seed, "il", "full") / "imitation.safetensors"
        words = [word for word in words if not word.startswith("pretraining=")]
        words += [f"start={start}", "pretraining=0", *VARIANTS[variant]]
    learn(run_folder(out, seed, mode, variant), words)


def print_claims(out: Path, seeds: Sequence[int]) -> None:
    """The paper's claims by seed: collisions against imitation, the distance against RL alone."""
    for seed in seeds:
        found = {}
        for mode in ("il", "rl", "rl_il"):
            folder = run_folder(out, seed, mode, "full")
            if is_done(folder):
                found[mode] = trained(folder)
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
    own, options = split_words(sys.argv[1:])
    found = parser.parse_args(own)
    wanted = [(mode, "full") for mode in found.modes]
    wanted += [("rl_il", variant) for variant in found.variants if variant != "full"]
    if not found.table:
        for seed in found.seeds:
            if any(mode != "il" for mode, _ in wanted):
                teach(found.out, seed, "il", "full", options)
            for mode, variant in wanted:
                teach(found.out, seed, mode, variant, options)
    runs = {
        mode if variant == "full" else variant:
            {seed: run_folder(found.out, seed, mode, variant) for seed in found.seeds}
        for mode, variant in wanted
    }  # fmt: skip
    print_metrics(runs)
    if WHOLE in runs:
        print()
        print_differences(runs, WHOLE)
    print_claims(found.out, found.seeds)


if __name__ == "__main__":
    main()
