"""How fast RAD's policy drives clips of radlab to learn from, and where the time goes.

Run: `python benchmarks/rollouts.py [--clips 32] [--rounds 3] [--environments 16] [--actors 1 2]
[--preset mini] [--weights FILE] [--obs vector|images]`. Rounds are those of
`drivelab train recipe=rad`: weights out, whole clips back, an update of PPO from them. The first
round makes the clips and is not counted.
`--actors` also measures actors of a Ray cluster that is started here (extra `ray`).

Printed: decisions per second of the wall clock from sending weights to holding the clips, and of
this process' CPU time where it drives itself (what a busy machine leaves does not count); of the
workers' time the shares of policy, world, drawing pictures, beginning clips and the rest (noting
what was seen, judging, joining; 0 where several workers overlap); bytes of weights sent per update
of the workers; seconds of learning. With `--obs images` also what the renderer does alone: it draws
the first moments of the same clips again and again, in this process.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch

from drivelab.data.array_store import cache_folder
from drivelab.planning.rad_anchors import rad_anchors
from drivelab.sim.envs.clips import ClipEpisodes
from drivelab.sim.envs.core import EnvOptions
from drivelab.sim.radlab import LENGTH
from drivelab.training.reinforcement.learner import Learner
from drivelab.training.reinforcement.loop import Course, make_fleet
from drivelab.training.reinforcement.recipe import RadRecipe
from drivelab.training.reinforcement.settings import ReinforcementSettings
from drivelab.training.rollouts.episodes import KeptEpisodes
from drivelab.training.rollouts.fleet import Fleet
from drivelab.training.rollouts.pictures import Pictures
from drivelab.training.rollouts.worker import weights_of

STAGES = ("policy_s", "world_s", "render_s", "begin_s")
COLUMNS = (
    "workers", "decisions per second", "per CPU-second", "policy", "world", "drawing",
    "beginning clips", "rest", "bytes of weights", "bytes sent per update", "learning [s]",
)  # fmt: skip
TURNS = 10  # times that each clip's first moment is drawn


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=32, help="of a round")
    parser.add_argument("--rounds", type=int, default=3, help="that are measured")
    parser.add_argument("--environments", type=int, default=16, help="side by side in a worker")
    parser.add_argument("--actors", type=int, nargs="*", default=[], help="of a Ray cluster")
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--weights", type=Path, help="of a run, best.safetensors")
    parser.add_argument("--obs", choices=("vector", "images"), default="vector")
    return parser.parse_args()


def learner_of(found: argparse.Namespace, course: Course, folder: Path, actors: int) -> Learner:
    """A learner of this policy; the same clips are driven in every round."""
    network = RadRecipe(preset=found.preset).network(0, found.weights, course.pictures)
    settings = ReinforcementSettings(
        folder=folder, clips=found.clips, harvest=found.clips, window=found.clips,
        environments=found.environments, workers=max(actors, 1), pretraining=0, mode="rl",
    )  # fmt: skip
    return Learner(network, torch.from_numpy(rad_anchors().valid.copy()), settings=settings)


def measure(learner: Learner, fleet: Fleet, rounds: int) -> list[dict[str, float]]:
    """What the rounds after the first one told, with decisions and wall time of each."""
    rows = []
    for number in range(rounds + 1):
        before, clock, cpu = learner.counts.decisions, perf_counter(), process_time()
        told = learner.drive(fleet)
        told["wall_s"], told["cpu_s"] = perf_counter() - clock, process_time() - cpu
        told["driven"] = float(learner.counts.decisions - before)
        told |= learner.reinforce()
        if number:
            rows.append(told)
    return rows


def own_rate(course: Course) -> float:
    """Decisions a second whose pictures the renderer draws when it does nothing else."""
    core, spent = course.core(1), 0.0
    for seed in range(course.size):
        core.reset({0: seed})
        clock = perf_counter()
        for _ in range(TURNS):
            core.view.fill(core.world, core.observations)
        spent += perf_counter() - clock
    return TURNS * course.size / spent


def line(name: str, rows: Sequence[dict[str, float]], actors: int, weights: int) -> str:
    """A row of the table: rates and times of the median round, shares of all rounds."""
    workers = max(actors, 1)
    rate = np.median([row["driven"] / row["wall_s"] for row in rows])
    busy = np.median([row["driven"] / row["cpu_s"] for row in rows])
    per_cpu = "" if actors else f"{busy:,.0f}"  # actors work in processes of their own
    spent = {stage: float(np.mean([row[stage] for row in rows])) for stage in STAGES}
    whole = max(float(np.mean([row["wall_s"] for row in rows])) * workers, sum(spent.values()))
    shares = [f"{100 * spent[stage] / whole:.0f} %" for stage in STAGES]
    rest = f"{100 * (1 - sum(spent.values()) / whole):.0f} %"
    sent = rows[-1].get("broadcast_bytes", 0.0)
    learnt = float(np.median([row["learn_s"] for row in rows]))
    cells = [name, f"{rate:,.0f}", per_cpu, *shares, rest, f"{weights:,}", f"{sent:,.0f}"]
    return f"| {' | '.join([*cells, f'{learnt:.2f}'])} |"


def main() -> None:
    found = arguments()
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|", flush=True)
    source = KeptEpisodes(ClipEpisodes("train"))
    env = EnvOptions(episodes=source, action="rad", reward="rad")
    pictures = Pictures(keep=str(cache_folder("streets"))) if found.obs == "images" else None
    course = Course(env, size=found.clips, steps=LENGTH, pictures=pictures)
    for actors in (0, *found.actors):
        cluster = {"address": None, "cpus": 1.0, "gpus": 0.0} if actors else None
        with tempfile.TemporaryDirectory() as folder:
            learner = learner_of(found, course, Path(folder), actors)
            fleet = make_fleet(learner, course=course, cluster=cluster)
            try:
                rows = measure(learner, fleet, found.rounds)
            finally:
                fleet.close()
        weights = sum(array.nbytes for array in weights_of(learner.network).values())
        name = f"{actors} Ray actor{'s' if actors > 1 else ''}" if actors else "this process"
        print(line(name, rows, actors, weights), flush=True)
    if pictures is not None:
        _, height, width, _ = pictures.shape
        print(f"\nthe renderer alone: the pictures of {own_rate(course):,.0f} decisions a second "
              f"({len(pictures.cameras)} of {width} x {height})")  # fmt: skip


if __name__ == "__main__":
    main()
