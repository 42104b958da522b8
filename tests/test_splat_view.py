"""`drivelab splat view`: a real server, a real browser, colours on its screen."""

from __future__ import annotations

import base64
import io
import itertools
import json
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from drivelab.kernels.splat import Gaussians
from drivelab.reports.splat_panels import Play, Sight
from drivelab.sim.sensors.rig import load_rig
from drivelab.sim.splats.compose import moment_at
from drivelab.sim.splats.labels import NUMBER
from drivelab.sim.splats.scene import Actor, Lamp, Sky, Splats, SplatScene

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1100,700",
    "--remote-debugging-port=0",
)
GREEN, RED, BLUE, WHITE = (0.1, 0.8, 0.1), (0.9, 0.1, 0.1), (0.1, 0.2, 0.9), (1.0, 1.0, 1.0)
SKY = (1.0, 0.6, 1.0)


def cloud(label: str, centre: tuple, reach: tuple, colour: tuple, count: int = 800) -> Splats:
    means = np.random.default_rng(3).uniform(-1, 1, (count, 3)) * reach + centre
    quats = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    scales = np.tile(np.array(reach, np.float32) / 10, (count, 1))
    sh = np.tile((np.array(colour) - 0.5) / 0.28209479, (count, 1, 1)).astype(np.float32)
    opaque = np.full(count, 0.95, np.float32)
    gaussians = Gaussians(means.astype(np.float32), quats, scales, opaque, sh)
    return Splats(gaussians, np.full(count, NUMBER[label], np.uint8))


@pytest.fixture
def play() -> Play:
    """A green floor; a red block to the left that drives to the right; a lamp; a pink sky."""
    times = np.arange(3) * 0.1
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :2, 3] = [(12, 7), (12, 3), (12, -1)]
    block = cloud("vehicle", (0, 0, 1), (1.2, 1.2, 1), RED)
    scene = SplatScene(
        "floor",
        cloud("terrain", (14, 0, 0), (8, 14, 0.02), GREEN, 2000),
        actors={"block": Actor("block", "vehicle", (2.4, 2.4, 2), block, poses)},
        lamps=(
            Lamp(("a",), "red", *(cloud("traffic_light", (16, 0, 6), (0.6, 0.6, 0.6), colour)
                                  for colour in (BLUE, WHITE))),
        ),
        sky=Sky(np.full((6, 8, 8, 3), SKY, np.float32)),
        times=times,
    )  # fmt: skip
    rig = load_rig("rad", scale=0.25)

    def sight(n: int) -> Sight:
        return Sight(scene, moment_at(scene, times[n]), rig, np.eye(4), "floor", frame=n)

    return Play("floor", "a floor", times, rig, sight)


class Browser:
    """A page in headless Chromium over its debugging socket."""

    def __init__(self, url: str, profile: Path) -> None:
        from websockets.sync.client import connect

        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        port = until(lambda: self._port(profile))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            page = next(entry for entry in json.load(answer) if entry["type"] == "page")
        self.socket = connect(page["webSocketDebuggerUrl"], max_size=None)
        self.numbers = itertools.count(1)
        self.call("Page.navigate", url=url)

    def _port(self, profile: Path) -> str:
        file = profile / "DevToolsActivePort"
        lines = file.read_text().split("\n") if file.exists() else []
        return lines[0] if len(lines) > 1 else ""

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": values}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == number:
                return answer.get("result", {})

    def screen(self) -> np.ndarray:
        # Refused while the page is being exchanged
        taken = until(lambda: self.call("Page.captureScreenshot", format="png"))
        with Image.open(io.BytesIO(base64.b64decode(taken["data"]))) as picture:
            return np.asarray(picture.convert("RGB"), float) / 255

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)


def until(ready: Callable[[], Any], seconds: float = 60.0) -> Any:
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        found = ready()
        if found:
            return found
        time.sleep(0.1)
    raise TimeoutError


def painted(screen: np.ndarray, colour: tuple) -> np.ndarray:
    """Columns of pixels near a colour, between a notice and viser's axes, left of its panel."""
    return np.nonzero((np.abs(screen[150:450, :740] - colour) < 0.2).all(-1))[1]


def middle(screen: np.ndarray, colour: tuple) -> float:
    columns = painted(screen, colour)
    return float(columns.mean()) if len(columns) else -1.0


@pytest.fixture
def viewer(play: Play) -> Iterator[Any]:
    pytest.importorskip("viser")
    from drivelab.reports.splat_viewer import SplatViewer

    viewer = SplatViewer(play, ("CAM_FRONT",), port=8650)
    yield viewer
    viewer.stop()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_browser_shows_the_world_and_its_actors_move(viewer, tmp_path: Path) -> None:
    browser = Browser(f"http://127.0.0.1:{viewer.port}", tmp_path)
    try:
        # Gaussians fade in
        until(lambda: len(painted(browser.screen(), GREEN)) > 20_000)
        until(lambda: len(painted(browser.screen(), RED)) > 300)
        before = browser.screen()
        assert len(painted(before, BLUE)) > 100  # a dark lamp
        assert len(painted(before, SKY)) > 5000
        left, green = middle(before, RED), len(painted(before, GREEN))
        viewer._slider.value = 2
        until(lambda: middle(browser.screen(), RED) > left + 20)
        viewer._toggle("ground", False)
        until(lambda: len(painted(browser.screen(), GREEN)) < green / 2)
    finally:
        browser.close()


def test_playing_goes_round_in_time(viewer) -> None:
    viewer._playing.value = True
    threading.Thread(target=viewer.run, daemon=True).start()
    seen = set()
    until(lambda: seen.add(viewer._at) or seen == {0, 1, 2}, 20)


def test_it_listens_at_this_machine_only(viewer) -> None:
    assert viewer._server.get_host() == "127.0.0.1"


def test_what_the_browser_draws_is_what_the_scene_holds(play: Play) -> None:
    from drivelab.reports.splat_viewer import _drawn

    turned = play.sight(0).scene.static.gaussians
    turned.quats[:] = np.array([2.0, 0, 0, 2.0], np.float32)  # a quarter to the left, not unit
    turned.scales[:] = np.array([3.0, 2.0, 1.0], np.float32)
    drawn = _drawn(turned)
    np.testing.assert_allclose(drawn["covariances"][0], np.diag([4.0, 9.0, 1.0]), atol=1e-5)
    np.testing.assert_allclose(drawn["rgbs"][0], GREEN, atol=1e-6)
    assert drawn["opacities"].shape == (2000, 1)


def test_without_viser_the_pip_line_is_told() -> None:
    code = (
        "import sys; sys.modules['viser'] = None; from drivelab.cli import main; "
        "sys.exit(main(['splat', 'view', 'clip=test-0003-lane_drop']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'drivelab[viz]'" in done.stderr
