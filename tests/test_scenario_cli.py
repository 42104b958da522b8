"""The verb `scenario`, and the page that explains it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from drivelab.cli import main
from drivelab.sim.scenario.files import check_scenario, families, library, parse_scenario
from drivelab.sim.scenario.key_tables import key_tables
from drivelab.sim.scenario.schema import Scenario

PAGE = Path(__file__).parent.parent / "docs" / "scenarios.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

# A car stands ahead; the ego keeps its speed.
CRASH = """\
id: crash
map: straight_3lane
duration: 4
ego: {lane: 1, s: 20, speed: 12}
actors: [{id: wall, model: truck, lane: 1, s: 60, motion: parked}]
vary: {actors.wall.s: {uniform: [50, 62]}}
expect: {no_collision: true, min_progress: 10}
"""


@pytest.fixture
def crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "crash.yaml"
    file.write_text(CRASH)
    return file


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_of_the_page_are_right(text: str) -> None:
    source = parse_scenario(text, "docs/scenarios.md")
    assert check_scenario(source, seeds=4) == []
    assert source.scenario.expect.no_collision


def test_the_page_has_every_key_as_the_schema_has_it() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert key_tables() in page, "run: python docs/scenario_keys.py"
    assert len(EXAMPLES) == 3


def test_tables_name_units_bounds_and_defaults() -> None:
    tables = key_tables()
    assert "| `gap_below` | number > 0 [m] | none | bumper to bumper, to the ego |" in tables
    assert "| `duration` | number > 0, <= 600 [s] | must be there |" in tables
    assert "### `behavior`: `type: cut_in`" in tables
    assert all(f"| `{key}` |" in tables for key in Scenario.__struct_fields__)


def test_check_prints_faults_and_counts(crash: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "check", str(crash)]) == 0
    assert capsys.readouterr().out == "1 of 1 scenarios are right\n"
    crash.write_text(CRASH.replace("speed: 12", "speed: 12, spede: 3"))
    assert main(["scenario", "check", str(crash)]) == 2
    streams = capsys.readouterr()
    assert "crash.yaml:4: $.ego.spede: unknown key `spede`, did you mean `speed`" in streams.err
    assert streams.out == "0 of 1 scenarios are right\n"


def test_show_draws_the_start(crash: Path) -> None:
    assert main(["scenario", "show", str(crash), "out=start.png"]) == 0
    assert Image.open("start.png").size[0] == 960
    assert main(["scenario", "show", str(crash), "out=start.svg", "seed=2"]) == 0
    drawing = Path("start.svg").read_text()
    assert drawing.startswith("<svg")
    assert "ego_way" in drawing


def test_run_films_scores_and_fails_where_expectations_are_not_met(
    crash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["scenario", "run", str(crash), "agent=constant_velocity", "run.dir=out"]
    assert main([*words, "metric=carla_ds_v1.0"]) == 1
    result = json.loads(Path("out/result.json").read_text())
    row = result["seeds"][0]
    assert (result["passed"], row["passed"], row["status"]) == (False, False, "failed: collision")
    assert row["expectations"]["no_collision"]["passed"] is False
    assert row["expectations"]["min_progress"]["passed"] is True
    assert 0 < row["scores"]["carla_ds_v1.0"] < 100
    assert Path("out/rollouts/crash-0.npz").is_file()
    assert Path("out/video/crash-0.mp4").stat().st_size > 10_000
    assert "expectations NOT met (0 of 1 seeds)" in capsys.readouterr().out


def test_run_drives_several_seeds_and_passes(crash: Path) -> None:
    crash.write_text(CRASH.replace("no_collision: true, ", ""))
    words = ["scenario", "run", str(crash), "agent=constant_velocity", "run.dir=out", "seeds=3"]
    assert main([*words, "metric=rad9_v2", "quiet=true"]) == 0
    result = json.loads(Path("out/result.json").read_text())
    assert [row["seed"] for row in result["seeds"]] == [0, 1, 2]
    times = {row["seconds"] for row in result["seeds"]}
    assert len(times) > 1  # what varies, varies
    assert not Path("out/video").exists()


def test_samples_are_concrete_and_build_the_same_start(crash: Path) -> None:
    assert main(["scenario", "sample", str(crash), "-n", "2", "out=some"]) == 0
    whole = parse_scenario(CRASH)
    for seed in range(2):
        text = Path(f"some/crash-{seed}.yaml").read_text()
        assert text.startswith(f"# crash, seed {seed}: actors.wall.s = ")
        assert "vary" not in yaml.safe_load(text)
        concrete = parse_scenario(text).episode(9)
        assert concrete.actors[0].pose[0] == whole.episode(seed).actors[0].pose[0]


def test_a_score_that_cannot_be_told_is_named(
    crash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash.write_text(CRASH.replace("duration: 4", "duration: 0.5").replace("20}", "0.1}"))
    words = ["scenario", "run", str(crash), "agent=constant_velocity", "video=false"]
    main([*words, "metric=nuplan_cls_nr_v1.2"])
    assert "nuplan_cls_nr_v1.2: none, this drive lacks" in capsys.readouterr().out


def test_schema_is_json(crash: Path) -> None:
    assert main(["scenario", "schema", "out=schema.json"]) == 0
    assert json.loads(Path("schema.json").read_text())["title"] == "drivelab scenario"


def test_list_names_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenario", "list"]) == 0
    out = capsys.readouterr().out
    for family, names in families().items():
        assert f"{family}:" in out
        assert all(f"  {name} " in out for name in names)
    assert library()


def test_logs_become_files(crash: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["scenario", "from-log", "labmini", "out=log.yaml", "traffic=scripted"]
    assert main(words) == 0
    assert main(["scenario", "check", "log.yaml"]) == 0
    assert main(["scenario", "from-log", "labmini", "nothing"]) == 2
    assert "no scene 'nothing' in labmini" in capsys.readouterr().err


def test_imports_beyond_our_bounds_are_told_with_the_line_of_the_new_file(
    crash: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("h.yaml").write_text("plan_list: [[0, 20, 0, 0, 500, car, IDM, {}]]\n")
    assert main(["scenario", "import", "hugsim", "h.yaml", "out=mine.yaml"]) == 2
    assert "speed: 500" in Path("mine.yaml").read_text()
    assert "$.actors[0].speed: is 500; expected at most 70 [m/s]" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected one of check, show, run"),
        (["chek"], "did you mean 'check'"),
        (["run"], "expected: drivelab scenario run FILE|NAME"),
        (["run", "nowhere"], "there is no scenario `nowhere`"),
        (["run", "crash.yaml", "agent=pdm"], "agent=pdm: no such agent; did you mean"),
        (["run", "crash.yaml", "seed=1", "seeds=2"], "exclude each other"),
        (["run", "crash.yaml", "seeds=0"], "seeds=0: expected 1 or more"),
        (["run", "crash.yaml", "seed=\u00b2"], "expected a whole number"),
        (["run", "crash.yaml", "quiet=yes"], "quiet=yes: expected true or false"),
        (["run", "crash.yaml", "video=film.txt"], "a file that ends in .mp4"),
        (["run", "crash.yaml", "metric=pdms_v1.1"], "metric=pdms_v1.1 scores plans, not drives"),
        (["run", "crash.yaml", "run.dir=crash.yaml"], "crash.yaml"),
        (["run", "crash.yaml", "speed=3"], "no option 'speed'"),
        (["show", "crash.yaml", "out=x.txt"], "out=x.txt: expected a file that ends in .png or"),
        (["show", "crash.yaml", "out=x"], "out=x: expected a file that ends in .png or .svg"),
        (["show", "crash.yaml", "seed=-1"], "seed=-1: expected a whole number"),
        (["list", "nothing"], "no scenario family 'nothing'"),
        (["import", "opensc", "x"], "expected hugsim or neuroncap"),
        (["from-log", "waymo"], "expected reallogs or labmini"),
    ],
)
def test_wrong_words_are_answered(
    crash: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scenario", *words]) == 2
    assert told in capsys.readouterr().err
    assert list(crash.parent.iterdir()) == [crash]


def test_the_place_of_the_towns_can_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARLA_ROOT", "")
    file = tmp_path / "town.yaml"
    file.write_text(
        "id: town\nmap: {town: Town05}\nduration: 5.0\nego: {pose: [0, 0, 0]}\n", "utf-8"
    )
    assert main(["scenario", "check", str(file), f"data.carla_root={tmp_path}/nowhere"]) == 2
    told = capsys.readouterr()
    assert f"{tmp_path}/nowhere" in told.out + told.err
