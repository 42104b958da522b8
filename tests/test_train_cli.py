# ruff: noqa: E402 - what the extra brings is imported only where it is there
"""`drivelab train`: a short run leaves everything behind and can be resumed (extra `rl`)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="needs the extra rl")
pytestmark = pytest.mark.rl

import torch

from drivelab.cli import main
from drivelab.errors import RunError
from drivelab.sim.envs.core import EnvOptions
from drivelab.training.checkpoint import load_weights, save_checkpoint
from drivelab.training.run_folder import read_progress
from drivelab.training.trials import random_policy, run_trials

SHORT = [
    "train", "env.episodes=[straight]", "algo.n_envs=8", "algo.n_steps=16", "algo.batch=64",
    "algo.hidden=[16]", "algo.epochs=1", "validation=4", "trials=1", "threads=1", "quiet=true",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert main([*SHORT, "steps=256", f"run.dir={folder}"]) == 0
    return folder


def test_a_run_folder_tells_everything(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["steps"] == 256
    assert set(summary["success"]) == {"trained", "random", "idm"}
    for facts in summary["results"].values():
        assert facts["episodes"] == 1
    rows = read_progress(run)
    assert rows[-1]["steps"] == 256
    assert {"minutes", "success", "return", "validation"} <= set(rows[-1])
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert list(run.glob("*.mp4"))
    assert (run / "policy" / "model.safetensors").is_file()


def test_the_same_command_does_not_learn_again(run: Path, capsys: pytest.CaptureFixture) -> None:
    before = read_progress(run)
    assert main([*SHORT, "steps=256", f"run.dir={run}"]) == 0
    assert read_progress(run) == before
    assert "driver" in capsys.readouterr().out


def test_report_shows_a_training_run(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["report", str(run)]) == 0
    out = capsys.readouterr().out
    assert "route driven without a fault" in out
    assert "learnt: 0.0 min, 256 steps" in out
    assert all(name in out for name in ("trained", "random", "idm", "straight"))
    assert str(run / "curve.png") in out
    assert not (run / "report.html").exists()


def test_report_says_what_to_do_with_a_run_that_is_not_finished(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "config.yaml").write_bytes((run / "config.yaml").read_bytes())
    assert main(["report", str(tmp_path)]) == 2
    told = "is a training run that is not finished: type its `drivelab train` command again"
    assert told in capsys.readouterr().err
    assert main(["report", str(run), str(tmp_path)]) == 2
    assert "is a training run, and only runs of `drivelab eval`" in capsys.readouterr().err
    (tmp_path / "summary.json").write_text("{}")
    assert main(["report", str(tmp_path)]) == 2
    assert "is no summary of a training run" in capsys.readouterr().err


def test_another_run_does_not_go_into_its_folder(run: Path, capsys: pytest.CaptureFixture) -> None:
    assert main([*SHORT, "steps=512", f"run.dir={run}"]) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["algo=sb3_pp"], "did you mean 'sb3_ppo'"),
        (["env.episodes=[curv]"], "did you mean 'curve'"),
        (["algo.batch=4096", "algo.n_steps=16"], "more than the 1024 samples"),
        (["minutes=-1"], "minutes=-1"),
        (["algo.gama=0.9"], "did you mean 'gamma'"),
        (["env.action=contrl"], "did you mean 'control'"),
        (["env.reward=rat"], "reward='rat': no such preset"),
        (["env.max_steps=-1"], "max_steps=-1: expected a whole number above 0"),
        (["env.dynamics=kinematik"], "did you mean 'kinematic'"),
        (["device=cudda"], "device=cudda: expected one of cpu, cuda; did you mean 'cuda'"),
        (["algo.hidden=wide"], "algo.hidden='wide': expected a list of whole numbers above 0"),
        (["algo.hidden=[0]"], "algo.hidden=[0]: expected a list of whole numbers above 0"),
        (["algo.learning_rate=-1"], "algo.learning_rate=-1: expected a number above 0"),
        (["algo.batch=1"], "algo.batch=1: expected 2 or more"),
        (["algo.gamma=2"], "algo.gamma=2: expected 0 to 1"),
        (["algo.n_envs=0", "algo.batch=2"], "algo.n_envs=0: expected 1 or more"),
        (["seed=-1"], "seed=-1: expected 0 to 4294967295"),
        (["validation=1.5"], "validation=1.5: expected a whole number"),
    ],
)
def test_wrong_options_are_told_before_anything_is_written(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["train", *words, f"run.dir={tmp_path / 'run'}"]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_gpu_that_is_not_there_is_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["train", "device=cuda", f"run.dir={tmp_path / 'run'}"]) == 2
    assert "device=cuda: PyTorch sees no GPU here" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_brings_back_weights_and_moments(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    first, second = (torch.optim.Adam(module.parameters()) for module in (one, other))
    one(torch.ones(1, 3)).sum().backward()
    first.step()
    save_checkpoint(tmp_path, one, {"steps": 7}, first)
    load_weights(tmp_path, other, second)
    for module, optimizer in ((one, first), (other, second)):
        optimizer.zero_grad()
        module(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    torch.testing.assert_close(one.weight, other.weight, rtol=0, atol=0)
    with pytest.raises(RunError, match="another network's weights"):
        load_weights(tmp_path, torch.nn.Linear(4, 2))
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(RunError, match="cannot be read"):
        load_weights(tmp_path, one)


def test_trials_are_counted_once_each_and_repeat() -> None:
    options = EnvOptions(episodes="straight", max_steps=30)
    first = run_trials(random_policy(options, 1), options, range(6))
    again = run_trials(random_policy(options, 1), options, range(6))
    assert first == again
    assert [trial.seed for trial in first.trials] == list(range(6))
    still = run_trials(lambda rows: np.zeros((len(rows), 2), np.float32), options, range(3))
    assert all(trial.events == ("timeout",) for trial in still.trials)
