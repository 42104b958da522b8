"""Reports, videos and comparisons of closed-loop runs: what stands in them, and where."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from closed_loop_road import car, moving, rollout, scene

from drivelab.cli import main
from drivelab.cli.choices import group_choices
from drivelab.metrics import rollout_metric
from drivelab.metrics.closed_loop.carla_rules import INFRACTIONS
from drivelab.metrics.metric import Event
from drivelab.metrics.registry import METRICS, ROLLOUT_METRICS
from drivelab.registry import load_object
from drivelab.reports.cards import facts_of
from drivelab.reports.compare import paired_difference
from drivelab.reports.drive_events import told_events
from drivelab.reports.drive_picture import drive_picture, plan_at, step_of
from drivelab.reports.drive_video import drive_frame
from drivelab.reports.event_words import CALL_OUT, EVENT_WORDS, event_line
from drivelab.reports.meanings import meaning_of, scale_of
from drivelab.reports.shapes import Dot, Label
from drivelab.reports.timeline import curves_of, draw_timeline

TOYS = Path(__file__).parent / "toys"


class Elements(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", [*METRICS, *ROLLOUT_METRICS])
def test_every_column_of_every_metric_is_explained(name: str) -> None:
    metric = load_object({**METRICS, **ROLLOUT_METRICS}[name])()
    more = [f"infractions_{kind}_per_km" for kind in INFRACTIONS] if "carla_ds" in name else []
    for column in (*metric.subscores, *more):
        assert meaning_of(column, name).text, f"{name}: {column} has no meaning in reports"


def test_scales_are_those_of_the_metrics() -> None:
    tops = {"carla_ds_v2.1": 100, "bench2drive_v0.0.4": 100, "neuroncap_v1": 5, "rad9_v2": 1}
    assert {name: scale_of(name).top for name in tops} == tops
    # The same word means two things.
    assert meaning_of("route_completion", "carla_ds_v1.0").scale.unit == "%"
    assert meaning_of("route_completion", "hugsim_hd_v1").scale.top == 1.0
    assert meaning_of("comfort", "pdms_v1.1").scale.top == 1.0
    assert meaning_of("comfort", "bench2drive_v0.0.4").scale.top == 100.0


def test_only_what_is_worse_than_the_best_is_a_loss() -> None:
    row = {"collision_ratio": 0.0, "deviation_ratio": 1.0, "longitudinal_jerk": 1.5,
           "lateral_jerk": 0.0, "average_deviation_distance": 0.25}  # fmt: skip
    facts = facts_of(row, list(row), "rad9_v2")
    told = [(fact.text, fact.loss) for fact in facts]
    assert told == [("DR 1.00", True), ("Long. jerk 1.50 m/s³", False), ("ADD 0.25 m", False)]
    plan = facts_of({"comfort": 1.0, "ego_progress": 0.5}, ["comfort", "ego_progress"], "pdms_v1.1")
    assert [(fact.text, fact.loss) for fact in plan] == [("EP 0.50", True)]


def world_kinds() -> list[str]:
    """The kinds of events that worlds may record, from the contract's own table."""
    table = (rollout_metric.__doc__ or "").split("| kind |")[1].split("`rollout.info`")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    return [kind.strip() for cell in cells for kind in cell.split(",")]


def test_every_kind_of_event_has_words() -> None:
    kinds = world_kinds()
    assert {"collision", "kerb", "behaviour_impossible", "terminated"} <= set(kinds)
    assert set(kinds) <= EVENT_WORDS.keys() <= CALL_OUT.keys()
    for kind in kinds:
        line = event_line({"kind": kind, "step": 12, "time": 1.2, "actor": "a7"})
        assert line.startswith("1.2 s: ")
        assert "a7" in line


def test_events_are_told_with_actor_speed_margin_and_fault() -> None:
    hit = {"kind": "collision", "step": 41, "time": 4.1, "actor": "car_3", "actor_kind": "vehicle",
           "impact_speed": 5.25, "ego_speed": 8.0, "side": "front", "at_fault": True}  # fmt: skip
    starts = {"kind": "behaviour_started", "step": 20, "time": 2.0, "actor": "car_3",
              "behaviour": "cut_in"}  # fmt: skip
    driven = rollout(moving(8.0, 50), events=[hit, starts])
    events = told_events(driven, Event("dynamic_collision", 41, "car_3", margin=-0.125))
    assert [event_line(event) for event in events] == [
        "2.0 s: car_3 begins to cut in",
        "4.1 s: collision with car_3 (impact at 5.2 m/s, in front, at fault), margin -0.12 m",
    ]
    alone = told_events(driven, Event("position_deviation", 30, margin=-0.5))
    assert [event["kind"] for event in alone] == [
        "behaviour_started",
        "position_deviation",
        "collision",
    ]
    assert event_line(alone[1]) == "3.0 s: too far from the recorded path, margin -0.50 m"


def test_a_picture_shows_the_moment_of_its_event() -> None:
    plans = np.zeros((2, 4, 3))
    plans[:, :, 0] = 4.0 * np.arange(1, 5)
    lead = {"lead": car(30.0)}
    driven = rollout(moving(8.0, 41), lead, plans=plans, plan_steps=[0, 20])
    event = Event("collision", 30, "lead", margin=-0.1)
    assert (step_of(driven, event), step_of(driven, None)) == (30, 20)
    picture = drive_picture(scene(), driven, 30, event=event)
    words = [shape.text for shape in picture.shapes if isinstance(shape, Label)]
    assert {"3.0 s", "collision at 3.0 s", "lead", "margin -0.10 m"} <= set(words)
    assert {"event", "event_actor", "ego_way", "recorded", "plan", "ghost"} <= picture.roles()
    # The plan of step 20 began 8 m behind the ego of step 30: its first pose lies 4 m behind it.
    plan = plan_at(driven, 30)
    assert plan is not None
    assert plan[:, 0].tolist() == [20.0, 24.0, 28.0, 32.0]
    ring = next(s for s in picture.shapes if isinstance(s, Dot) and s.role == "event")
    dots = [s for s in picture.shapes if isinstance(s, Dot) and s.role == "plan_dot"]
    assert dots[0].y - ring.y == pytest.approx(4.0 * 10.0)  # 640 units show 64 m
    assert plan_at(rollout(moving(8.0, 5)), 3) is None


def test_curves_show_what_the_world_recorded() -> None:
    driven = rollout(moving(8.0, 31), events=[{"kind": "kerb", "step": 15, "time": 1.5}])
    assert [curve.name for curve in curves_of(driven)] == ["speed", "acceleration"]
    info = {**driven.info, "border_gap": np.linspace(2, -1, 31), "progress": np.arange(31.0)}
    whole = replace(driven, info=info)
    markup = str(draw_timeline(whole, driven.events))
    assert re.findall(r'class="strong"[^>]*>([^<]+)<', markup) == [
        "speed [m/s]",
        "acceleration [m/s²]",
        "gap to the border [m]",
        "progress [m]",
    ]
    assert "<title>1.5 s: across the kerb</title>" in markup
    across = re.search(r'class="mark bad" d="M([\d.]+) ', markup)
    assert across
    assert float(across[1]) == pytest.approx(34 + (340 - 34 - 8) / 2, abs=0.05)
    assert "speed 8.0 to 8.0 m/s" in markup
    assert draw_timeline(rollout(moving(8.0, 1)), ())  # a drive that ended at once


def test_a_frame_keeps_strokes_as_thin_as_a_picture_of_its_own() -> None:
    driven = rollout(moving(8.0, 5))
    image = np.asarray(drive_frame(scene(), driven, 0, size_px=720), int)
    row = image[100, :, :]  # across the road, far from the ego
    white = (row > 240).all(1)
    assert 3 <= white.sum() <= 9  # lane borders of about two pixels: strokes not scaled give 20
    assert image.shape == (792, 720, 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs go; the toys can be named from there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(TOYS), *sys.path])
    return tmp_path


BENCH = "bench=driving_toys:FamilyBench"


def evaluate(out: str, *words: str, duration: float = 1.5) -> int:
    toys = ["agent=driving_toys:Keeper", BENCH, f"bench.duration={duration}", "batch=2"]
    return main(["eval", *toys, f"run.dir={out}", "quiet=true", *words])


def test_report_render_and_rescore_of_a_drive(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("run", "agent.speed=14.0", "report.videos=1", "bench.metric=rad9_v2") == 0
    html = (folder / "run/report.html").read_text()
    page = Elements(html)
    films = [path.name for path in (folder / "run/video").iterdir()]
    assert len(films) == 1
    hrefs = [attrs.get("href") for tag, attrs in page.found if tag == "a"]
    assert f"video/{films[0]}" in hrefs
    classes = [attrs.get("class") for _, attrs in page.found]
    assert classes.count("chart timeline") == 4
    assert "How the drives ended" in page.text
    assert "DCR" in page.text
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    assert [column["name"] for column in data["columns"]][-2:] == ["ended", "first infraction"]
    assert [row[-2] for row in data["rows"]] == ["failed: timeout"] * 4
    assert main(["render", "run", "scene=curve-1", "out=film.mp4", BENCH]) == 0
    assert (folder / "film.mp4").stat().st_size > 10_000
    words = ["rescore", "run", "run.dir=again", "quiet=true"]
    assert main([*words, "metric=carla_ds_v2.1", BENCH]) == 0
    assert "vehicle/km" in (folder / "again/report.html").read_text()
    capsys.readouterr()
    assert main([*words, "bench=navsim"]) == 2
    told = capsys.readouterr().err
    assert "bench=navsim: run is a run on driving_toys:FamilyBench" in " ".join(told.split())


def test_two_drivers_are_compared_scene_by_scene(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, speed in (("slow", 4.0), ("fast", 14.0)):
        words = [f"agent.speed={speed}", "report=none", "bench.metric=rad9_v2"]
        assert evaluate(name, *words, duration=6.0) == 0
    import pyarrow.parquet as pq

    scores = [
        np.array(pq.read_table(folder / name / "rows.parquet")["score"])
        for name in ("slow", "fast")
    ]
    # 14 m/s is too fast for the curve and for who drives ahead.
    assert [list(score) for score in scores] == [[1.0] * 4, [0.0, 0.0, 0.0, 1.0]]
    found = paired_difference(folder / "slow", folder / "fast")
    assert found is not None
    assert (found.mean, found.scenes) == (pytest.approx(0.75), 4)
    assert 0.0 <= found.low < 0.75 < found.high <= 1.0
    capsys.readouterr()
    assert main(["report", "slow", "fast", "out=table.html"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "less the best" in shown
    page = Elements((folder / "table.html").read_text())
    assert "Less the best, scene by scene" in page.text
    assert page.text.count("↓") == 10  # nine sub-scores, and the caption's key
    main(["rescore", "fast", "run.dir=other", "metric=carla_ds_v1.0", "quiet=true", BENCH])
    assert main(["report", "slow", "other"]) == 2
    assert "differ in their metric" in capsys.readouterr().err


def test_a_failed_scene_cannot_be_filmed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate("run", "agent.fault=raises", "report=none") == 3
    assert main(["render", "run", "scene=follow-2", BENCH]) == 2
    assert "nothing to film, it has no score: ValueError" in capsys.readouterr().err


def test_benches_and_metrics_are_listed_with_their_loop(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "metrics"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines()[1:])
    for name in ROLLOUT_METRICS:
        assert lines[name].startswith("closed loop ")
    for name in METRICS:
        assert lines[name].startswith("plans ")
    assert main(["list", "benches"]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines()[1:])
    for name, kind in bench_classes().items():
        loop = "closed loop " if hasattr(kind, "controller") else "open loop "
        assert lines[name].startswith(loop), name


def bench_classes() -> dict[str, Any]:
    """The class behind every bench that ships."""
    folder = resources.files("drivelab.conf") / "bench"
    assert folder.is_dir()
    files = {n: c.file for n, c in group_choices("bench").items() if c.file and n != "custom"}
    return {
        name: load_object(yaml.safe_load(file.read_text())["_target_"])
        for name, file in files.items()
    }
