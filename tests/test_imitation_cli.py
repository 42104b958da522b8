"""`drivelab train agent=...` and `drivelab train anchors`, from the command line to their files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra nn")

from safetensors.torch import save_file

from drivelab.agents.ego_mlp.agent import EgoMlp
from drivelab.cli import main
from drivelab.errors import RunError
from drivelab.training.imitation.anchors import load_anchors
from drivelab.training.imitation.learner import Learner
from drivelab.training.run_folder import open_folder, read_progress

SHORT = ["agent=ego_mlp", "limit=8", "batch=4", "validation=2", "builders=0", "threads=1"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    words = [*SHORT, "epochs=2", f"cache={cache}", f"run.dir={folder}", "quiet=true"]
    assert main(["train", *words]) == 0
    return folder


def test_a_run_folder_tells_everything(run: Path):
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["agent"], summary["data"], summary["train_scenes"]) == ("ego_mlp", "labmini", 8)
    assert (summary["epochs"], summary["updates"], summary["parameters"]) == (2, 4, 542_232)
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    rows = read_progress(run)
    assert summary["best"]["pdms"] == max(row["validation"]["pdms"] for row in rows)


def test_the_same_command_does_not_learn_again(run: Path, cache: Path, capsys):
    before = read_progress(run)
    words = [*SHORT, "epochs=2", f"cache={cache}", f"run.dir={run}", "minutes=3"]
    assert main(["train", *words]) == 0
    assert read_progress(run) == before
    assert "learnt 8 scenes of labmini train (generated, not NAVSIM)" in capsys.readouterr().out


def test_a_run_that_named_its_own_folder_goes_on(cache: Path, tmp_path: Path, capsys):
    words = [*SHORT, "epochs=2", f"cache={cache}", "quiet=true"]
    assert main(["train", *words, f"run.root={tmp_path}", "minutes=1e-9"]) == 0
    (folder,) = tmp_path.iterdir()
    assert main(["train", *words, f"run.dir={folder}", "save_every=9"]) == 0
    assert (folder / "summary.json").is_file()


def test_another_run_is_not_continued(run: Path, cache: Path, capsys):
    words = [*SHORT, "epochs=3", f"cache={cache}", f"run.dir={run}", "quiet=true"]
    assert main(["train", *words]) == 2
    assert "holds a run with other settings" in capsys.readouterr().err


def test_the_weights_drive_and_the_run_is_reported(run: Path, tmp_path: Path, capsys):
    words = ["agent=ego_mlp", f"agent.checkpoint={run / 'best.safetensors'}", "bench=navsim"]
    words += ["data=embedded", "limit=2", f"run.dir={tmp_path / 'eval'}", "report=none"]
    assert main(["eval", *words]) == 0
    told = capsys.readouterr()
    assert f"weights: {run / 'best.safetensors'} (SHA-256 " in told.err
    environment = json.loads((tmp_path / "eval" / "env.json").read_text())
    assert "best.safetensors" in environment["weights"]
    assert main(["report", str(run)]) == 0
    assert "best:   epoch" in capsys.readouterr().out


def test_anchors_are_clustered(cache: Path, tmp_path: Path, capsys):
    out = tmp_path / "anchors.npy"
    words = ["limit=8", "modes=3", f"cache={cache}", "builders=0", f"out={out}", "quiet=true"]
    assert main(["train", "anchors", *words]) == 0
    assert load_anchors(out).shape == (3, 8, 2)
    assert np.isfinite(load_anchors(out)).all()
    assert "3 anchors of 8 trajectories" in capsys.readouterr().out
    assert main(["train", "anchors", *words]) == 2
    assert "is there already; move it away" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["agent=idm"], "agent=idm: nothing to teach, Idm has no `trainee`"),
        (["agent=transfuser", "preset=minni"], "no preset 'minni'; did you mean 'mini'"),
        (["agent=ego_mlp", "epochs=many"], "epochs='many': expected a whole number"),
        (["agent=ego_mlp", "epoch=3"], "no option 'epoch'; did you mean 'epochs'?"),
        (["agent=ego_mlp", "limit=8", "batch=16"], "more than the 8 training scenes"),
        (["agent=ego_mlp", "anchors=any.npy"], "anchors=any.npy: agent=ego_mlp takes none"),
        (["agent=ego_mlp", "device=cpu:1"], "device=cpu:1: expected cpu, cuda, or cuda:N"),
        (["agent=ego_mlp", "limit=0"], "limit=0: expected a whole number above 0"),
        (["agent=ego_mlp", "data=labmani"], "data=labmani: no such data; did you mean 'labmini'?"),
        (["agent=ego_mlp", "curves=wandb"], "pip install 'drivelab[curves]'"),
        (["agent=ego_mlp", "start=transfuser"], "has a name and shape of the network"),
        (["agent=diffusiondrive", "anchors=none.npy"], "none.npy: no anchors"),
        (["agent=ego_mlp", "workers=2"], "workers=2 share a batch through Ray: add launcher=ray"),
        (["agent=ego_mlp", "launcher=ray", "launcher.cpus=-1"], "launcher.cpus=-1: expected a"),
        (["anchors", "modes=0"], "modes=0: expected a whole number, 1 or more"),
        (["anchors", "out=a.txt"], "expected a file that ends in .npy"),
    ],
)
def test_what_cannot_be_is_told_at_once(words, told, cache: Path, tmp_path: Path, capsys):
    more = ["quiet=true", f"cache={cache}", "builders=0"]
    if words[0] != "anchors":
        more += ["validation=2", f"run.dir={tmp_path / 'run'}"]
    assert main(["train", *words, *more]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # the mended command may have the same run.dir


def test_anchors_of_another_horizon_are_told_before_features_are_built(tmp_path: Path, capsys):
    np.save(tmp_path / "short.npy", np.arange(240.0).reshape(20, 6, 2))
    words = ["agent=diffusiondrive", f"anchors={tmp_path / 'short.npy'}", "start=null"]
    assert main(["train", *words, f"run.dir={tmp_path / 'run'}"]) == 2
    told = capsys.readouterr().err
    assert f"anchors={tmp_path / 'short.npy'}: anchors of shape (20, 6, 2), expected" in told
    assert not (tmp_path / "run").exists()


def test_a_begun_run_needs_the_files_no_more_that_it_began_with(cache: Path, tmp_path: Path):
    eyes = tmp_path / "eyes.safetensors"
    begun = EgoMlp.trainee().network.state_dict()
    save_file({"_mlp.2.weight": begun["_mlp.2.weight"]}, eyes)
    words = [*SHORT, "epochs=1", f"cache={cache}", "quiet=true", f"start={eyes}"]
    words += [f"run.dir={tmp_path / 'run'}"]
    assert main(["train", *words, "minutes=1e-9"]) == 0
    eyes.unlink()
    assert main(["train", *words]) == 0
    assert (tmp_path / "run" / "summary.json").is_file()


def test_an_interrupted_run_says_how_to_go_on(cache: Path, tmp_path: Path, monkeypatch, capsys):
    def interrupted(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Learner, "update", interrupted)
    words = [*SHORT, "epochs=1", f"cache={cache}", f"run.dir={tmp_path / 'run'}"]
    assert main(["train", *words]) == 130
    assert f"the same command with run.dir={tmp_path / 'run'} goes on" in capsys.readouterr().err


def test_damaged_files_of_a_run_are_told(run: Path, cache: Path, tmp_path: Path, capsys):
    torn = tmp_path / "torn"
    shutil.copytree(run, torn)
    words = [*SHORT, "epochs=2", f"cache={cache}", f"run.dir={torn}", "quiet=true"]
    (torn / "summary.json").write_text("{")
    assert main(["train", *words]) == 2
    assert "summary.json is damaged" in capsys.readouterr().err
    (torn / "summary.json").unlink()
    assert main(["train", *words]) == 0
    assert json.loads((torn / "summary.json").read_text())["updates"] == 4
    (torn / "config.yaml").write_text(": : :")
    assert main(["train", *words]) == 2
    assert "config.yaml is damaged" in capsys.readouterr().err


def test_an_option_of_a_newer_version_that_says_nothing_is_no_other_setting(tmp_path: Path):
    open_folder(tmp_path, {"epochs": 2, "agent": {"preset": "mini"}})
    assert open_folder(tmp_path, {"epochs": 2, "agent": {"preset": "mini", "latent": None}})
    with pytest.raises(RunError, match="other settings"):
        open_folder(tmp_path, {"epochs": 2, "agent": {"preset": "mini", "latent": True}})
