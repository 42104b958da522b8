"""A splat world in the browser: Gaussians, time, actors, the rig and what its cameras see.

The browser draws the Gaussians by itself (viser, WebGL): colours without their dependence on the
direction, no sky but one colour, no fog, no rain. The pictures of the rig's cameras come from our
own renderer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.errors import MissingExtra
from drivelab.reports.splat_panels import Play, Sight, mosaic, panels
from drivelab.sim.splats.compose import join, quaternion
from drivelab.sim.splats.labels import GROUND, LABELS, NUMBER
from drivelab.sim.splats.scene import Splats, SplatScene

LAYERS = {
    "ground": (*(LABELS[n] for n in GROUND), "kerb"),
    "buildings": ("building",),
    "vegetation": ("vegetation",),
    "poles and signs": ("pole", "sign", "traffic_light"),
}
REST = "everything else"
BASE = 0.28209479177387814  # of spherical harmonics of degree 0
EGO = (1.2, 4.0, 9.0)  # the eye stands so far above, and looks at so far ahead of, so far behind [m]


class SplatViewer:
    """Serves one world until it is stopped.

    Args:
        play: the world.
        cameras: of its rig, whose pictures are shown.
        host: address that is listened at.
        port: the first one that is tried.

    Attributes:
        port: the one that was free.
    """

    def __init__(
        self, play: Play, cameras: Sequence[str], *, host: str = "127.0.0.1", port: int = 8080
    ) -> None:
        try:
            import viser
        except ImportError as error:
            raise MissingExtra("viser", extra="viz") from error
        self.play, self.cameras = play, tuple(cameras)
        self._lock = threading.Lock()
        self._at = -1
        self._lit: tuple[str, ...] | None = None
        self._actors: dict[str, Any] = {}
        self._frusta: dict[str, Any] = {}
        self._server = viser.ViserServer(host=host, port=port, label=play.name, verbose=False)
        self.port: int = self._server.get_port()
        first = play.sight(play.nearest(0.0))
        self._static = self._lay_static(first.scene)
        self._controls = self._lay_controls(first.scene)
        self.show(play.nearest(0.0))
        self._stand_behind(first)

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
                self._switch_lamps(sight)
                self._move_rig(sight, seen)
            self._controls["picture"].image = np.asarray(mosaic(seen))
            self._controls["when"].content = _told(self.play, n, sight)

    def run(self) -> None:
        """Play while the box is ticked, until interrupted."""
        pause = threading.Event()
        gap = float(np.diff(self.play.times).mean()) if len(self.play.times) > 1 else 0.1
        while not pause.wait(gap):
            if self._controls["play"].value:
                slider = self._controls["time"]
                slider.value = (slider.value + 1) % len(self.play.times)

    def stop(self) -> None:
        """Close the door."""
        self._server.stop()

    def _lay_static(self, scene: SplatScene) -> dict[str, Any]:
        """The static world by layers that can be hidden."""
        labels = scene.static.labels
        layer = np.full(len(LABELS), len(LAYERS))
        for k, names in enumerate(LAYERS.values()):
            layer[[NUMBER[name] for name in names]] = k
        found = {}
        for k, name in enumerate((*LAYERS, REST)):
            part = scene.static.gaussians, layer[labels] == k
            if part[1].any():
                found[name] = self._add(f"/static/{name}", *part)
        if scene.sky is not None:
            # The band of the side faces just above the horizon: half way up, the upper half first
            side = scene.sky.faces[:4]
            middle = side.shape[1] // 2
            colour = side[:, middle : middle + 4].mean(axis=(0, 1, 2))
            flat = np.broadcast_to(np.clip(colour * 255, 0, 255), (2, 2, 3)).astype(np.uint8)
            self._server.scene.set_background_image(flat)
        return found

    def _lay_controls(self, scene: SplatScene) -> dict[str, Any]:
        gui, play = self._server.gui, self.play
        gui.add_markdown(f"**{play.title}**")
        found: dict[str, Any] = {"when": gui.add_markdown("")}
        last = max(len(play.times) - 1, 1)
        found["time"] = gui.add_slider(
            "moment", 0, last, 1, play.nearest(0.0), disabled=len(play.times) < 2
        )
        found["play"] = gui.add_checkbox("play", False)
        follow = gui.add_button("behind the vehicle")
        blank = np.zeros((2, 2, 3), np.uint8)
        found["picture"] = gui.add_image(blank, label=", ".join(self.cameras))
        found["time"].on_update(lambda _: self.show(min(found["time"].value, len(play.times) - 1)))
        follow.on_click(lambda event: self._follow(event.client))
        with gui.add_folder("layers"):
            for name, handle in self._static.items():
                self._toggle(name, {name: handle})
            self._toggle("actors", self._actors)
            found["lamps"] = gui.add_checkbox("traffic lights", True)
            self._toggle("rig", self._frusta)
        found["lamps"].on_update(lambda _: self._relight(scene))
        return found

    def _toggle(self, name: str, handles: Mapping[str, Any]) -> None:
        """A box that shows and hides what is in `handles` when it is clicked."""
        box = self._server.gui.add_checkbox(name, True)

        def switch(_: object) -> None:
            for key, handle in handles.items():
                wanted = handle.wanted if isinstance(handle, _Guest) else True
                shown = handle.handle if isinstance(handle, _Guest) else handle
                shown.visible = box.value and wanted
                _ = key

        box.on_update(switch)
