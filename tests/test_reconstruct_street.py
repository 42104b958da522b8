"""Scenes from files in place of built streets: seen, felt, refused where they are of elsewhere."""

import json

import gymnasium as gym
import numpy as np
import pytest

import drivelab.sim.envs  # noqa: F401  (registers the environments)
from drivelab.cli import main
from drivelab.errors import DataError
from drivelab.sim.envs.clips import ClipEpisodes
from drivelab.sim.radlab import clip_scene
from drivelab.sim.sensors.rendered import stage_of_episode, stage_of_scene
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.splats.files import save_scene

CLIP, OTHER = 3, 5  # test-0003-lane_drop, test-0005-t_junction


def episode(clip):
    return ClipEpisodes("test")(clip)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """The built street of the clip as a file, named by its episode."""
    found = episode(CLIP)
    file = tmp_path_factory.mktemp("streets") / f"{found.id}.splats.safetensors"
    save_scene(stage_of_episode(found, Rendering()).scene, file)
    return file


def test_a_stored_street_looks_like_the_built_one_in_splat_v0(street):
    seen = []
    for given in ("", str(street), str(street.parent)):
        env = gym.make(
            "drivelab/Splat-v0", episodes=lambda _: episode(CLIP), cameras=("CAM_FRONT",),
            scale=0.25, street=given,
        )  # fmt: skip
        first, _ = env.reset(seed=0)
        then = env.step(np.array(env.action_space.nvec) // 2)[0]
        seen.append(np.stack([first["images"], then["images"]]))
        env.close()
    assert np.abs(seen[0].astype(int) - seen[1]).max() <= 1
    np.testing.assert_array_equal(seen[1], seen[2])
    assert seen[0].std() > 20


def test_a_street_of_elsewhere_is_refused(street):
    stage = stage_of_episode(episode(OTHER), Rendering(street=str(street)))
    with pytest.raises(DataError, match=r"lie \d+ m and more beside the way"):
        _ = stage.scene
    with pytest.raises(DataError, match="holds no test-0005-t_junction"):
        stage_of_scene(clip_scene("test-0005-t_junction"), Rendering(street=str(street.parent)))


def test_an_evaluation_drives_in_a_stored_street(street, tmp_path, capsys):
    words = ["eval", "agent=idm", "bench=rad", "sensors=on", "report=none", "quiet=true"]
    words += ["scenes=[test-0003-lane_drop]", f"run.dir={tmp_path / 'run'}"]
    assert main([*words, f"street={street}"]) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["n_done"] == 1
    assert len(summary["versions"]["street_sha256"]) == 16
    assert main([*words, f"street={tmp_path / 'nothing'}"]) == 2
    assert "no such file or folder" in capsys.readouterr().err
