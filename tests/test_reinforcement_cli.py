"""`drivelab train recipe=rad`: from the command line to its files, on a few clips of radlab."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra nn")

from PIL import Image
from safetensors.numpy import load_file

from drivelab.cli import main
from drivelab.cli.compose import compose
from drivelab.cli.overrides import read_request
from drivelab.reports.reinforcement_curve import draw_reinforcement_curve
from drivelab.training.run_folder import CHECKPOINT, read_progress

pytestmark = pytest.mark.nn
SHORT = [
    "train", "recipe=rad", "clips=4", "validation=2", "trials=2", "environments=2", "updates=2",
    "later_updates=2", "imitation_batch=32", "pretraining=1", "rounds=2", "cycle=2", "harvest=2",
    "window=2", "batch=64", "passes=1", "quiet=true",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    assert main([*SHORT, f"run.dir={folder}"]) == 0
    return folder


def test_a_run_folder_tells_everything(run: Path):
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["recipe"], summary["obs"], summary["mode"]) == ("rad", "vector", "rl_il")
    assert (summary["rounds"], summary["clips"], summary["dropped"]) == (3, 2, 0)
    assert set(summary["results"]) == {"imitation", "trained"}
    for facts in summary["results"].values():
        assert len(facts["ci95"]) == 11  # no event, the nine, the speed
        for name, (low, high) in facts["ci95"].items():
            assert low <= facts[name] <= high, name
        assert facts["score"] == pytest.approx(
            1.0 - facts["collision_ratio"] - facts["deviation_ratio"]
        )
    above = summary["results"]["trained"]["difference"]
    assert (above.pop("from"), "difference" in summary["results"]["imitation"]) == (
        "imitation", False,
    )  # fmt: skip
    for name, (mean, low, high) in above.items():
        assert low <= mean <= high, name
        before, after = (summary["results"][one][name] for one in ("imitation", "trained"))
        assert mean == pytest.approx(after - before), name
    kinds = [row["kind"] for row in read_progress(run)]
    assert kinds == ["imitation", "reinforcement", "imitation"]
    assert (run / "curve.png").read_bytes().startswith(b"\x89PNG")
    for line in (run / "test.jsonl").read_text().splitlines():
        assert json.loads(line)["policy"] in summary["results"]
    assert {file.name for file in run.glob("*.safetensors")} == {
        "best.safetensors", "imitation.safetensors", "expert.safetensors",
    }  # fmt: skip


def test_the_report_sets_both_weights_side_by_side(run: Path):
    page = (run / "report.html").read_text()
    rows = [json.loads(line) for line in (run / "test.jsonl").read_text().splitlines()]
    failed = {row["policy"] for row in rows if row["event"]}
    assert failed, "weights of 2 updates drive without a fault: teach them less"
    assert page.count("data:image/png;base64,") == 1 + len(failed)
    assert "<em>trained</em> alone" in page
    assert f"Means over {len(rows) // 2} unseen clips" in page
    for name in ("Collision ratio", "No event", "Lateral jerk"):
        assert name in page
    assert "trained - imitation" in page
    assert "http" not in page.replace("http-equiv", "")


def test_each_look_leaves_a_picture_of_what_went_wrong(run: Path):
    looked = [row for row in read_progress(run) if "validation" in row]
    failed = [row["round"] for row in looked if row["validation"]["score"] < 1.0]
    found = sorted(file.name for file in (run / "failures").glob("round-*.png"))
    assert found == [f"round-{number:04d}.png" for number in failed]
    with Image.open(run / "failures" / found[0]) as picture:
        width, height = picture.size
        assert (width % height, 1 <= width // height <= 2) == (0, True)
        assert len(picture.convert("RGB").getcolors(10**6)) > 20


def test_curves_go_to_tensorboard(run: Path, tmp_path: Path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    words = [*SHORT, "mode=rl", "pretraining=0", f"start={run / 'best.safetensors'}"]
    assert main([*words, f"run.dir={tmp_path}", "curves=tensorboard", "rounds=1"]) == 0
    read = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    names = read.Tags()["scalars"]
    assert {"reinforcement/loss", "reinforcement/lateral_kl", "validation/score"} <= set(names)
    (row,) = read_progress(tmp_path)
    (point,) = read.Scalars("validation/collision_ratio")
    assert (point.step, point.value) == (1, pytest.approx(row["validation"]["collision_ratio"]))
    assert set(json.loads((tmp_path / "summary.json").read_text())["results"]) == {
        "start",
        "trained",
    }


def test_the_same_command_does_not_learn_again_and_another_is_refused(run: Path, capsys):
    before = read_progress(run)
    assert main([*SHORT, f"run.dir={run}", "minutes=3"]) == 0
    assert read_progress(run) == before
    assert "2 clips of radlab test (generated, not RAD's closed clips)" in capsys.readouterr().out
    assert main([*SHORT, f"run.dir={run}", "seed=1", "recipe.ppo=0.5"]) == 2
    assert "holds a run with other settings (seed was 0, recipe.ppo was 1.0;" in (
        capsys.readouterr().err
    )


def test_a_finished_run_whose_summary_is_damaged_says_what_to_do(run: Path, tmp_path: Path, capsys):
    copied = tmp_path / "copied"
    shutil.copytree(run, copied)
    gone = ("{", "[]", '{"results": {}}', '{"results": {}, "test_clips": 1, "best": {}}')
    for content in (*gone, '{"results": [], "test_clips": 1, "test": "radlab"}'):
        (copied / "summary.json").write_text(content)
        assert main([*SHORT, f"run.dir={copied}"]) == 2
        told = capsys.readouterr().err
        assert "summary.json is damaged" in told
        assert "remove it, and the same command tests the weights again" in told
    (copied / "summary.json").unlink()
    (copied / "best.safetensors").rename(copied / "away")
    assert main([*SHORT, f"run.dir={copied}"]) == 2
    assert "best.safetensors is there no more: put it back, or learn" in capsys.readouterr().err
    (copied / "away").rename(copied / "best.safetensors")
    assert main([*SHORT, f"run.dir={copied}"]) == 0
    before, after = (json.loads((f / "summary.json").read_text()) for f in (run, copied))
    assert after["results"] == before["results"]
    (copied / "summary.json").unlink()
    (copied / "imitation.safetensors").unlink()
    assert main([*SHORT, f"run.dir={copied}"]) == 2
    assert "imitation.safetensors is there no more: put it back" in capsys.readouterr().err
    (copied / "progress.jsonl").unlink()
    shutil.copy(run / "imitation.safetensors", copied)
    assert main([*SHORT, f"run.dir={copied}"]) == 2
    assert "progress.jsonl tells no look at held-out clips any more" in capsys.readouterr().err


def test_report_shows_a_run(run: Path, capsys):
    assert main(["report", str(run)]) == 0
    out = capsys.readouterr().out
    assert "imitation" in out
    assert "trained - imitation" in out
    assert "3 rounds, 2 clips driven" in out
    assert str(run / "best.safetensors") in out


def test_the_weights_of_a_run_begin_another_one(run: Path, tmp_path: Path, capsys):
    words = [*SHORT, "mode=il", "preset=full", f"start={run / 'best.safetensors'}"]
    assert main([*words, f"run.dir={tmp_path / 'other'}"]) == 2
    assert "its network has width=64 (not 256)" in capsys.readouterr().err
    words = [*SHORT, "mode=il", f"start={run / 'best.safetensors'}"]
    assert main([*words, f"run.dir={tmp_path / 'same'}"]) == 0
    summary = json.loads((tmp_path / "same" / "summary.json").read_text())
    assert (set(summary["results"]), summary["rounds"]) == ({"trained"}, 1)


def test_what_is_seen_and_the_recipe_bring_sizes_that_the_command_line_changes():
    def sizes(*words: str) -> tuple[int, int, int]:
        config = compose("reinforce", read_request("reinforce", words))
        return config["clips"], config["pretraining"], config["imitation_batch"]

    assert sizes() == (3900, 300, 128)
    assert sizes("obs=images") == (1000, 60, 128)
    assert sizes("recipe=vadv2", "recipe.entries=64") == (3900, 200, 32)
    assert sizes("obs=sensors", "recipe=diffusiondrive", "clips=7") == (7, 0, 128)
    assert sizes("recipe=vadv2", "pretraining=5") == (3900, 5, 32)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["obs=image"], "obs=image: no such obs; did you mean 'images'?"),
        (["obs.clips=3"], "obs=vector has no option 'clips'"),
        (["recipe=vadv2", "obs=images"], "obs=images: recipe=vadv2 learns from obs=vector"),
        (["obs=images", "pictures.weather=sun"], "pictures.weather=sun: expected one of day, dusk"),
        (["mode=il", "pretraining=0"], "pretraining=0: expected 1 or more with mode=il"),
        (["obs=a:b"], "obs=a:b: no such obs"),
        (["mode=li"], "mode=li: expected one of il, rl, rl_il; did you mean 'rl_il'?"),
        (["clips=3990", "validation=60"], "the training split has 4000 clips, and no clip is for"),
        (["curves=tensorbord"], "curves=tensorbord: expected one of tensorboard, wandb; did you"),
        (["trials=301"], "trials=301: expected 1 to 300 test clips"),
        (["trials=1.5"], "trials=1.5: expected 1 to 300 test clips"),
        (["guarded=maybe"], "guarded=maybe: expected true or false"),
        (["quiet=maybe"], "quiet=maybe: expected true or false"),
        (["obs=images", "pictures.scale=abc"], "pictures.scale=abc: expected a number"),
        (["harvest=many"], "harvest='many': expected a whole number"),
        (["traffic=wild"], "traffic=wild"),
        (["recipe=rat"], "recipe=rat: no such recipe; did you mean 'rad'?"),
        (["recipe.lateral_clip=-1"], "recipe.lateral_clip=-1: expected a number from 0 on"),
        (["recipe.dynamic_aux=-1"], "recipe.dynamic_aux=-1: expected a number from 0 on"),
        (["recipe.clip=1"], "clip"),
        (["later_update=2"], "no option 'later_update'; did you mean"),
        (["start=nothing.safetensors"], "nothing.safetensors: no such file of weights"),
        (["start=pyproject.toml"], "is no file of rad's weights"),
        (["device=cuda"], "device=cuda: PyTorch sees no GPU here"),
        (["device=tpu"], "device=tpu: expected cpu, cuda, or cuda:N"),
        (["workers=2"], "workers=2: expected 1 without workers of a cluster"),
        (["ahead=true"], "add launcher=ray"),
        (["rate=inf"], "rate=inf: expected a finite number above 0"),
        (["pictures.weather=fog"], "pictures.weather=fog: with obs=vector there are none"),
        (["pictures.rig=rad"], "pictures.rig=rad: with obs=vector there are none"),
    ],
)
def test_options_that_make_no_sense_are_refused(words, message, tmp_path: Path, capsys):
    assert main([*SHORT, *words, f"run.dir={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.ray
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["launcher.address=127.0.0.1:1"], "launcher.address=127.0.0.1:1: no cluster (nothing"),
        (["launcher.address=auto"], "launcher.address=auto: no cluster ("),
        (["workers=3"], "workers=3: expected at most 1: a round's harvest=2 clips go out in"),
        (["launcher.cpus=-1"], "launcher.cpus=-1: expected a number from 0"),
        (["launcher.gpus=two"], "launcher.gpus=two: expected a number from 0"),
        (["launcher.gpus=99"], "99 GPUs are asked for in all, this machine has"),
    ],
)
def test_a_cluster_that_cannot_be_is_told_before_anything_is_driven(
    words, message, tmp_path: Path, capsys
):
    pytest.importorskip("ray")
    assert main([*SHORT, "launcher=ray", *words, f"run.dir={tmp_path / 'run'}"]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_cluster_without_ray_is_told_before_anything_is_driven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "drivelab.data.ray_cluster", raising=False)
    assert main([*SHORT, "launcher=ray", f"run.dir={tmp_path / 'run'}"]) == 2
    assert "pip install 'drivelab[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_curve_of_no_looks_is_still_a_picture(tmp_path: Path):
    row = {"round": 1, "kind": "imitation", "seconds": 1.0, "decisions": 0}
    assert draw_reinforcement_curve([row], tmp_path / "curve.png").stat().st_size > 1000


def weights(folder: Path) -> dict:
    return load_file(folder / CHECKPOINT / "model.safetensors")


@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_driver_of_a_cluster_goes_on_as_if_nothing_had_been(tmp_path: Path, capsys):
    """Two actors and a kill, or this process in one go: the same rounds, clips and bits."""
    pytest.importorskip("ray")
    asked = [*SHORT, "environments=1", "rounds=6", "mode=rl", "save_every=1", "validation=1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    on_ray = [*asked, f"run.dir={killed}", "launcher=ray", "workers=2"]
    program = [sys.executable, "-c", "import sys; from drivelab.cli import main; sys.exit(main())"]
    with subprocess.Popen([*program, *on_ray], stderr=subprocess.PIPE, text=True) as driver:
        deadline = time.monotonic() + 300
        while not (killed / CHECKPOINT / "config.json").is_file() or len(read_progress(killed)) < 3:
            assert driver.poll() is None, driver.stderr.read()
            assert time.monotonic() < deadline, "no rounds after 5 minutes"
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
    left = len(read_progress(killed))
    assert left < 7
    assert main(on_ray) == 0
    assert main([*asked, f"run.dir={whole}"]) == 0
    assert [row["round"] for row in read_progress(killed)] == list(range(1, 8))
    last, wanted = read_progress(killed)[-1], read_progress(whole)[-1]
    for name in ("clips", "dropped", "decisions", "updates"):
        assert last[name] == wanted[name], name
    assert last["broadcast_bytes"] > 0
    assert last["replaced"] == 0
    found, expected = weights(killed), weights(whole)
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.ray
@pytest.mark.slow
def test_actors_that_drive_ahead_are_a_round_behind(tmp_path: Path):
    pytest.importorskip("ray")
    asked = [*SHORT, "environments=1", "rounds=3", "mode=rl", f"run.dir={tmp_path}"]
    assert main([*asked, "launcher=ray", "workers=2", "ahead=true"]) == 0
    rows = [row for row in read_progress(tmp_path) if row["kind"] == "reinforcement"]
    assert [row["staleness"] for row in rows] == [0.0, 1.0, 1.0]
    assert [row["clips"] for row in rows] == [2, 4, 6]
    assert main([*asked[:-1], f"run.dir={tmp_path / 'alone'}", "ahead=true"]) == 2
