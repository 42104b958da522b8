"""Constants of the two scores, one frozen record per version."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STATES = 41  # 0 .. 4.0 s at 10 Hz
DT = 0.1  # [s]
PLAN_POSES, PLAN_DT = 8, 0.5  # what agents hand in: 4 s at 2 Hz
COMFORT_BOUNDS = np.array(
    [
        [-4.05, 2.40],  # longitudinal acceleration [m/s^2]
        [-4.89, 4.89],  # lateral acceleration [m/s^2]
        [-8.37, 8.37],  # jerk of the acceleration's magnitude [m/s^3]
        [-4.13, 4.13],  # longitudinal jerk [m/s^3]
        [-1.93, 1.93],  # yaw acceleration [rad/s^2]
        [-0.95, 0.95],  # yaw rate [rad/s]
    ]
)


@dataclass(frozen=True, slots=True)
class NavsimRules:
    """Everything in which the versions differ, and the shared thresholds."""

    version: str
    key_seconds: float  # how much of the recorded future the observation holds [s]
    ttc_steps: int  # states for which TTC is tested
    weights: tuple[float, ...]  # of the weighted sub-scores
    acceleration_window: int  # Savitzky-Golay windows; clipped to the number of samples
    jerk_window: int
    at_center: bool  # comfort at the box centre
    spare_intersections: bool  # driving against the route is forgiven in intersections
    look_ahead: tuple[int, ...] = (0, 3, 6, 9)  # TTC, in 0.1 s
    wrong_way_window: int = 10  # [steps]
    wrong_way_half: float = 2.0  # [m]: from here on 0.5
    wrong_way_zero: float = 6.0  # [m]: from here on 0
    progress_threshold: float = 5.0  # [m]
    lane_tolerance: float = 0.5  # [m]
    lane_patience: int = 20  # [steps]


PDMS_V1_1 = NavsimRules(
    version="1.1",
    key_seconds=5.0,
    ttc_steps=41,
    weights=(5.0, 5.0, 2.0),  # progress, TTC, comfort
    acceleration_window=STATES,
    jerk_window=STATES,
    at_center=False,
    spare_intersections=False,
)

EPDMS_V2_2 = NavsimRules(
    version="2.2",
    key_seconds=4.0,
    ttc_steps=32,
    weights=(5.0, 5.0, 2.0, 2.0, 2.0),  # progress, TTC, lane keeping, two comforts
    acceleration_window=8,
    jerk_window=15,
    at_center=True,
    spare_intersections=True,
)
