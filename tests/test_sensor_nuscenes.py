"""The rig `nuscenes` against the frame that it was read from."""

from __future__ import annotations

import numpy as np
import pytest
from nuscenes_frame import RealFrame, landed, real_frame

from drivelab.sim.sensors.rig import load_rig

pytestmark = pytest.mark.data
SPEED = 9.23  # of the car [m/s]
FEWEST, MOST = 3067, 4826  # points in a picture, as the frame's README counts them


@pytest.fixture(scope="module")
def frame() -> RealFrame:
    return real_frame()


def test_the_yaml_is_the_calibration_of_the_file(frame: RealFrame) -> None:
    rig = load_rig("nuscenes")
    assert set(rig.cameras) == set(frame.cameras)
    for name, said in frame.cameras.items():
        spec = rig.camera(name)
        np.testing.assert_allclose(spec.intrinsic, said.intrinsic, rtol=0, atol=1e-6)
        np.testing.assert_allclose(spec.ego_from_cam, said.ego_from_cam, rtol=0, atol=1e-6)
        assert (spec.width, spec.height) == (1600, 900)
    lidar = rig.lidars["LIDAR_TOP"]
    np.testing.assert_allclose(lidar.ego_from_lidar, frame.ego_from_lidar, rtol=0, atol=1e-6)


def test_the_cloud_lands_in_the_pictures_as_its_readme_counts(frame: RealFrame) -> None:
    rig = load_rig("nuscenes")
    found = {}
    for name, said in frame.cameras.items():
        cam_from_lidar = (
            np.linalg.inv(rig.camera(name).ego_from_cam)
            @ frame.ego_moved(name)
            @ rig.lidars["LIDAR_TOP"].ego_from_lidar
        )
        found[name] = len(landed(frame.cloud[:, :3], cam_from_lidar, rig.camera(name).intrinsic))
        expected = landed(frame.cloud[:, :3], said.cam_from_lidar, said.intrinsic)
        assert abs(found[name] - len(expected)) <= 1, name
    assert abs(min(found.values()) - FEWEST) <= 1
    assert abs(max(found.values()) - MOST) <= 1


def test_one_speed_explains_the_way_between_sweep_and_pictures(frame: RealFrame) -> None:
    rig = load_rig("nuscenes")
    for name, said in frame.cameras.items():
        ahead = np.eye(4)
        ahead[0, 3] = -SPEED * said.after  # the picture is older: the ego was further back
        cam_from_lidar = (
            np.linalg.inv(rig.camera(name).ego_from_cam)
            @ ahead
            @ rig.lidars["LIDAR_TOP"].ego_from_lidar
        )
        count = len(landed(frame.cloud[:, :3], cam_from_lidar, rig.camera(name).intrinsic))
        assert count == pytest.approx(
            len(landed(frame.cloud[:, :3], said.cam_from_lidar, said.intrinsic)), rel=0.005
        )


def test_the_beams_are_those_of_the_cloud(frame: RealFrame) -> None:
    lidar = load_rig("nuscenes").lidars["LIDAR_TOP"]
    x, y, z, _, ring = frame.cloud.T
    far = np.sqrt(x * x + y * y + z * z) > 3
    angles = np.arctan2(z, np.hypot(x, y))
    medians = [np.median(angles[far & (ring == n)]) for n in range(32)]
    np.testing.assert_allclose(lidar.elevations, medians, rtol=0, atol=np.radians(0.01))
    assert len(frame.cloud) == 32 * lidar.azimuths
