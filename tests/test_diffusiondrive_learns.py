"""What the small DiffusionDrive can learn: minutes long, `pytest -m slow` runs it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from drivelab.agents.diffusiondrive.agent import DiffusionDrive  # noqa: E402
from drivelab.sim.labmini_splits import labmini_source  # noqa: E402
from drivelab.sim.sensors.rendering import Rendering  # noqa: E402
from drivelab.training.feature_cache import FeatureCache, Recipe  # noqa: E402
from drivelab.training.imitation import ImitationSettings, Lesson, imitate  # noqa: E402
from drivelab.training.imitation.anchors import cluster, trajectories_of  # noqa: E402
from drivelab.training.imitation.lesson import in_turn  # noqa: E402

COUNT = 16
pytestmark = pytest.mark.slow


def test_overfits_sixteen_scenes_to_a_fifth_of_a_metre(tmp_path: Path):
    torch.manual_seed(0)
    trainee = DiffusionDrive.trainee()
    source = labmini_source("train")
    ids = source.scene_ids()[:COUNT]
    cache = FeatureCache(Recipe(source, trainee.sight.features, Rendering(rig="labmini_mini")))
    cache.fill(ids)
    trainee.set_anchors(
        torch.from_numpy(cluster(trajectories_of(cache, ids), COUNT)).repeat(2, 1, 1)[:20].float()
    )
    settings = ImitationSettings(
        tmp_path, epochs=1000, batch=COUNT // 2, weight_decay=0.0, ema=0.9,
        precision="bf16", look_every=1000, validation=1, threads=1,
    )  # fmt: skip
    imitate(trainee, Lesson(cache, ids, cache, ids[:1]), settings, print)
    (features, targets) = next(in_turn(cache, ids, COUNT))
    trainee.network.eval()
    with torch.inference_mode():
        plans = trainee.network(features)["trajectory"]
    off = np.linalg.norm((plans - targets["trajectory"])[..., :2].numpy(), axis=-1)
    assert off.mean() < 0.2
