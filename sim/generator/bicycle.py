"""The human driver's car: a kinematic bicycle that is steered along a path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle
from drivelab.sim.generator.leaders import pose_at, project_ahead

STEERING_RATE = 0.5  # [rad/s]
PREVIEW = 0.25  # the curvature aimed at is the path's so much later [s]


@dataclass(frozen=True, slots=True)
class BicycleState:
    """Rear axle in the `map` frame."""

    x: float
    y: float
    yaw: float
    speed: float
    steering: float
    yaw_rate: float
    at: float  # arc length of the projection on the path [m]


def bicycle_step(
    state: BicycleState,
    *,
    path: Float[np.ndarray, "n 3"],
    arcs: Float[np.ndarray, " n"],
    yaw: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"],
    speed: float,
    wheel_base: float,
    dt: float,
) -> BicycleState:
    """Drive for `dt` [s], ending with `speed` [m/s].

    Curvature = the path's (a little ahead) minus a critically damped pull towards the path, whose
    length grows with speed. `yaw` is the path's, unwrapped.
    """
    at, distance, _ = project_ahead(path, arcs, state.at - 2.0, state.at + 8.0, state.x, state.y)
    px, py, along = pose_at(path, arcs, yaw, at)
    heading = float(wrap_angle(state.yaw - along))
    left = -np.sin(state.yaw - heading) * (state.x - px)
    left += np.cos(state.yaw - heading) * (state.y - py)
    aside = np.copysign(distance, left)
    pull = 1.0 / max(4.0, 0.9 * state.speed)
    aimed = np.interp(at + PREVIEW * state.speed, arcs, curvature)
    aimed -= pull**2 * aside + 2.0 * pull * heading
    wanted = np.arctan(wheel_base * aimed)
    limit = STEERING_RATE * dt
    steering = state.steering + min(max(wanted - state.steering, -limit), limit)
    mean_speed = 0.5 * (state.speed + speed)
    turned = mean_speed * np.tan(steering) / wheel_base * dt
    middle = state.yaw + 0.5 * turned
    return BicycleState(
        x=state.x + mean_speed * dt * np.cos(middle),
        y=state.y + mean_speed * dt * np.sin(middle),
        yaw=float(wrap_angle(state.yaw + turned)),
        speed=speed,
        steering=steering,
        yaw_rate=speed * np.tan(steering) / wheel_base,
        at=at,
    )
