"""`drivelab submit`: the golden files again, and what is refused with nothing written."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from drivelab.cli import main
from drivelab.data.navsim.scene_filter import SceneFilter
from drivelab.data.navsim.source import NavsimSource
from drivelab.data.proposals import read_plans
from drivelab.data.submission import Team, sampled_plan, write_submission
from drivelab.data.unpickle import load_restricted
from drivelab.errors import DataError
from drivelab.evaluation.plan_scenes import PlannedScenes
from drivelab.evaluation.submit import SubmitSettings, _written
from drivelab.types import Plan, StageEntry

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
NUPLAN = GOLDEN / "nuplan_format"
FILES = {
    "navsim": NUPLAN / "expected" / "submission_v11.pkl",
    "navsim_v2": NUPLAN / "expected" / "submission_v22.pkl",
}
LOG = next((NUPLAN / "data" / "navsim_logs" / "mini").glob("*.pkl"))
TEAM = ("team_name=T", "authors=A, B", "email=a@example.org", "institution=I", "country=C")
TOKENS = ("team_name", "authors", "email", "institution", "country / region")
REAL = (
    "data=real",
    f"data.root={NUPLAN / 'data'}",
    f"bench.maps_root={NUPLAN / 'data' / 'maps'}",
    f"split={NUPLAN / 'data' / 'split' / 'navsynth.yaml'}",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENSCENE_DATA_ROOT", "NUPLAN_MAPS_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.path", list(sys.path))
    return tmp_path


def submit(*words: str, team: Sequence[str] = TEAM) -> int:
    return main(["submit", "quiet=true", *words, *team])


def nothing_was_written(folder: Path) -> bool:
    return not [path for path in folder.rglob("*") if "submission" in path.name]


def content_of(file: Path) -> dict[str, Any]:
    found = dict(load_restricted(file))
    for key, value in found.items():
        if isinstance(value, list):
            found[key] = [
                {
                    token: (
                        record.fields["poses"].tolist(),
                        str(record.fields["poses"].dtype),
                        record.fields["trajectory_sampling"].fields,
                    )
                    for token, record in stage.items()
                }
                for stage in value
            ]
    return found


@pytest.mark.parametrize("bench", FILES)
def test_plans_of_the_official_file_give_that_file_again(bench: str, tmp_path: Path) -> None:
    official = content_of(FILES[bench])
    team = [
        f"{word.partition('=')[0]}={official[key]}" for word, key in zip(TEAM, TOKENS, strict=True)
    ]
    assert submit(f"proposals={FILES[bench]}", f"bench={bench}", *REAL, team=team) == 0
    assert content_of(tmp_path / "submission.pkl") == official


def test_an_agent_and_its_run_give_the_same_plans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("agent", "run_of_it"):
        (tmp_path / name).mkdir()
    agent = "agent=constant_velocity"
    assert submit(agent, "data=embedded", "out=agent/submission.pkl") == 0
    shown = capsys.readouterr().out
    assert "200 scenes of labmini (embedded, not NAVSIM)" in shown
    assert "no file for the leaderboard" in shown
    assert main(["eval", agent, "data=embedded", "report=none", "quiet=true", "run.dir=run"]) == 0
    assert submit("run=run", "out=run_of_it/submission.pkl") == 0
    files = [tmp_path / name / "submission.pkl" for name in ("agent", "run_of_it")]
    assert content_of(files[0]) == content_of(files[1])
    assert load_restricted(files[0])["authors"] == "A, B"


def test_who_submits_is_asked_for_before_anything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    team = ("team_name=T", "email=", "institution=I")
    assert submit("agent=constant_velocity", "data=embedded", team=team) == 2
    assert "submit needs authors=, email=, country=" in capsys.readouterr().err
    assert nothing_was_written(tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "takes one of agent=NAME, run=RUN, proposals=FILE; there is none of them"),
        (("agent=idm", "run=x"), "there is agent= and run="),
        (("agent=idm", "data=embedded"), "privilege=state"),
        (("agent=human", "data=embedded"), "privilege=future"),
        (("agent=constant_velocity", "bench=rad"), "has no leaderboard"),
        (("agent=constant_velocity", "data=embedded", "out=mine.pkl"), "called submission.pkl"),
        (("agent=constant_velocity", "data=embedded", "out=no/submission.pkl"), "no folder no"),
        (("run=nowhere",), "is no run folder"),
        (("run=nowhere", "data=embedded"), "the bench is the run's"),
        (("proposals=nowhere.npz",), "no such file"),
        (("agent=constant_velocity", "-m"), "takes no -m"),
    ],
)
def test_what_cannot_be_submitted_is_told(
    words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(*words) == 2
    assert message in capsys.readouterr().err
    assert nothing_was_written(tmp_path)


def test_a_training_run_holds_no_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taught").mkdir()
    (tmp_path / "taught" / "config.yaml").write_text("agent: {}\nepochs: 2\n")
    assert submit("run=taught") == 2
    assert "run=taught taught a network and holds no plans" in capsys.readouterr().err


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "submission.pkl").write_bytes(b"mine")
    assert submit("agent=constant_velocity", "data=embedded") == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "submission.pkl").read_bytes() == b"mine"


def test_proposals_that_lack_scenes_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plans = read_plans(FILES["navsim"])
    lost = sorted(plans)[0]
    np.savez(tmp_path / "part.npz", **{t: p for t, p in plans.items() if t != lost})
    assert submit("proposals=part.npz", *REAL) == 2
    told = capsys.readouterr().err
    assert f"1 of {len(plans)} scenes have no plan" in told
    assert lost in told
    assert nothing_was_written(tmp_path)


def test_official_splits_need_their_number_of_scenes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for word in REAL if not word.startswith("split=")]
    assert submit("agent=constant_velocity", *words, "split=navmini") == 2
    assert "the split navmini has 396" in capsys.readouterr().err
    assert nothing_was_written(tmp_path)


def test_faulty_scenes_are_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "faulty_driver.py"
    module.write_text(
        "import numpy as np\nfrom drivelab.types import Plan, SensorRig\n\n\n"
        "class Driver:\n    rig = SensorRig(history=1)\n\n"
        "    def act(self, observations):\n"
        "        if len(observations) > 1:\n"
        "            raise ValueError('one at a time')\n"
        "        return [Plan(np.full((8, 3), np.nan)) for _ in observations]\n"
    )
    assert submit("agent=faulty_driver:Driver", "data=embedded") == 2
    told = capsys.readouterr().err
    assert "200 of 200 scenes have no plan, so no file was written" in told
    assert "expected finite numbers" in told
    assert nothing_was_written(tmp_path)


def test_rendered_scenes_of_two_stage_splits_stand_in_the_second_stage(tmp_path: Path) -> None:
    source = SimpleNamespace(
        scene_ids=lambda: ("now", "previous", "next", "next_previous"),
        mapping=(StageEntry("now", "previous", (("next", "next_previous"),)),),
        label="two stages",
        data="real",
    )
    plans = {scene: Plan(np.full((8, 3), row)) for row, scene in enumerate(source.scene_ids())}
    settings = SubmitSettings({}, {}, Team("a", "b", "c", "d", "e"), tmp_path / "submission.pkl")
    told = _written(settings, PlannedScenes(plans, {}), source, "v2.2")  # type: ignore[arg-type]
    assert (told.scenes, told.second_stage) == (2, 2)
    content = load_restricted(told.file)
    assert set(content["first_stage_predictions"][0]) == {"now", "previous"}
    assert set(content["second_stage_predictions"][0]) == {"next", "next_previous"}


def test_scenes_without_labels_are_planned_for(tmp_path: Path) -> None:
    """Logs of private tests have no boxes and need none."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy renamed the modules that the file names
        frames = pickle.loads(LOG.read_bytes())  # our own file
    folder = tmp_path / "navsim_logs" / "mini"
    folder.mkdir(parents=True)
    blind = [{key: value for key, value in frame.items() if key != "anns"} for frame in frames]
    (folder / "blind.pkl").write_bytes(pickle.dumps(blind, protocol=5))
    source = NavsimSource(
        tmp_path, NUPLAN / "data" / "maps", "navmini", scene_filter=SceneFilter(frame_interval=1)
    )
    scene = source.scene_ids()[0]
    with pytest.raises(DataError, match="cannot be scored"):
        source.load(scene)
    assert source.unscored().load(scene).id == scene
    with pytest.raises(DataError, match="cannot be scored"):
        source.load(scene)


def test_plans_are_read_off_at_half_seconds() -> None:
    time = 0.1 * np.arange(1, 46)
    fine = np.stack([10 * time, time**2, 0.5 * time], axis=1)
    np.testing.assert_array_equal(sampled_plan(fine, 0.1), fine[4:40:5])
    coarse = np.array([[4.0, 0.0, 3.0], [8.0, 0.0, -3.0], [12.0, 0.0, -3.0], [16.0, 0.0, -3.0]])
    found = sampled_plan(coarse, 1.0)
    np.testing.assert_allclose(found[:, 0], np.arange(2.0, 17.0, 2.0))
    assert found[0, 2] == pytest.approx(1.5)
    assert found[2, 2] == pytest.approx(np.pi)  # the short way round
    with pytest.raises(DataError, match=r"end at 3.5 s, expected 4 s"):
        sampled_plan(fine[:35], 0.1)


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: Path) -> Any:
        raise DataError("torn", file=file)

    monkeypatch.setattr("drivelab.data.submission.read_plans", broken)
    with pytest.raises(DataError, match="torn"):
        write_submission(
            tmp_path / "submission.pkl", {"a": np.zeros((8, 3))}, Team("a", "b", "c", "d", "e")
        )
    assert nothing_was_written(tmp_path)
