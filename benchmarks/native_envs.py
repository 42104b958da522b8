"""Environment steps per CPU-second through the environments' public interfaces.

Run: `python benchmarks/native_envs.py [--quick]`. One thread; processor time; the median of the
windows. The map is that of `native_world.py`: a crossing of two four-lane roads, about 2,000 road
segments. The ego goes straight on at 7 m/s among 31 cars that drive themselves (IDM, lanes, lights,
priorities), all 32 are checked, the ego sees 515 numbers; every 91 steps all start again, which is
counted in.
"""

from __future__ import annotations

import argparse

from native_world import (
    Job,
    Running,
    crossing,
    episode,
    single_threaded,
    steps_per_second,
)


def driven_episode(lane_map, count: int):  # type: ignore[no-untyped-def]
    """An ego among `count - 1` drivers, with lights at the crossing."""
    from drivelab.sim.world.episode import Drive, SignalGroup

    return episode(
        lane_map, count, lambda pose: Drive((_lane_of(lane_map, pose),)),
        _lights(lane_map, SignalGroup),
    )  # fmt: skip


def _lane_of(lane_map, pose) -> str:  # type: ignore[no-untyped-def]
    from drivelab.geometry.polyline import project

    lanes = [lane for lane in lane_map.lanes.values() if not lane.connector]
    return min(lanes, key=lambda lane: project(lane.centreline, pose[:2])[1]).id


def _lights(lane_map, group):  # type: ignore[no-untyped-def]
    """One road green while the other is red; a cycle of 20 s."""
    import numpy as np

    roads: dict[bool, list[str]] = {False: [], True: []}
    for lane in lane_map.lanes.values():
        if lane.connector:
            roads[abs(np.cos(lane.centreline[0, 2])) > 0.7].append(lane.id)
    return (
        group(tuple(roads[True]), 20.0, 0.0, 8.0, 10.0),
        group(tuple(roads[False]), 20.0, 10.0, 18.0, 20.0),
    )


def batched(count: int, environments: int) -> Running:
    """`NativeVectorEnv`, flat observations."""
    import numpy as np

    from drivelab.sim.envs.vector import NativeVectorEnv

    made = driven_episode(crossing(), count)
    env = NativeVectorEnv(environments, episodes=lambda _: made, observation="flat")
    env.reset(seed=0)
    actions = np.zeros((environments, 2), np.float32)
    floats = int(env.single_observation_space.shape[0])
    segments = len(env.core.world.roads.segment)
    return Running(lambda: _ignore(env.step(actions)), environments, 1, floats, count, segments)


def single(count: int, observation: str) -> Running:
    """`drivelab/Native-v0` as `gymnasium.make` hands it out, without its wrappers."""
    import numpy as np

    from drivelab.sim.envs.native import NativeEnv

    made = driven_episode(crossing(), count)
    env = NativeEnv(episodes=lambda _: made, observation=observation)
    env.reset(seed=0)
    action = np.zeros(2, np.float32)

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()

    floats = int(env.core.observations["vector"].shape[-1])
    return Running(step, 1, 1, floats, count, len(env.core.world.roads.segment))


def families(environments: int) -> Running:
    """`NativeVecEnv` on the training families: every end draws and places a new episode."""
    import numpy as np

    from drivelab.sim.envs.vector import NativeVectorEnv

    env = NativeVectorEnv(environments, observation="flat", autoreset_mode="SameStep")
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-0.3, 0.3, (64, environments, 2)).astype(np.float32)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        env.step(actions[steps % 64])

    floats = int(env.single_observation_space.shape[0])
    count = int(env.core.world.state.count.mean())
    return Running(step, environments, 1, floats, count, 0)


def _ignore(_: object) -> None:
    pass


JOBS = (
    Job("64 environments, one call", lambda: batched(32, 64), 30e3, 60e3, "MetaDrive 56-130"),
    Job("one environment, dict", lambda: single(32, "dict"), 12e3, 20e3, "highway-env 28"),
    Job("one environment, flat", lambda: single(32, "flat"), None, None),
    Job("64 environments, families", lambda: families(64), None, None),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short windows")
    windows, length = (3, 0.2) if parser.parse_args().quick else (7, 0.5)
    print("| job | actors checked | floats | env-steps/CPU-s | reach | stretch | peers |")
    print("|---|---|---|---|---|---|---|")
    for job in JOBS:
        running = job.start()
        rate = steps_per_second(running, windows, length)
        speeds = ("-" if x is None else f"{x:,.0f}" for x in (rate, job.reach, job.stretch))
        work = (str(running.checked), str(running.floats))
        print("|", " | ".join([job.name, *work, *speeds, job.peer]), "|", flush=True)


if __name__ == "__main__":
    single_threaded()
    main()
