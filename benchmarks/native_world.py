"""Environment steps per CPU-second of the native world, beside its bars and its peers.

Run: `python benchmarks/native_world.py [--quick] [JOB ...]`. One thread; processor time; the median
of the windows. One step is 0.1 s. The map is the one the peers were measured on: a crossing of two
four-lane roads with about 2,000 road points (here: observed road segments). Cars go at 7 m/s, 15 m
apart (8.4 m at 128); every 91 steps all start again, which is counted in. Boxes are exact, off-road
is a true inside test, every car is checked and observes 200 road segments.

A call steps 16 environments unless the job says otherwise; more than one share their map's tables.
Before anything is timed, collision and off-road flags of a run with random controls are compared
with those of the NumPy backend.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

STEPS = 91  # of an episode
SPEED = 7.0  # [m/s]


def single_threaded() -> None:
    """Start this program again with one thread: libraries read these variables once, at import."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    if any(os.environ.get(name) != "1" for name in names):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(names, "1")}
        )


@dataclass(frozen=True)
class Running:
    """A job under way: `step` makes `environments` environment steps."""

    step: Callable[[], None]
    environments: int
    agents: int
    floats: int  # of one observation
    checked: int  # actors checked per environment
    points: int  # road segments of the map


@dataclass(frozen=True)
class Job:
    """What is measured; bars and peers in environment steps per CPU-second."""

    name: str
    start: Callable[[], Running]
    reach: float | None  # None = no bar was set
    stretch: float | None
    peer: str = ""


def crossing() -> object:
    """Two four-lane roads of 420 m that cross."""
    import numpy as np

    from drivelab.sim.generator.junctions import Arm, junction
    from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder
    from drivelab.sim.generator.shapes import turn

    builder = MapBuilder(np.zeros(3))
    arms = [Arm(k * np.pi / 2, 2, [(193.0, 0.0, 0.0)]) for k in range(4)]
    half = 2 * LANE_WIDTH + 10.0
    junction(builder, "x", arms, half=half, connect=turn, speed_limit=13.9, margin=0.8)
    return builder.build("crossing")


def car_poses(lane_map, count: int):  # type: ignore[no-untyped-def]
    """Poses of `count` cars in the lanes, those nearest to the crossing first."""
    import numpy as np

    from drivelab.geometry.polyline import arc_lengths, sample

    headway = 15.0 if count <= 64 else 8.4
    poses = []
    for number, lane in enumerate(x for x in lane_map.lanes.values() if not x.connector):
        first = headway * (0.37 * number % 1.0) + 3.0
        length = arc_lengths(lane.centreline)[-1]
        poses += [sample(lane.centreline, s) for s in np.arange(first, length - 3.0, headway)]
    poses.sort(key=lambda pose: float(np.hypot(pose[0], pose[1])))
    return poses[:count]


def episode(lane_map, count: int, motion=None, lights=()):  # type: ignore[no-untyped-def]
    """An episode of the ego and `count - 1` cars.

    `motion` answers with what drives the car at a pose; without it policies drive all of them.
    """
    import numpy as np

    from drivelab.geometry.poses import compose
    from drivelab.sim.world.episode import ActorSpec, Episode, Policy
    from drivelab.types import PACIFICA

    poses = car_poses(lane_map, count)
    rear = np.array([-PACIFICA.rear_axle_to_center, 0.0, 0.0])
    ahead = np.array([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    actors = [
        ActorSpec(
            f"car{k}", "vehicle", (4.6, 1.9), pose, SPEED, motion(pose) if motion else Policy()
        )
        for k, pose in enumerate(poses[1:])
    ]
    return Episode(
        id=f"{count} cars",
        map=lane_map,
        ego_pose=compose(poses[0], rear),
        ego_speed=SPEED,
        route=(),
        route_line=compose(poses[0], ahead),
        duration=STEPS * 0.1,
        actors=tuple(actors),
        lights=lights,
    )


def policies_job(count: int, environments: int) -> Running:
    """All cars driven from outside, all checked, all observing, by compiled calls."""
    import numpy as np

    from drivelab.kernels.world.observe import agent_floats, observe_agents
    from drivelab.sim.world.native import NativeWorld

    world = NativeWorld(
        [episode(crossing(), count)] * environments,
        policies=np.tile(np.arange(count, dtype=np.int32), (environments, 1)),
    )
    controls = np.zeros((environments, count, 2))
    seen = np.zeros((environments, count, agent_floats(count)), np.float32)
    steps = 0

    def step() -> None:
        nonlocal steps
        world.step(controls)
        steps += 1
        if steps % STEPS == 0:
            for e in range(environments):
                world.reset(e)
        observe_agents(world.roads, world.state, world.policies, seen)

    points = len(world.roads.segment)
    return Running(step, environments, count, seen.shape[2], count, points)


def plain_job(count: int, environments: int) -> Running:
    """The same by the NumPy backend."""
    import numpy as np

    from drivelab.kernels.world.observe import agent_floats
    from drivelab.sim.world.native import NativeWorld
    from drivelab.sim.world.reference import bodies, checks, locate, observe

    policies = np.tile(np.arange(count, dtype=np.int32), (environments, 1))
    world = NativeWorld([episode(crossing(), count)] * environments, policies=policies)
    roads, state = world.roads, world.state
    controls = np.zeros((environments, count, 2))
    poses = np.zeros((environments, count, 3))
    seen = np.zeros((environments, count, agent_floats(count)), np.float32)

    def step() -> None:
        bodies.move_policies(state, controls, poses, 0, policies)
        locate.locate_actors(roads, state)
        checks.check_actors(roads, state)
        observe.observe_agents(roads, state, policies, seen)

    return Running(step, environments, count, seen.shape[2], count, len(roads.segment))


JOBS = (
    Job("32 agents", lambda: policies_job(32, 16), 15e3, 25e3, "PufferDrive 9.4-12k, Waymax 0.3k"),
    Job("8 agents", lambda: policies_job(8, 16), 60e3, 85e3, "PufferDrive 48k"),
    Job("64 agents", lambda: policies_job(64, 16), 6e3, 10e3, "PufferDrive 4.5k"),
    Job("128 agents", lambda: policies_job(128, 16), 2.5e3, 4e3, "PufferDrive 1.7-2.0k"),
    Job("32 agents, 1 environment", lambda: policies_job(32, 1), None, None, "PufferDrive 9.4-12k"),
    Job("32 agents, NumPy", lambda: plain_job(32, 16), 1.2e3, 2.3e3, "prototype 2.3-2.6k"),
)
# Which job's speed is set against which.
RATIOS = {"32 agents, NumPy": "32 agents"}


def check_flags(count: int = 32, steps: int = 60) -> tuple[int, int]:
    """Compare flags, hits and lanes with the NumPy backend at every step of a random drive."""
    import numpy as np

    from drivelab.kernels.world import arrays as a
    from drivelab.sim.world.native import NativeWorld
    from drivelab.sim.world.reference import checks, locate
    from drivelab.sim.world.state import copied

    environments, rng = 4, np.random.default_rng(0)
    policies = np.tile(np.arange(count, dtype=np.int32), (environments, 1))
    world = NativeWorld([episode(crossing(), count)] * environments, policies=policies)
    kept = a.COLLISION | a.OFF_ROAD | a.KERB | a.WRONG_WAY | a.OFF_LANES
    hits = off = 0
    for _ in range(steps):
        world.step(rng.uniform((-3.0, -0.6), (3.0, 0.6), (environments, count, 2)))
        plain = copied(world.state)
        plain.flags[:] = 0
        locate.locate_actors(world.roads, plain)
        checks.check_actors(world.roads, plain)
        for name in ("hit", "lane"):
            assert (getattr(plain, name) == getattr(world.state, name)).all(), name
        assert (plain.flags == world.state.flags & kept).all()
        assert np.abs(plain.border_gap - world.state.border_gap).max() < 1e-9
        hits += int(((plain.flags & a.COLLISION) > 0).sum())
        off += int(((plain.flags & (a.OFF_ROAD | a.KERB)) > 0).sum())
    assert hits
    assert off
    return hits, off


def steps_per_second(running: Running, windows: int, length: float) -> float:
    """Environment steps per second of processor time: the median of the windows."""
    import numpy as np

    for _ in range(3):
        running.step()
    rates = []
    for _ in range(windows):
        calls, start = 0, time.process_time()
        while time.process_time() - start < length:
            for _ in range(10):
                running.step()
            calls += 10
        rates.append(calls * running.environments / (time.process_time() - start))
    return float(np.median(rates))


def set_up_rows(repeats: int) -> list[tuple[str, float, float, float]]:
    """Rows of (job, ms, reach, stretch): tables of a map, reset on a map that is known."""
    import numpy as np

    from drivelab.sim.world.native import NativeWorld
    from drivelab.sim.world.roads import road_tables

    maps = [crossing() for _ in range(repeats + 1)]
    build = [_timed(lambda m=m: road_tables(m)) for m in maps][1:]
    world = NativeWorld([episode(maps[0], 32)] * 2)
    others = [episode(maps[0], 32) for _ in range(repeats)]
    again = [_timed(lambda: world.reset(1)) for _ in range(repeats)]
    fresh = [_timed(lambda other=other: world.reset(0, other)) for other in others]
    return [
        ("tables of the map", 1e3 * float(np.median(build)), 50.0, 20.0),
        ("reset to the same episode", 1e3 * float(np.median(again)), 2.0, 0.3),
        ("reset to a new episode on the map", 1e3 * float(np.median(fresh)), 2.0, 0.3),
    ]


def _timed(job: Callable[[], object]) -> float:
    start = time.process_time()
    job()
    return time.process_time() - start


def memory_per_environment(count: int = 32) -> float:
    """State of one more environment [MB]; tables belong to the map and are shared."""
    from drivelab.sim.world.native import NativeWorld

    world = NativeWorld([episode(crossing(), count)])
    return sum(array.nbytes for array in world.state) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", help="names of jobs; all when none is given")
    parser.add_argument("--quick", action="store_true", help="short windows")
    options = parser.parse_args()
    windows, length = (3, 0.2) if options.quick else (7, 0.5)
    hits, off = check_flags()
    print(f"flags equal to the NumPy backend: 7680 car-steps, {hits} colliding, {off} off the road")
    print(
        "| job | agents | floats | checked | points | env-steps/CPU-s | reach | stretch | peers |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    rates: dict[str, float] = {}
    for job in JOBS:
        if options.jobs and job.name not in options.jobs:
            continue
        running = job.start()
        rates[job.name] = rate = steps_per_second(running, windows, length)
        work = (running.agents, running.floats, running.checked, running.points)
        speeds = ("-" if x is None else f"{x:,.0f}" for x in (rate, job.reach, job.stretch))
        print("|", " | ".join([job.name, *map(str, work), *speeds, job.peer]), "|", flush=True)
    for slow, fast in RATIOS.items():
        if slow in rates and fast in rates:
            print(f"compiled / NumPy: {rates[fast] / rates[slow]:.1f}")
    if not options.jobs:
        print("| set-up | ms | reach | stretch |\n|---|---|---|---|")
        for name, ms, reach, stretch in set_up_rows(5 if options.quick else 15):
            print(f"| {name} | {ms:.2f} | {reach:g} | {stretch:g} |")
        print(f"memory of one more environment of 32: {memory_per_environment():.3f} MB")


if __name__ == "__main__":
    single_threaded()
    main()
