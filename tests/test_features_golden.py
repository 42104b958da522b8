"""Features and targets against what the original builders of TransFuser gave."""

from __future__ import annotations

import json
import os
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from drivelab.agents.features import FULL, expand
from drivelab.agents.features.camera import camera_feature
from drivelab.agents.features.lidar import lidar_feature
from drivelab.agents.features.road_users import agent_targets
from drivelab.agents.features.semantic import map_shapes, paint
from drivelab.agents.features.status import status_feature
from drivelab.types import CameraFrame, Command, LaneMap, Observation
from drivelab.types.lane_map import Area, AreaKind, Lane

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "models"
pytestmark = pytest.mark.skipif(
    not (ROOT / "transfuser.npz").exists(), reason=f"no golden numbers of models in {ROOT.parent}"
)
UNPAINTED = 0.0005  # share of pixels that may differ where OpenCV does not draw


@cache
def stored() -> dict[str, np.ndarray]:
    with np.load(ROOT / "transfuser.npz") as archive:
        return {name: archive[name] for name in archive.files}


def draws(name: str) -> np.random.RandomState:
    tag = f"i{int(stored()['meta.input_seed'])}/{name}"
    return np.random.RandomState(zlib.crc32(tag.encode()))


def picture(side: str) -> CameraFrame:
    bytes_ = np.floor(256 * draws(f"img_{side}").random_sample(1080 * 1920 * 3)).astype(np.uint8)
    image = bytes_.reshape(1080, 1920, 3)
    return CameraFrame(image, np.eye(3), np.zeros(3), np.eye(3), np.zeros(5))


def sweep() -> np.ndarray:
    """Echoes, among them some on edges of cells and on bounds of the height."""
    points = draws("lidar").standard_normal(6 * 20000).reshape(6, 20000)
    points[:2] *= 15
    points[0, :10] = [32, 32, -32, -32, 0, 0.25, -0.25, 31.99, 32.01, -32]
    points[1, :10] = [32, -32, 32, -32, 0, 0.25, 0.25, 31.99, 0, 10]
    points[2, :10] = 1.0
    points[2, 10:14] = [0.2, 0.2000001, 100.0, 99.9]
    points[:3, 100:108] = np.array([[5.1], [-3.1], [0.5]])
    return points.T


def test_the_stitched_picture_is_the_original_to_the_bit() -> None:
    images = {f"CAM_{side.upper()}": [picture(side)] for side in ("l0", "f0", "r0")}
    compact = camera_feature(images, FULL.camera)
    assert zlib.crc32(compact.tobytes()) == int(stored()["feat.camera.crc32"])
    full = expand({"camera_feature": compact})["camera_feature"]
    np.testing.assert_allclose(full[:, ::8, ::8], stored()["feat.camera.stride8"], rtol=1e-7)
    assert full.mean(dtype=float) == pytest.approx(float(stored()["feat.camera.mean"]), rel=1e-6)


def test_the_lidar_histogram_is_the_original_cell_by_cell() -> None:
    compact = lidar_feature([sweep()], FULL.lidar)
    np.testing.assert_array_equal(compact, stored()["feat.lidar"])
    full = expand({"lidar_feature": compact})["lidar_feature"]
    assert full.max() == pytest.approx(float(stored()["feat.lidar_max"]))


def test_the_status_is_the_original() -> None:
    asked = Observation(
        "golden", 0, Command.STRAIGHT, np.zeros(1), np.zeros((1, 3)), np.array([[5.5, 0.1]]),
        np.array([[0.3, -0.2]]),
    )  # fmt: skip
    np.testing.assert_allclose(status_feature(asked), stored()["feat.status"], rtol=1e-6)


def boxes() -> tuple[np.ndarray, tuple[str, ...]]:
    names = json.loads((ROOT / "transfuser_map.json").read_text())["names"]
    return stored()["tgt.boxes"][:, [0, 1, 6, 3, 4]], tuple(names)


def test_the_vehicles_taught_are_the_original_ones_in_their_order() -> None:
    states, labels = agent_targets(*boxes())
    np.testing.assert_allclose(states, stored()["tgt.agent_states"], rtol=1e-6)
    np.testing.assert_array_equal(labels, stored()["tgt.agent_labels"])


def golden_map(said: dict[str, Any]) -> LaneMap:
    lanes: dict[str, Lane] = {}
    for layer, connector in (("LANE", False), ("LANE_CONNECTOR", True)):
        for n, one in enumerate(said[layer]):
            line = np.array(one["baseline"])[:, :2]
            centreline = np.column_stack([line, np.zeros(len(line))])
            polygon = shapely.Polygon(one["polygon"])
            lanes[f"{layer}{n}"] = Lane(f"{layer}{n}", centreline, polygon, connector)
    areas = [
        Area(f"{kind}{n}", kind, shapely.Polygon(one["polygon"]))
        for layer, kind in (
            ("INTERSECTION", AreaKind.INTERSECTION),
            ("WALKWAYS", AreaKind.WALKWAY),
        )
        for n, one in enumerate(said[layer])
    ]
    return LaneMap("golden", lanes, {}, tuple(areas))


def test_the_raster_is_the_original_but_for_stray_pixels() -> None:
    said = json.loads((ROOT / "transfuser_map.json").read_text())
    shapes = map_shapes(golden_map(said), np.array(said["ego"]), FULL.semantic.radius)
    raster = paint(shapes, *boxes(), FULL.semantic)
    wanted = stored()["tgt.bev_semantic_map"]
    assert raster.shape == wanted.shape
    assert set(np.unique(raster)) == set(np.unique(wanted))
    assert (raster != wanted).mean() <= UNPAINTED
