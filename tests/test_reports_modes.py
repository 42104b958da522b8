"""Plans that an agent chose from: kept by a run, drawn from above, told on a report's cards."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from fan_scenes import fan
from reports_runs import golden_rows, golden_run, load_golden, write_run
from reports_scenes import straight_scene, straight_states

from drivelab.errors import DataError, RunError
from drivelab.evaluation.plan_modes import modes_of
from drivelab.evaluation.run_folder import load_rollout, save_rollout
from drivelab.evaluation.tasks import Outcome
from drivelab.metrics.metric import Event
from drivelab.reports.bev import Overlay, draw_scene, scene_picture, scene_view
from drivelab.reports.losses import loss_sentences
from drivelab.reports.mode_layers import mode_layers, score_labels, share_of
from drivelab.reports.palette import BEST_MODE
from drivelab.reports.report import write_report
from drivelab.reports.run_record import read_run
from drivelab.reports.shapes import Dot, Label
from drivelab.reports.shapes import Path as Line
from drivelab.reports.svg import inline_svg
from drivelab.reports.video import render_rollout
from drivelab.types import Plan

SUBSCORES = ("drivable_area_compliance", "ego_progress", "comfort")


def lines_of(shapes: list) -> list[Line]:
    return [shape for shape in shapes if isinstance(shape, Line)]


def test_every_mode_is_drawn_the_better_the_stronger_and_later() -> None:
    modes, scores = fan()
    view = scene_view(straight_scene(), Overlay(modes=modes))
    shapes = mode_layers(view, modes, scores)
    lines = lines_of(shapes)
    assert len(lines) == len([shape for shape in shapes if isinstance(shape, Dot)]) == 20
    roles = [line.role for line in lines]
    assert roles == sorted(roles)
    assert roles[0] == "mode0"
    assert roles[-1] == BEST_MODE
    assert lines[-1].title == "mode 10: score 0.90"
    np.testing.assert_allclose(lines[-1].parts[0][-1], view.ego_points(modes[10, -1, :2]))
    assert all((line.parts[0][0] == view.ego_points(np.zeros(2))).all() for line in lines)


def test_modes_without_scores_are_alike_and_unlabelled() -> None:
    modes, _ = fan(5)
    view = scene_view(straight_scene(), Overlay(modes=modes))
    assert {line.role for line in lines_of(mode_layers(view, modes, None))} == {BEST_MODE}
    assert score_labels(view, modes, None, 1.0) == []
    assert share_of(np.zeros(5), 0) == 1.0
    modes[2, 3] = np.nan
    assert len(lines_of(mode_layers(view, modes, None))) == 4


def test_a_mode_that_stands_still_has_its_end() -> None:
    view = scene_view(straight_scene(), Overlay())
    (end,) = mode_layers(view, np.zeros((1, 8, 3)), np.array([0.4]))
    assert isinstance(end, Dot)


def test_the_best_scores_stand_beside_their_ends_and_not_on_each_other() -> None:
    modes, scores = fan(9)
    view = scene_view(straight_scene(), Overlay(modes=modes))
    labels = score_labels(view, modes, scores, 1.0)
    assert [label.text for label in labels if isinstance(label, Label)] == ["0.90", "0.55", "0.55"]
    x, y = view.ego_points(modes[4, -1, :2])
    assert abs(labels[0].x - x) <= 8
    assert labels[0].y == y
    crowd = np.repeat(modes[4:5], 9, axis=0)
    labels = score_labels(view, crowd, scores, 1.0)
    assert [(label.text, label.anchor) for label in labels] == [("0.90", "start"), ("0.55", "end")]


def test_the_picture_shows_all_modes_and_without_any_it_is_as_before() -> None:
    modes, scores = fan()
    scene, states = straight_scene(), straight_states()
    plan = modes[10]
    bare = scene_picture(scene, Overlay(plan, states))
    shown = scene_picture(scene, Overlay(plan, states, modes=modes, mode_scores=scores))
    assert not any(role.startswith("mode") for role in bare.roles())
    assert len([s for s in lines_of(list(shown.shapes)) if s.role.startswith("mode")]) == 20
    order = [shape.role for shape in shown.shapes]
    assert order.index("plan") > max(k for k, role in enumerate(order) if role == BEST_MODE)
    assert inline_svg(shown).count("<title>mode ") == 20
    assert draw_scene(scene, plan=plan, modes=modes, mode_scores=scores, size_px=240)


@pytest.mark.parametrize(
    ("modes", "scores", "told"),
    [
        (np.zeros((3, 8, 2)), None, "modes has shape"),
        (np.zeros((0, 8, 3)), None, "modes has shape"),
        (np.zeros((3, 8, 3)), np.zeros(4), "mode_scores has shape"),
        (None, np.zeros(4), "mode_scores has shape"),
    ],
)
def test_modes_of_another_shape_are_refused(modes, scores, told: str) -> None:
    with pytest.raises(DataError, match=told):
        scene_picture(straight_scene(), Overlay(modes=modes, mode_scores=scores))


def test_an_agents_modes_are_kept_with_its_own_scores_before_probabilities() -> None:
    modes, scores = fan(4)
    shares = scores / scores.sum()
    poses = modes[2]
    kept, told = modes_of(Plan(poses, 0.5, modes, shares, {"mode_scores": scores}))
    assert kept.dtype == told.dtype == np.float32
    np.testing.assert_allclose(kept, modes, atol=1e-5)
    np.testing.assert_allclose(told, scores, atol=1e-6)
    np.testing.assert_allclose(modes_of(Plan(poses, 0.5, modes, shares))[1], shares, atol=1e-6)
    for notes in ({"mode_scores": "good"}, {"mode_scores": scores[:2]}, None):
        assert modes_of(Plan(poses, 0.5, modes, shares, notes))[1] is not None
    assert modes_of(Plan(poses)) == (None, None)
    for wrong in (modes[..., :2], modes[0], [], "modes", [[1], [2, 3]]):
        assert modes_of(Plan(poses, 0.5, wrong, shares)) == (None, None)


def outcome(**more: object) -> Outcome:
    return Outcome("a", {"scene": "a"}, straight_states(), np.zeros((8, 3)), 0.5, **more)


def test_files_hold_modes_where_there_are_any_and_are_read_either_way(tmp_path: Path) -> None:
    modes, scores = (array.astype(np.float32) for array in fan())
    event = Event("off_road", 21, margin=-0.3)
    row = golden_rows()[0]
    folder = write_run(tmp_path, [row | {"scene": name} for name in ("with", "without", "old")])
    files = {name: folder / "rollouts" / f"{name}.npz" for name in ("with", "without", "old")}
    files["with"].parent.mkdir()
    save_rollout(files["with"], outcome(modes=modes, mode_scores=scores, events=(event,)))
    save_rollout(files["without"], outcome())
    np.savez(files["old"], states=straight_states(), plan=np.zeros((8, 3)), plan_dt=0.5)
    stored = load_rollout(files["with"])
    assert stored["modes"].dtype == stored["mode_scores"].dtype == np.float32
    np.testing.assert_array_equal(stored["modes"], modes)
    for name in ("without", "old"):
        assert set(load_rollout(files[name])) == {"states", "plan", "plan_dt"}
    record = read_run(folder)
    kept = record.plan("with")
    np.testing.assert_array_equal(kept.mode_scores, scores)
    assert kept.events == (event,)
    for name in ("without", "old"):
        plan = record.plan(name)
        assert (plan.modes, plan.mode_scores, plan.events) == (None, None, ())
    data = bytearray(files["with"].read_bytes())
    data[data.index(b"modes.npy") + 200] ^= 1
    files["with"].write_bytes(data)
    with pytest.raises(RunError):
        load_rollout(files["with"])


def test_a_report_shows_the_modes_of_its_plans(tmp_path: Path) -> None:
    folder = golden_run(tmp_path)
    before = write_report(folder, load_golden).read_text()
    assert "plans it was chosen from" not in before
    assert 'class="modes"' not in before
    modes, scores = fan()
    for path in (folder / "rollouts").glob("*.npz"):
        with np.load(path) as stored:
            content = {name: stored[name] for name in stored.files}
        np.savez(path, **{**content, "plan": modes[10], "modes": modes, "mode_scores": scores})
    page = write_report(folder, load_golden).read_text()
    cards = page.count("<article")
    assert page.count("<title>mode ") == 20 * cards
    assert page.count('class="modes"') == cards
    assert page.count("10 chosen") == cards
    assert page.count("The best 5 of 20 plans") == cards
    assert "plans it was chosen from" in page


def test_lost_subscores_are_told_in_words() -> None:
    row = {"drivable_area_compliance": 0.0, "ego_progress": 0.43, "comfort": 1.0}
    events = (Event("ttc", 9, "car"), Event("off_road", 21, margin=-0.3))
    assert loss_sentences(row, SUBSCORES, "pdms_v1.1", events) == (
        "drivable area compliance 0: leaves the drivable area at 2.1 s, margin -0.30 m",
        "ego progress 0.43: 43 % of the way that the reference planner makes",
        "time to collision too short at 0.9 s with car",
    )
    names = ("no_at_fault_collisions", "comfort", "made_up")
    row = {"no_at_fault_collisions": 0.5, "comfort": 0.0, "made_up": 0.25}
    events = (Event("collision", 12, "cone", "active_front"), Event("comfort", 3, "", "jerk+yaw"))
    assert loss_sentences(row, names, "pdms_v1.1", events) == (
        "no at-fault collisions 0.5: hits cone at 1.2 s (active front)",
        "comfort 0: moves too harshly at 0.3 s (jerk, yaw)",
        "made up 0.25",
    )
    assert loss_sentences(dict.fromkeys(names, 1.0), names, "pdms_v1.1", ()) == ()


def run(words: list[str], folder: Path) -> str:
    from drivelab.cli import main

    assert main([*words, f"run.dir={folder}", "quiet=true"]) in (0, 3)
    return (folder / "report.html").read_text()


def test_a_run_shows_what_its_agent_saw_and_chose_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(Path(__file__).parent / "toys")
    monkeypatch.syspath_prepend(Path(__file__).parent / "toys")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["eval", "agent=fan_toys:Fan", "bench=navsim", "data=embedded"]
    words += ["rig=labmini_mini", "bench.scale=0.25", "limit=2"]
    folder = tmp_path / "run"
    page = run(words, folder)
    assert page.count('alt="what the agent saw: CAM_R0, CAM_F0, CAM_L0"') == 2
    assert page.count('class="card wide"') == 2
    assert page.count("<title>mode ") == 2 * 7
    assert page.count("3 chosen") == 2
    assert len(page) < 1_000_000
    rows = (folder / "rows.jsonl").read_bytes()
    assert run(words, folder).count("<title>mode ") == 2 * 7  # resumed: nothing is done again
    assert (folder / "rows.jsonl").read_bytes() == rows
    again = tmp_path / "again"
    assert main_rescore(folder, again).count("<title>mode ") == 2 * 7
    assert "what the agent saw" in (again / "report.html").read_text()
    blind = run([*words[:1], "agent=fan_toys:Blind", *words[2:]], tmp_path / "blind")
    assert not re.search("<img|<title>mode |plans it was chosen from|card wide", blind)


def main_rescore(folder: Path, out: Path) -> str:
    from drivelab.cli import main

    assert main(["rescore", str(folder), f"run.dir={out}", "quiet=true"]) in (0, 3)
    return (out / "report.html").read_text()


def test_films_show_the_modes_below_what_moves(tmp_path: Path) -> None:
    import imageio_ffmpeg

    modes, scores = fan(5)
    scene, states = straight_scene(), straight_states()[:3]
    images = []
    for name, kept in (("bare", None), ("modes", modes)):
        told = None if kept is None else scores
        path = tmp_path / f"{name}.mp4"
        render_rollout(scene, states, path, plan=modes[2], modes=kept, mode_scores=told)
        reader = imageio_ffmpeg.read_frames(str(path))
        width, height = next(reader)["size"]
        images.append(np.frombuffer(next(reader), np.uint8).reshape(height, width, 3).astype(int))
    view = scene_view(scene, Overlay(modes[2], states, modes=modes))
    for mode in modes[[1, 3]]:
        column, row = np.round(view.ego_points(mode[5, :2]) * 720 / 640).astype(int)
        around = (slice(row - 3, row + 4), slice(column - 3, column + 4))
        red, green, _ = images[1][around].reshape(-1, 3)[images[1][around][..., 1].argmin()]
        assert red - green > 40  # the plan's magenta, on ground, road or carpark
        assert np.abs(images[1][around] - images[0][around]).max() > 30
