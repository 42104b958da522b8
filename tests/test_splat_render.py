"""`drivelab splat render`: what it draws and films, how it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import drivelab.scenarios
from drivelab.cli import main
from drivelab.reports.splat_panels import PALETTE, depth_colours
from drivelab.sim.radlab import clip_scene
from drivelab.sim.splats.files import save_scene
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.street import build_street

CLIP = "clip=test-0003-lane_drop"
SMALL = "scale=0.25"
LIBRARY = Path(drivelab.scenarios.__file__).parent / "library"


def picture(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def test_a_sheet_has_cameras_side_by_side_and_a_row_for_each_thing(tmp_path: Path, capsys) -> None:
    out = tmp_path / "new" / "a.png"
    words = ["splat", "render", CLIP, SMALL, "show=images,depths,labels", "time=2", f"out={out}"]
    assert main(words) == 0
    sheet = picture(out)
    assert sheet.shape == (3 * 64, 3 * 112, 3)
    labels = sheet[128:].reshape(-1, 3)
    road, sky = (np.mean((labels == PALETTE[NUMBER[name]]).all(-1)) for name in ("road", "sky"))
    assert road > 0.1
    assert sky > 0.03
    assert not list(out.parent.glob(".*"))
    assert "CAM_FRONT_LEFT, CAM_FRONT, CAM_FRONT_RIGHT" in capsys.readouterr().out


def test_a_folder_has_a_file_for_every_camera_and_moment(tmp_path: Path) -> None:
    cameras = "camera=CAM_BACK,CAM_FRONT"
    assert main(["splat", "render", CLIP, SMALL, "time=0,1.5", cameras, f"out={tmp_path}"]) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"{time}s-{camera}-images.png"
        for time in ("000.00", "001.50")
        for camera in ("CAM_BACK", "CAM_FRONT")
    ]


def test_night_is_darker_than_day_and_the_same_words_draw_the_same(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("day.png", "night.png", "again.png")]
    for file, time in zip(files, ("day", "night", "day"), strict=True):
        assert main(["splat", "render", CLIP, SMALL, f"weather.time={time}", f"out={file}"]) == 0
    day, night, again = map(picture, files)
    assert night.mean() < 0.5 * day.mean()
    np.testing.assert_array_equal(day, again)


@pytest.mark.parametrize("ending", ["webp", "gif", "mp4"])
def test_a_film_runs_in_real_time_and_moves(ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"a.{ending}"
    words = [CLIP, SMALL, "time=2:3", "fps=5", "camera=CAM_FRONT", "width=100", f"out={out}"]
    assert main(["splat", "render", *words]) == 0
    assert list(tmp_path.iterdir()) == [out]
    if ending == "mp4":
        assert b"ftyp" in out.read_bytes()[:16]
        return
    with Image.open(out) as film:
        assert (film.n_frames, film.width) == (6, 100)
        first = np.asarray(film.convert("RGB"), float)
        assert film.info.get("duration", 200) == 200
        film.seek(5)
        assert np.abs(np.asarray(film.convert("RGB"), float) - first).mean() > 2


def test_a_scenario_is_driven_by_an_agent(tmp_path: Path, capsys) -> None:
    words = ["scenario=red_light_runner", "agent=constant_velocity", SMALL]
    assert main(["splat", "render", *words, "time=1", f"out={tmp_path / 'a.jpg'}"]) == 0
    assert "driven by constant_velocity" in capsys.readouterr().out
    assert picture(tmp_path / "a.jpg").std() > 10


def test_typed_weather_goes_before_the_scenarios_own(tmp_path: Path) -> None:
    told = (LIBRARY / "precrash" / "red_light_runner.yaml").read_text()
    night = tmp_path / "night.yaml"
    night.write_text(told + "\ntime_of_day: night\n")
    bright = {}
    for name, words in {
        "clear": ["scenario=red_light_runner"],
        "typed": ["scenario=red_light_runner", "weather.time=night"],
        "said": [f"scenario={night}"],
        "turned": [f"scenario={night}", "weather.time=day"],
    }.items():
        out = tmp_path / f"{name}.png"
        words += ["agent=constant_velocity", SMALL, "camera=CAM_FRONT", f"out={out}"]
        assert main(["splat", "render", *words]) == 0
        bright[name] = picture(out).mean()
    assert bright["typed"] == bright["said"] < 0.7 * bright["clear"]
    assert bright["turned"] == bright["clear"]


def test_faults_of_a_scenarios_cameras_are_drawn(tmp_path: Path) -> None:
    told = (LIBRARY / "precrash" / "red_light_runner.yaml").read_text()
    fault = "{fault: black, camera: CAM_FRONT, start: 0.5, stop: 1.5}"
    file = tmp_path / "broken.yaml"
    file.write_text(f"{told}\nsensors: {{faults: [{fault}]}}\n")
    words = [f"scenario={file}", "agent=constant_velocity", SMALL, "camera=CAM_FRONT,CAM_BACK"]
    out = tmp_path / "pictures"
    assert main(["splat", "render", *words, "time=0,1,2", f"out={out}"]) == 0
    black = [not picture(each).any() for each in sorted(out.glob("*CAM_FRONT-images.png"))]
    assert black == [False, True, False]
    assert all(picture(each).any() for each in out.glob("*CAM_BACK-images.png"))


def test_a_file_is_looked_at_from_a_pose(tmp_path: Path) -> None:
    scene = clip_scene(CLIP.removeprefix("clip="))
    street = build_street(scene.map, route=scene.ego.poses)
    file = tmp_path / "a.splats.safetensors"
    save_scene(street, file)
    found = {}
    for name, pose in {"up": "0,0,0,0,-90", "down": "0,0,0,30,90"}.items():
        out = tmp_path / f"{name}.png"
        words = [str(file), f"pose={pose}", SMALL, "camera=CAM_FRONT", f"out={out}"]
        assert main(["splat", "render", *words]) == 0
        found[name] = picture(out).astype(float).mean((0, 1))
    blue = {name: colour[2] - colour[0] for name, colour in found.items()}
    assert blue["up"] > 20 > blue["down"]  # sky, road


def test_colours_of_depths_tell_near_from_far_from_none() -> None:
    near, middle, far, none = depth_colours(np.array([[2.0, 15.0, 120.0, np.inf]]))[0].sum(-1)
    assert near > middle > far > none == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "expected one of FILE, clip=ID and scenario=NAME, found none"),
        (["a.ply", CLIP], "found FILE and clip"),
        ([CLIP, "pose=0,0,0"], "pose= is for a FILE"),
        ([CLIP, "agent=idm"], "agent= drives a scenario=NAME"),
        (["a.ply", "weather.time=day"], "weather.time= is for streets that are built"),
        (["a.ply", "pose=0,0"], "expected X,Y,YAW_DEG"),
        (["nowhere.ply"], "nowhere.ply: no such file"),
        ([CLIP, "weather.time=noon"], "expected one of day, dusk, night"),
        ([CLIP, "weather.rain=wet"], "weather.rain=wet: expected a number"),
        ([CLIP, "camera=CAM_FRONTT"], "did you mean 'CAM_FRONT'?"),
        ([CLIP, "rig=radd"], "did you mean 'rad'?"),
        ([CLIP, "show=depth"], "did you mean 'depths'?"),
        ([CLIP, "time=99"], "is from -2.0 to 10.0 s"),
        ([CLIP, "time=0:"], "expected FROM:TO"),
        ([CLIP, "time=0,1", "out=a.png"], "one picture of 2 moments"),
        ([CLIP, "out=a.tiff"], "out=a.tiff: expected a folder or a file that ends in .png"),
        ([CLIP, "fps=0", "out=a.gif"], "fps=0: expected 1 to 60"),
        ([CLIP, "scale=400"], "are available"),
        ([CLIP, "width=1000000000", "out=a.png"], "expected 16 to 16384 px"),
        (["clip=test-0003-merge"], "expected an id like test-0003-lane_drop"),
        ([CLIP, "sed=1"], "no option 'sed'; did you mean 'seed'?"),
    ],
)
def test_refusals(words: list[str], told: str, capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["splat", "render", *words]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def run_page(part: int) -> dict:
    """What a piece of code on the page on splat worlds leaves behind."""
    page = (Path(__file__).parent.parent / "docs" / "splats.md").read_text()
    code = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[part]
    found: dict = {}
    exec(compile(code, "docs/splats.md", "exec"), found)
    return found


def test_the_page_on_splat_worlds_runs(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = run_page(0)
    assert found["picture"].shape == (256, 448, 3)
    words = ["street.splats.safetensors", "camera=CAM_FRONT", "out=a.png"]
    assert main(["splat", "render", *words]) == 0


@pytest.mark.nn
def test_the_page_on_gradients_runs() -> None:
    torch = pytest.importorskip("torch", reason="gradients need the extra nn")
    found = run_page(1)
    assert torch.isfinite(found["means"].grad).all()
    assert found["view"].grad.abs().max() > 0
