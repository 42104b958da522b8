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
of the workers; seconds of learning, and of waiting for clips.

Below the table stands what the loop is measured against, in this process: the environments alone,
`NativeVectorEnv`, in which the clips of a round are driven once more by the same actions, without a
policy and without noting anything, by turns with the loop; and once more with the policy deciding
between their steps, for nothing and not counted, since what it leaves in the caches is what a step
of the loop begins with. With `--obs images` the renderer alone, which draws the first moments of
the clips again and again. With `--actors` also what two processes
do side by side that share nothing, each driving these clips by itself: more than that no number of
actors can bring on as many cores.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import Queue, get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from torch import nn

from drivelab.data.array_store import cache_folder
from drivelab.planning.rad_anchors import BINS, rad_anchors
from drivelab.sim.envs.clips import ClipEpisodes
from drivelab.sim.envs.core import EnvOptions
from drivelab.sim.envs.vector import NativeVectorEnv
from drivelab.sim.radlab import LENGTH
from drivelab.training.reinforcement.learner import Learner
from drivelab.training.reinforcement.loop import Course, make_fleet
from drivelab.training.reinforcement.recipe import RadRecipe
from drivelab.training.reinforcement.settings import ReinforcementSettings
from drivelab.training.rollouts.clips import DrivenClips
from drivelab.training.rollouts.episodes import KeptEpisodes
from drivelab.training.rollouts.fleet import Fleet
from drivelab.training.rollouts.pictures import Pictures
from drivelab.training.rollouts.worker import PolicyDriver, weights_of

STAGES = ("policy_s", "world_s", "render_s", "begin_s")
COLUMNS = (
    "workers", "decisions per second", "per CPU-second", "policy", "world", "drawing",
    "beginning clips", "rest", "bytes of weights", "bytes sent per update", "learning [s]",
    "learner waits [s]",
)  # fmt: skip
PATIENCE = 900.0  # until all processes side by side have answered [s]
TURNS = 10  # times that each clip's first moment is drawn, or all clips are driven again

Rows = Sequence[dict[str, float]]


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
    network = RadRecipe(preset=found.preset).network(0, found.weights, pictures_of(course))
    settings = ReinforcementSettings(
        folder=folder, clips=found.clips, harvest=found.clips, window=found.clips,
        environments=found.environments, workers=max(actors, 1), pretraining=0, mode="rl",
    )  # fmt: skip
    return Learner(network, torch.from_numpy(rad_anchors().valid.copy()), settings=settings)


def measure(learner: Learner, fleet: Fleet, rounds: int) -> Rows:
    """What the rounds after the first one told, with decisions and wall time of each."""
    rows = [driven_round(learner, fleet) | learner.reinforce() for _ in range(rounds + 1)]
    return rows[1:]


def driven_round(learner: Learner, fleet: Fleet) -> dict[str, float]:
    """What a harvest told, with its decisions and the time that it took."""
    before, clock, cpu = learner.counts.decisions, perf_counter(), process_time()
    told = learner.drive(fleet)
    spent = {"wall_s": perf_counter() - clock, "cpu_s": process_time() - cpu}
    return {**told, **spent, "driven": float(learner.counts.decisions - before)}


def draw_rate(course: Course) -> float:
    """Decisions a second whose pictures the renderer draws when it does nothing else."""
    core, spent = course.core(1), 0.0
    for seed in range(course.size):
        core.reset({0: seed})
        clock = perf_counter()
        for _ in range(TURNS):
            core.view.fill(core.world, core.observations)
        spent += perf_counter() - clock
    return TURNS * course.size / spent


def replayer(
    course: Course, clips: DrivenClips, environments: int, network: nn.Module
) -> Callable[[bool], float]:
    """What drives all clips once more in the vector environment, and says decisions a second.

    Asked to, it lets the network decide between the steps, for nothing and outside the time: what a
    step finds in the caches is then what it finds in the loop. Where a clip ends before the others
    of its share, the environment begins another one by itself.
    """
    source = course.env.episodes
    assert callable(source)
    known, steps = clips.seeds.tolist(), int(clips.lengths.max())
    env = NativeVectorEnv(
        environments, episodes=lambda seed: source(known[seed % len(known)]), action="rad",
        reward="rad", observation="flat",
    )  # fmt: skip
    env.reset(seed=0)
    bins = np.full((len(clips), steps, 2), BINS // 2, np.int64)
    for clip, length in enumerate(clips.lengths):
        bins[clip, :length] = clips.bins[clips.rows(clip)]
    driver, seen = PolicyDriver(network, None), clips.features["vector"][:environments]

    def replay(decides: bool) -> float:
        spent, shares = 0.0, range(0, len(clips), environments)
        for first in shares:
            clock = perf_counter()
            places = first + np.arange(environments) % (len(clips) - first)
            env.core.reset_to({e: source(known[clip]) for e, clip in enumerate(places)})
            spent += perf_counter() - clock
            for step in range(steps):
                if decides:
                    driver.decide({"vector": seen})
                clock = perf_counter()
                env.step(bins[places, step])
                spent += perf_counter() - clock
        return len(shares) * environments * steps / spent

    return replay


def beside_environments(
    found: argparse.Namespace, course: Course, learner: Learner, fleet: Fleet
) -> str:
    """The loop without its policy beside the environments, by turns: the machine is never quiet."""
    assert learner.window.clips is not None
    replay = replayer(course, learner.window.clips, found.environments, learner.network)
    replay(True)  # the first one loads kernels
    turns = []
    for _ in range(TURNS):
        row = driven_round(learner, fleet)
        loop = row["driven"] / (row["wall_s"] - row["policy_s"])
        turns.append((loop, replay(False), replay(True)))
    loop, alone, between = np.median(turns, axis=0)
    shares = [100 * np.median([turn[0] / turn[k] for turn in turns]) for k in (1, 2)]
    return (
        f"the loop without its policy: {loop:,.0f} decisions a second; the environments alone: "
        f"{alone:,.0f} ({shares[0]:.0f} %), with the policy deciding between their steps, outside "
        f"the time: {between:,.0f} ({shares[1]:.0f} %); medians of {TURNS} turns"
    )


def drive_alone(found: argparse.Namespace, ready: Barrier, rates: Queue[float]) -> None:
    """In a process of its own: drive with a local fleet once all processes are ready."""
    torch.set_num_threads(1)
    course = course_of(found)
    with tempfile.TemporaryDirectory() as folder:
        learner = learner_of(found, course, Path(folder), 0)
        fleet = make_fleet(learner, course=course, cluster=None)
        learner.drive(fleet)  # makes the clips
        ready.wait()
        rows = [driven_round(learner, fleet) for _ in range(TURNS)]
    rates.put(sum(row["driven"] for row in rows) / sum(row["wall_s"] for row in rows))


def side_by_side(found: argparse.Namespace, processes: int) -> float:
    """Decisions a second of several processes at once that share nothing but the machine."""
    context = get_context("spawn")
    ready, rates = context.Barrier(processes), context.Queue()
    started = [
        context.Process(target=drive_alone, args=(found, ready, rates)) for _ in range(processes)
    ]
    for process in started:
        process.start()
    total = sum(rates.get(timeout=PATIENCE) for _ in started)
    for process in started:
        process.join()
    return total


def print_head() -> None:
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * len(COLUMNS) + "|", flush=True)


def print_row(name: str, rows: Rows, actors: int, learner: Learner) -> None:
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
    waited = float(np.median([row["wait_s"] for row in rows]))
    weights = sum(array.nbytes for array in weights_of(learner.network).values())
    cells = [name, f"{rate:,.0f}", per_cpu, *shares, rest, f"{weights:,}", f"{sent:,.0f}"]
    print(f"| {' | '.join([*cells, f'{learnt:.2f}', f'{waited:.2f}'])} |", flush=True)


def course_of(found: argparse.Namespace) -> Course:
    """The clips that are driven, seen as numbers or through cameras."""
    env = EnvOptions(episodes=KeptEpisodes(ClipEpisodes("train")), action="rad", reward="rad")
    pictures = Pictures(keep=str(cache_folder("streets"))) if found.obs == "images" else None
    return Course(env, size=found.clips, steps=LENGTH, seen=pictures)


def pictures_of(course: Course) -> Pictures | None:
    """How the cameras of `course_of` see."""
    return course.seen if isinstance(course.seen, Pictures) else None


def beside_renderer(course: Course, pictures: Pictures, rows: Rows) -> str:
    """The loop beside the renderer that draws the same pictures."""
    _, height, width, _ = pictures.shape
    own = draw_rate(course)
    loop = sum(row["driven"] for row in rows) / sum(row["wall_s"] for row in rows)
    return (
        f"the renderer alone: the pictures of {own:,.0f} decisions a second "
        f"({len(pictures.cameras)} of {width} x {height}); the loop: {loop:,.0f} "
        f"({100 * loop / own:.0f} %)"
    )


def print_here(found: argparse.Namespace, course: Course) -> str:
    """The row of this process; returns what it is measured against."""
    pictures = pictures_of(course)
    with tempfile.TemporaryDirectory() as folder:
        learner = learner_of(found, course, Path(folder), 0)
        fleet = make_fleet(learner, course=course, cluster=None)
        rows = measure(learner, fleet, found.rounds)
        print_row("this process", rows, 0, learner)
        if pictures is None:
            return beside_environments(found, course, learner, fleet)
        return beside_renderer(course, pictures, rows)


def print_actors(found: argparse.Namespace, course: Course, actors: int) -> None:
    """So many actors of a cluster that is started here."""
    with tempfile.TemporaryDirectory() as folder:
        learner = learner_of(found, course, Path(folder), actors)
        cluster = {"address": None, "cpus": 1.0, "gpus": 0.0}
        fleet = make_fleet(learner, course=course, cluster=cluster)
        try:
            rows = measure(learner, fleet, found.rounds)
        finally:
            fleet.close()
    print_row(f"{actors} Ray actor{'s' if actors > 1 else ''}", rows, actors, learner)


def main() -> None:
    found = arguments()
    torch.set_num_threads(1)  # networks this small mostly wait for a second one
    course = course_of(found)
    print_head()
    limit = print_here(found, course)  # first: Ray leaves threads behind in this process
    for actors in found.actors:
        print_actors(found, course, actors)
    print(f"\n{limit}", flush=True)
    for processes in found.actors:
        if processes > 1:
            alone, together = (side_by_side(found, count) for count in (1, processes))
            print(f"{processes} processes side by side: {together / alone:.2f} times one of them")


if __name__ == "__main__":
    main()
