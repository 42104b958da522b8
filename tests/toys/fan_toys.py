"""An agent that looks through cameras and chooses from a fan of plans."""

import numpy as np

from drivelab.types import Plan, SensorRig

COUNT = 7


class Fan:
    """Seven arcs at the present speed, the middle one the best."""

    rig = SensorRig(cameras=("CAM_R0", "CAM_F0", "CAM_L0"))

    def act(self, observations):
        """One plan each, with all arcs and their scores."""
        return [self.plan(float(seen.ego_velocities[-1, 0])) for seen in observations]

    def plan(self, speed):
        """The fan of one scene; `speed` in m/s."""
        along, turns = speed * 0.5 * np.arange(1, 9), 0.01 * np.arange(-3, 4)
        modes = np.stack([
            np.column_stack([along, 0.5 * turn * along**2, turn * along]) for turn in turns
        ])  # fmt: skip
        scores = 0.9 * np.exp(-np.abs(np.arange(-3, 4)))
        shares = scores / scores.sum()
        return Plan(modes[3], 0.5, modes, shares, {"mode_scores": scores})


class Blind(Fan):
    """The middle arc alone, from no pictures."""

    rig = SensorRig()

    def plan(self, speed):
        """Without modes."""
        return Plan(super().plan(speed).poses)
