"""Two workers of a real Ray cluster against one; a minute, `pytest -m slow` runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ray.train", exc_type=ImportError)

from drivelab.agents.ego_mlp.agent import EgoMlp  # noqa: E402
from drivelab.agents.features import FeatureOptions  # noqa: E402
from drivelab.data.labmini import LabminiSource  # noqa: E402
from drivelab.training.feature_cache import FeatureCache, Recipe  # noqa: E402
from drivelab.training.imitation import ImitationSettings, Lesson, imitate  # noqa: E402
from drivelab.training.imitation.ray_workers import imitate_on_ray  # noqa: E402
from drivelab.training.run_folder import read_progress  # noqa: E402

SCENES = LabminiSource().scene_ids()
LAUNCHER = {"address": None, "cpus": 0.5, "gpus": 0.0, "ship": False}


def silent(line: str) -> None:
    pass


@pytest.mark.slow
def test_two_workers_learn_what_one_learns(tmp_path: Path):
    from safetensors.numpy import load_file

    cache = FeatureCache(
        Recipe(LabminiSource(), FeatureOptions(camera=None, lidar=None)), tmp_path / "features"
    )
    lesson = Lesson(cache, SCENES[:16], cache, SCENES[16:18])
    cache.fill(SCENES[:18], workers=0)
    alone = ImitationSettings(
        tmp_path / "one", epochs=2, batch=8, threads=1, patience=5, look_every=1
    )
    torch.manual_seed(3)
    imitate(EgoMlp.trainee(), lesson, alone, silent)
    torch.manual_seed(3)
    together = replace(alone, folder=tmp_path / "two", workers=2)
    progress = imitate_on_ray(EgoMlp.trainee(), lesson, together, LAUNCHER, silent)
    assert progress.epoch == 2
    expected, found = (
        load_file(run.folder / "checkpoint" / "model.safetensors") for run in (alone, together)
    )
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=2e-5, err_msg=name)
    one, two = read_progress(alone.folder), read_progress(together.folder)
    assert len(one) == len(two) == 2
    assert one[-1]["validation"]["pdms"] == pytest.approx(two[-1]["validation"]["pdms"], abs=1e-6)
