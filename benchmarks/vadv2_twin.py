"""Probabilistic planning over a vocabulary against its deterministic twin, on radlab.

Run: `python benchmarks/vadv2_twin.py OUT [--entries 64 256 1024] [--seeds 0] [--reinforce]
[key=value ...]`. Words with `=` are options of `drivelab train recipe=vadv2`.
Everything happens in this process, which makes each clip once; runs are kept below OUT, and the
same command goes on where it stopped. `--table` only prints what is there.

Every network has the same encoder and decoder, is taught by imitation with the same seed, number of
updates and states, bit for bit (a vocabulary of more than `recipe.sampled` entries by so many of
them at a time), and is driven by the same tracker. `--reinforce` goes on from each
vocabulary's weights by reinforcement with imitation between (`mode=rl_il`), which the twin has no
actions for.

Printed: the nine metrics on the test clips with 95 % bootstrap intervals over clips, by how much
each policy is above the twin on the same clips (a probabilistic one is better where its ratios are
below), what each run took, and how far aside of where the expert went the best weights' plans begin
and end, over some of the states that were imitated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from learning_runs import (
    Runs,
    is_done,
    learn,
    print_differences,
    print_metrics,
    split_words,
    summary_of,
)
from safetensors import safe_open

from drivelab.agents.vadv2.vector_twin import VectorTwin
from drivelab.agents.vadv2.vector_weights import open_vector_vadv2
from drivelab.agents.vadv2.vocabulary import spacing
from drivelab.training.reinforcement.checkpoints import load_clips
from drivelab.training.reinforcement.expert import EXPERT
from drivelab.training.reinforcement.loop import BEST, IMITATION
from drivelab.training.reinforcement.vocabulary_pupils import twin_pupil, vocabulary_pupil

TWIN = "twin"
STATES, BATCH = 4000, 128  # that plans are compared in, and at a time


def teach(folder: Path, seed: int, entries: int, *more: str) -> None:
    learn(folder, ["recipe=vadv2", f"recipe.entries={entries}", f"seed={seed}", *more])


def teach_all(out: Path, found: argparse.Namespace, options: Sequence[str]) -> None:
    """What is asked for, in an order in which the comparison by imitation is whole first."""
    for seed in found.seeds:
        for entries in found.entries:
            teach(place(out, seed, f"{entries}-il"), seed, entries, "mode=il", *options)
        twin = ("recipe.planning=deterministic", "mode=il")
        learn(place(out, seed, TWIN), ["recipe=vadv2", f"seed={seed}", *twin, *options])
    for seed in found.seeds if found.reinforce else ():
        for entries in found.entries:
            start = place(out, seed, f"{entries}-il") / IMITATION
            words = ("mode=rl_il", "pretraining=0", f"start={start}")
            teach(place(out, seed, f"{entries}-rl_il"), seed, entries, *options, *words)


def place(out: Path, seed: int, name: str) -> Path:
    return out / f"seed{seed}-{name}"


def runs_of(out: Path, found: argparse.Namespace) -> Runs:
    """Folders by what a reader calls the policy."""
    names = {f"{entries} entries": f"{entries}-il" for entries in found.entries}
    names[TWIN] = TWIN
    if found.reinforce:
        names |= {f"{entries} entries, RL+IL": f"{entries}-rl_il" for entries in found.entries}
    return {
        told: {seed: place(out, seed, name) for seed in found.seeds}
        for told, name in names.items()
    }  # fmt: skip


def print_costs(runs: Runs) -> None:
    """Updates, imitated clips, minutes, and how coarse the vocabulary is, of each finished run."""
    print(
        "| policy | seed | updates | imitated clips | minutes of learning | between entries [m] "
        "| first pose aside [m] | last pose aside [m] |"
    )
    print("|---" * 8 + "|")
    for name, folders in runs.items():
        for seed, folder in folders.items():
            if is_done(folder):
                told = summary_of(folder)
                clips = imitated(folder / EXPERT)
                way = between(folder / BEST)
                print(
                    f"| {name} | {seed} | {told['updates']} | {clips} | {told['minutes']} | {way} "
                    f"| {aside(folder)} |"
                )


def imitated(file: Path) -> int:
    """How many clips an expert's file holds; none where nothing was imitated."""
    if not file.is_file():
        return 0
    with safe_open(file, framework="numpy") as opened:
        return int(opened.get_slice("seeds").get_shape()[0])


def between(file: Path) -> str:
    """Median way from an entry to the next one; the twin has none."""
    with safe_open(file, framework="numpy") as opened:
        if "vocabulary" not in opened.keys():  # noqa: SIM118 - no mapping
            return ""
        return f"{spacing(opened.get_tensor('vocabulary')):.2f}"


def aside(folder: Path) -> str:
    """Mean error of y [m] at the first and the last pose of what the best weights plan.

    Empty cells where the run imitated nothing, as it has kept no states then.
    """
    if not (folder / EXPERT).is_file():
        return " | "
    clips, network = load_clips(folder / EXPERT), open_vector_vadv2(folder / BEST)
    dt = network.config.dt
    if isinstance(network, VectorTwin):
        act = twin_pupil(clips.targets["trajectory"][:1], dt).act(network)
    else:
        entries = network.vocabulary.numpy()
        act = vocabulary_pupil(entries, entries, dt).act(network)
    rows = np.linspace(0, clips.decisions - 1, min(STATES, clips.decisions)).astype(int)
    parts = np.array_split(rows, -(-len(rows) // BATCH))
    plans = np.concatenate([act(clips.features["vector"][part]) for part in parts])
    error = np.abs(plans - clips.targets["trajectory"][rows])[..., 1].mean(0)
    return f"{error[0]:.3f} | {error[-1]:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--entries", type=int, nargs="+", default=[64, 256, 1024],
                        help="sizes of the vocabularies")  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--reinforce", action="store_true",
                        help="then go on by reinforcement with imitation between")  # fmt: skip
    parser.add_argument("--table", action="store_true", help="print what is there, learn nothing")
    own, options = split_words(sys.argv[1:])
    found = parser.parse_args(own)
    if not found.table:
        teach_all(found.out, found, options)
    runs = runs_of(found.out, found)
    for part in (print_metrics, print_costs):
        part(runs)
        print()
    print_differences(runs, TWIN)


if __name__ == "__main__":
    main()
