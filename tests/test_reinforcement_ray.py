"""Two learners of a real Ray cluster against one; a minute, `pytest -m slow` runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra nn")
pytest.importorskip("ray.train", exc_type=ImportError)

from drivelab.agents.rad import RadConfig  # noqa: E402
from drivelab.agents.rad.policy import RadNetwork  # noqa: E402
from drivelab.cli.reinforcement_run import _clips  # noqa: E402
from drivelab.errors import ConfigError  # noqa: E402
from drivelab.sim.envs.core import EnvOptions  # noqa: E402
from drivelab.training.reinforcement.loop import Course, learn  # noqa: E402
from drivelab.training.reinforcement.ray_learners import learn_on_ray  # noqa: E402
from drivelab.training.reinforcement.settings import ReinforcementSettings  # noqa: E402
from drivelab.training.run_folder import CHECKPOINT, read_progress  # noqa: E402

CLUSTER = {"address": None, "cpus": 0.5, "gpus": 0.0, "ship": False}


def silent(line: str) -> None:
    pass


def settings_of(folder: Path, **changes) -> ReinforcementSettings:
    return ReinforcementSettings(
        folder=folder, clips=4, validation=2, environments=2, pretraining=1, rounds=3, cycle=2,
        updates=3, later_updates=2, imitation_batch=16, harvest=2, window=3, batch=16, passes=1,
        look_every=2, save_every=2, rate=1e-4, **changes,
    )  # fmt: skip


def network() -> RadNetwork:
    torch.manual_seed(3)
    return RadNetwork(RadConfig(width=8, hidden=8, layers=1, heads=2, value_width=8))


@pytest.mark.slow
@pytest.mark.ray
def test_two_learners_learn_what_one_learns(tmp_path: Path):
    import ray
    from safetensors.numpy import load_file

    env = EnvOptions(episodes=_clips("train", "replay", False), action="rad", reward="rad")
    course = Course(env, size=6, steps=80)
    alone, together = settings_of(tmp_path / "one"), settings_of(tmp_path / "two", learners=2)
    learn(network(), course, settings=alone, say=silent)
    try:
        done = learn_on_ray(network(), course, settings=together, cluster=CLUSTER, say=silent)
    finally:
        ray.shutdown()
    assert done.rounds == 4
    one, two = (
        load_file(run.folder / CHECKPOINT / "model.safetensors") for run in (alone, together)
    )
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, rtol=0, atol=2e-5, err_msg=name)
    rows, others = read_progress(alone.folder), read_progress(together.folder)
    assert [row["kind"] for row in others] == [row["kind"] for row in rows]
    for row, other in zip(rows, others, strict=True):
        assert other["loss"] == pytest.approx(row["loss"], abs=1e-4)
        assert other.get("clips") == row.get("clips")
        assert other.get("validation") == row.get("validation")


def test_several_learners_take_a_cluster_and_even_batches(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"learners=2: expected 1 .*add launcher=ray"):
        learn_on_ray(network(), None, settings=settings_of(tmp_path, learners=2), cluster=None)
    with pytest.raises(ConfigError, match="batch=16: expected a multiple of learners=3"):
        settings_of(tmp_path, learners=3)
