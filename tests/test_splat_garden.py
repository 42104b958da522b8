"""Real points and poses: the pictures show what the points around each pixel look like."""

import garden
import numpy as np
import pytest

from drivelab.kernels.splat import Settings, render

pytestmark = pytest.mark.skipif(
    not garden.FILE.is_file(), reason="needs garden_points/test_garden.npz under DRIVELAB_DATA"
)
NEAR = 0.6  # lone points before it, drawn 0.3 wide, would hide the third view


def test_points_are_seen_in_their_colours_where_they_project_to():
    gaussians, cameras, colours = garden.seeded()
    seen = render(gaussians, cameras, settings=Settings(near=NEAR))
    for n in range(3):
        view, lens = cameras.views[n], cameras.intrinsics[n]
        there = gaussians.means @ view[:3, :3].T + view[:3, 3]
        u, v = (lens[:2, :2] @ (there[:, :2] / there[:, 2:]).T + lens[:2, 2:]).astype(int)
        on = (there[:, 2] > NEAR) & (u >= 0) & (u < cameras.width) & (v >= 0) & (v < cameras.height)
        # Nobody in front of them: as deep as the picture says, within a tenth
        depth = seen.depth[n, v[on], u[on]]
        front = np.abs(there[on, 2] - depth) < 0.1 * depth
        assert front.sum() > 5000
        off = np.abs(seen.rgb[n, v[on], u[on]][front] - colours[on][front]).mean()
        chance = np.abs(seen.rgb[n, v[on], u[on]][front] - colours[on][front][::-1]).mean()
        assert off < 0.65 * chance
        assert seen.alpha[n].mean() > 0.8
