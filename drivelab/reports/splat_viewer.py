"""A splat world in the browser: Gaussians, time, actors, the rig and what its cameras see.

The browser draws the Gaussians by itself (viser, WebGL): colours without their dependence on the
direction, one colour for a sky, no fog, no rain. The pictures of the rig's cameras come from our
own renderer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from drivelab.errors import MissingExtra
from drivelab.kernels.splat import Gaussians
from drivelab.reports.splat_panels import Play, Sight, mosaic, panels
from drivelab.sim.sensors.specs import CameraSpec
from drivelab.sim.splats.compose import join, quaternion
from drivelab.sim.splats.labels import GROUND, LABELS, NUMBER
from drivelab.sim.splats.scene import Moment, Sky, SplatScene

LAYERS = {
    "ground": (*(LABELS[n] for n in GROUND), "kerb"),
    "buildings": ("building",),
    "vegetation": ("vegetation",),
    "poles and signs": ("pole", "sign", "traffic_light"),
}
REST = "everything else"
ACTORS, LAMPS, RIG = "actors", "traffic lights", "rig"
BASE = 0.28209479177387814  # spherical harmonics of degree 0
EYE, AIM = (-9.0, 0.0, 4.5), (10.0, 0.0, 1.0)  # of the first view, in the vehicle's frame [m]
FRUSTUM = 1.2  # depth at which a camera's picture hangs before it [m]


class SplatViewer:
    """Serves one world until it is stopped.

    Args:
        play: the world.
        cameras: of its rig, whose pictures are shown.
        host: address that is listened at.
        port: the first one that is tried.

    Attributes:
        play: the world.
        cameras: whose pictures are shown.
        port: the one that was free.
    """

    def __init__(
        self, play: Play, cameras: Sequence[str], *, host: str = "127.0.0.1", port: int = 8080
    ) -> None:
        viser = import_viser()
        self.play, self.cameras = play, tuple(cameras)
        self._lock = threading.Lock()
        self._at = -1
        self._lit: dict[str, str] | None = None
        self._actors: dict[str, Any] = {}
        self._server: Any = viser.ViserServer(host=host, port=port, label=play.name, verbose=False)
        self.port: int = self._server.get_port()
        start = play.nearest(0.0)
        first = play.sight(start)
        self._layers = self._lay_static(first.scene)
        self._slider, self._playing, self._words, self._picture = self._lay_controls(start)
        self._frusta = {name: self._lay_camera(name) for name in self.cameras}
        self._look_from_behind(self._server.initial_camera, first)
        self.show(start)

    def show(self, n: int) -> None:
        """Move everything to the n-th moment."""
        with self._lock:
            if n == self._at:
                return
            self._at = n
            sight = self.play.sight(n)
            seen = panels(sight, self.cameras)
            with self._server.atomic():
                self._move_actors(sight)
                self._switch_lamps(sight.scene, sight.moment)
                for (camera, _), picture in seen.items():
                    self._move_camera(camera, sight, picture)
            self._picture.image = np.asarray(mosaic(seen))
            self._words.content = _told(self.play, n, sight)

    def run(self) -> None:
        """Go on in time while `play` is ticked; until interrupted."""
        pause = threading.Event()
        gap = float(np.diff(self.play.times).mean()) if len(self.play.times) > 1 else 0.1
        while not pause.wait(gap):
            if self._playing.value:
                self._slider.value = (self._slider.value + 1) % len(self.play.times)

    def stop(self) -> None:
        """Close the door."""
        self._server.stop()

    def _lay_static(self, scene: SplatScene) -> list[str]:
        """The static world by layers that can be hidden; returns all layers there are."""
        labels, api = scene.static.labels, self._server.scene
        layer = np.full(len(LABELS), len(LAYERS))
        for k, members in enumerate(LAYERS.values()):
            layer[[NUMBER[name] for name in members]] = k
        found = []
        for k, name in enumerate((*LAYERS, REST)):
            chosen = layer[labels] == k
            if chosen.any():
                api.add_gaussian_splats(f"/{name}", **_drawn(scene.static.gaussians, chosen))
                found.append(name)
        if scene.sky is not None:
            api.set_background_image(_haze(scene.sky))
        for name in (ACTORS, LAMPS, RIG):
            api.add_frame(f"/{name}", show_axes=False)
        return [*found, ACTORS, LAMPS, RIG]

    def _lay_controls(self, start: int) -> tuple[Any, Any, Any, Any]:
        gui, play = self._server.gui, self.play
        gui.add_markdown(play.title)
        words = gui.add_markdown("")
        last = len(play.times) - 1
        slider = gui.add_slider("moment", 0, max(last, 1), 1, start, disabled=not last)
        slider.on_update(lambda _: self.show(min(slider.value, last)))
        playing = gui.add_checkbox("play", False, disabled=not last)
        picture = gui.add_image(np.zeros((2, 2, 3), np.uint8), label=", ".join(self.cameras))
        behind = gui.add_button("behind the vehicle")
        behind.on_click(
            lambda event: self._look_from_behind(event.client.camera, play.sight(self._at))
        )
        with gui.add_folder("layers"):
            for name in self._layers:
                box = gui.add_checkbox(name, True)
                box.on_update(lambda _, box=box, name=name: self._toggle(name, box.value))
        return slider, playing, words, picture

    def _toggle(self, layer: str, visible: bool) -> None:
        self._server.scene.get_handle_by_name(f"/{layer}").visible = visible

    def _move_actors(self, sight: Sight) -> None:
        poses = sight.moment.poses
        for name, handle in self._actors.items():
            handle.visible = name in poses
        for name, pose in poses.items():
            if name not in sight.scene.actors:
                continue
            if name not in self._actors:
                shape = sight.scene.actors[name].splats.gaussians
                self._actors[name] = self._server.scene.add_gaussian_splats(
                    f"/{ACTORS}/{name}", **_drawn(shape)
                )
            self._actors[name].wxyz = quaternion(pose[:3, :3])
            self._actors[name].position = pose[:3, 3]

    def _switch_lamps(self, scene: SplatScene, moment: Moment) -> None:
        """All lamps are one node: they are few Gaussians, and seldom change."""
        if not scene.lamps or self._lit == dict(moment.signals):
            return
        self._lit = dict(moment.signals)
        parts = []
        for lamp in scene.lamps:
            shown = {self._lit.get(lane) for lane in lamp.lanes}
            parts.append(lamp.lit if lamp.colour in shown else lamp.dark)
        drawn = _drawn(join(parts).gaussians)
        self._server.scene.add_gaussian_splats(f"/{LAMPS}/all", **drawn)

    def _lay_camera(self, name: str) -> Any:
        spec = self.play.rig.camera(name)
        across = 2 * np.arctan(0.5 * spec.height / spec.intrinsic[1, 1])
        return self._server.scene.add_camera_frustum(
            f"/{RIG}/{name}", float(across), spec.width / spec.height, scale=FRUSTUM,
            color=(230, 120, 30),
        )  # fmt: skip

    def _move_camera(self, name: str, sight: Sight, picture: UInt8[np.ndarray, "h w 3"]) -> None:
        spec: CameraSpec = sight.rig.camera(name)
        pose = sight.scene_from_ego @ spec.ego_from_cam
        frustum = self._frusta[name]
        frustum.wxyz, frustum.position = quaternion(pose[:3, :3]), pose[:3, 3]
        frustum.image = picture

    def _look_from_behind(self, camera: Any, sight: Sight) -> None:
        camera.up_direction = (0.0, 0.0, 1.0)
        camera.position = (sight.scene_from_ego @ [*EYE, 1.0])[:3]
        camera.look_at = (sight.scene_from_ego @ [*AIM, 1.0])[:3]


def import_viser() -> Any:
    """The package that serves the browser.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        import viser
    except ImportError as error:
        raise MissingExtra("viser", extra="viz") from error
    return viser


def _drawn(gaussians: Gaussians, chosen: Any = slice(None)) -> dict[str, np.ndarray]:
    """As viser wants them: centres, covariances, colours, opacities."""
    axes = _axes(np.asarray(gaussians.quats, np.float32)[chosen])
    spread = axes * np.asarray(gaussians.scales, np.float32)[chosen][:, None, :]
    colours = 0.5 + BASE * np.asarray(gaussians.sh)[chosen, 0]
    return {
        "centers": np.asarray(gaussians.means, np.float32)[chosen],
        "covariances": spread @ spread.transpose(0, 2, 1),
        "rgbs": np.clip(colours, 0.0, 1.0),
        "opacities": np.asarray(gaussians.opacities)[chosen, None],
    }


def _axes(quats: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotation matrices of quaternions wxyz of any length."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _haze(sky: Sky) -> UInt8[np.ndarray, "2 2 3"]:
    """The colour of the sky just above the horizon, all around."""
    middle = sky.faces.shape[1] // 2
    colour = sky.faces[:4, middle : middle + max(1, middle // 4)].mean(axis=(0, 1, 2))
    return np.broadcast_to(np.clip(colour * 255, 0, 255), (2, 2, 3)).astype(np.uint8)


def _told(play: Play, n: int, sight: Sight) -> str:
    there = sum(name in sight.scene.actors for name in sight.moment.poses)
    count = len(sight.scene.static)
    return f"{play.times[n]:.1f} s, {there} actors, {count} static Gaussians"
