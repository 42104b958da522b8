"""Videos: decoded back, they have the frames, the size and the ego that went in."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import ImageColor
from reports_scenes import straight_scene, straight_states

from drivelab.errors import ConfigError, DataError
from drivelab.metrics.metric import Event
from drivelab.reports.bev import Overlay, scene_view
from drivelab.reports.palette import STYLES, Theme
from drivelab.reports.video import render_rollout


def decode(path: Path) -> tuple[dict[str, object], np.ndarray]:
    reader = imageio_ffmpeg.read_frames(str(path))
    meta = next(reader)
    width, height = meta["size"]
    frames = [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]
    return meta, np.stack(frames).astype(int)


def test_frames_size_and_ego_come_back(tmp_path: Path) -> None:
    scene, states = straight_scene(), straight_states()
    seen: list[tuple[int, int]] = []
    path = render_rollout(
        scene,
        states,
        tmp_path / "video" / "hand.mp4",
        size_px=321,
        progress=lambda done, total: seen.append((done, total)),
    )
    meta, frames = decode(path)
    assert frames.shape == (41, 352, 320, 3)
    assert meta["fps"] == 10
    assert seen == [(n, 41) for n in range(1, 42)]
    assert sorted(p.name for p in path.parent.iterdir()) == ["hand.mp4"]
    view = scene_view(scene, Overlay(states=states))
    ego = np.array(ImageColor.getrgb(STYLES[Theme.LIGHT]["ego"].fill))
    for index, x in ((0, 0.0), (40, 32.0)):
        column, row = view.points(np.array([x - 0.6, 0.0])) / 2
        # The middle of the ego's box; H.264 keeps a colour to a few steps.
        assert np.abs(frames[index, round(row), round(column)] - ego).max() < 24
    start_row = view.points(np.array([-0.6, 0.0]))[1] / 2
    assert np.abs(frames[40, round(start_row), 160] - ego).max() > 60


def test_fps_changes_the_number_of_frames_and_not_the_duration(tmp_path: Path) -> None:
    events = (Event("collision", 10, "car", "", -0.2),)
    states = straight_states()[:11]
    path = render_rollout(
        straight_scene(), states, tmp_path / "a.mp4", fps=20, size_px=480, events=events
    )
    meta, frames = decode(path)
    assert len(frames) == 21
    assert meta["fps"] == 20
    # The alert appears in the strip below the picture with the event, in the last frame only.
    strip = frames[:, 484:, :]
    red = (strip[..., 0] - strip[..., 2] > 60).sum((1, 2))
    assert red[19] == 0
    assert red[20] > 200


def test_a_break_leaves_no_file(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_rollout(
            straight_scene(), straight_states(), tmp_path / "a.mp4", size_px=160, progress=stop
        )
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_and_shapes_are_refused(tmp_path: Path) -> None:
    scene, states = straight_scene(), straight_states()
    with pytest.raises(ConfigError, match=r"must end in \.mp4"):
        render_rollout(scene, states, tmp_path / "a.avi")
    with pytest.raises(ConfigError, match="fps=0"):
        render_rollout(scene, states, tmp_path / "a.mp4", fps=0)
    with pytest.raises(DataError, match=r"states has shape \(41, 3\)"):
        render_rollout(scene, states[:, :3], tmp_path / "a.mp4")
