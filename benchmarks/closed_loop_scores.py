"""Time every score of a driven episode on one rollout of 15 s, one thread.

Run: `python benchmarks/closed_loop_scores.py`. The rollout: a junction of the embedded split, 151
states, 40 actors, a plan of 4 s every 0.5 s. Limit: 50 ms for all metrics together, after warm-up.
"""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from navsim_scorer import median_ms, single_threaded

LIMIT = 50.0  # [ms]
STEPS, ACTORS = 151, 40


def episode() -> tuple[object, object]:
    """The recorded ego of a scene goes on at its last speed; actors drive beside it."""
    import numpy as np

    from drivelab.data.labmini import LabminiSource
    from drivelab.types import Rollout, Tracks

    source = LabminiSource()
    scene = source.load(next(name for name in source.scene_ids() if name.startswith("four_way")))
    pose = scene.ego.poses[scene.now]
    heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
    ego = np.zeros((STEPS, 11))
    ego[:, :2] = pose[:2] + 0.8 * np.arange(STEPS)[:, None] * heading
    ego[:, 2], ego[:, 3] = pose[2], 8.0
    rng = np.random.default_rng(0)
    poses = np.empty((STEPS, ACTORS, 3))
    poses[0, :, :2] = pose[:2] + rng.uniform(-60.0, 60.0, (ACTORS, 2))
    poses[..., 2] = rng.uniform(-np.pi, np.pi, ACTORS)
    speed = rng.uniform(0.0, 10.0, ACTORS)
    velocity = speed[:, None] * np.stack([np.cos(poses[0, :, 2]), np.sin(poses[0, :, 2])], 1)
    poses[..., :2] = poses[0, :, :2] + 0.1 * np.arange(STEPS)[:, None, None] * velocity
    tracks = Tracks(
        ids=tuple(f"actor{n}" for n in range(ACTORS)),
        kinds=("vehicle",) * ACTORS,
        sizes=np.tile([4.5, 1.9], (ACTORS, 1)),
        poses=poses,
        velocities=np.broadcast_to(velocity, (STEPS, ACTORS, 2)).copy(),
        valid=np.ones((STEPS, ACTORS), bool),
        dt=0.1,
    )
    plans = np.zeros((30, 8, 3))
    plans[..., 0] = 4.0 * np.arange(1, 9)
    return scene, Rollout(
        scene_id=scene.id,
        times=0.1 * np.arange(STEPS),
        ego=ego,
        tracks=tracks,
        plan=plans[0],
        plan_dt=0.5,
        events=({"kind": "red_light", "step": 40, "time": 4.0, "actor": "", "side": ""},),
        info={
            "expert": ego[:, :3],
            "off_lane": np.zeros(STEPS, bool),
            "route_completion": 0.9,
            "v_ref": 10.0,
            "expect": {"no_collision": True, "no_red_light": True, "min_gap": 0.5},
            "scenario_kinds": ("SignalizedJunctionLeftTurn",),
        },
        plans=plans,
        plan_steps=5 * np.arange(30),
        route=ego[::2, :3],
    )


def main() -> int:
    single_threaded()
    from drivelab.metrics.registry import ROLLOUT_METRICS
    from drivelab.registry import load_object

    scene, rollout = episode()
    total = 0.0
    print(
        f"{platform.processor() or platform.machine()}, one thread, {STEPS} states, {ACTORS} actors"
    )
    for name, target in ROLLOUT_METRICS.items():
        metric = load_object(target)()
        start = time.perf_counter()
        metric.score(scene, rollout)
        first = 1e3 * (time.perf_counter() - start)
        ms = median_ms(lambda metric=metric: metric.score(scene, rollout), 20)
        total += ms
        print(f"{name:<32}{ms:>8.2f} ms   first {first:>8.1f} ms")
    print(f"{'all':<32}{total:>8.2f} ms   limit {LIMIT:.0f} ms")
    return int(total > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
