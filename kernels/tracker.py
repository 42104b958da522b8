"""LQR tracker and kinematic bicycle: proposals -> simulated ego states.

The rules are NAVSIM's (v1.1 and v2.2 alike). Its two least-squares fits, solved there by dense
pseudo-inverses, are solved here by structure: in the unknowns "velocity at each step" and
"curvature at each step" the normal matrices are banded, and the curvature one is a graph Laplacian
plus a non-negative diagonal, whose elimination needs no subtraction and so keeps full relative
accuracy for standing proposals, where the dense matrix is close to singular.
"""

from __future__ import annotations

from math import atan2, cos, pi, sin, tan

import numpy as np
from jaxtyping import Float
from numba import njit

from drivelab.kernels.rows import fill_row

DT = 0.1  # [s]
HORIZON = 10  # tracking horizon [steps]
Q_LONGITUDINAL = 10.0
R_LONGITUDINAL = 1.0
Q_LATERAL_ERROR = 1.0
Q_HEADING_ERROR = 10.0
R_LATERAL = 1.0
JERK_PENALTY = 1e-4
CURVATURE_RATE_PENALTY = 1e-2
INITIAL_CURVATURE_PENALTY = 1e-10
STOPPING_GAIN = 0.5
STOPPING_VELOCITY = 0.2  # [m/s]
MAX_STEERING = pi / 3  # [rad]
ACCELERATION_LAG = DT / (DT + 0.2)  # low-pass gain, time constant 0.2 s
STEERING_LAG = DT / (DT + 0.05)  # low-pass gain, time constant 0.05 s


@njit(cache=True)
def wrapped(angle: float) -> float:
    """Wrap to [-pi, pi]."""
    if -pi <= angle <= pi:
        return angle
    return atan2(sin(angle), cos(angle))


@njit(cache=True)
def _solve_pentadiagonal(
    diagonal: Float[np.ndarray, " n"],
    first: Float[np.ndarray, " n"],
    second: Float[np.ndarray, " n"],
    values: Float[np.ndarray, " n"],
) -> None:
    """Solve a positive definite system in place by LDL'; `values` becomes the solution."""
    count = diagonal.shape[0]
    for i in range(count - 1):
        factor = first[i] / diagonal[i]
        diagonal[i + 1] -= factor * first[i]
        values[i + 1] -= factor * values[i]
        if i + 2 < count:
            first[i + 1] -= factor * second[i]
            factor = second[i] / diagonal[i]
            diagonal[i + 2] -= factor * second[i]
            values[i + 2] -= factor * values[i]
    for i in range(count - 1, -1, -1):
        if i + 1 < count:
            values[i] -= first[i] * values[i + 1]
        if i + 2 < count:
            values[i] -= second[i] * values[i + 2]
        values[i] /= diagonal[i]


@njit(cache=True)
def velocity_profile(poses: Float[np.ndarray, "t 3"]) -> Float[np.ndarray, " t-1"]:
    """Fit the speeds [m/s] of a proposal to its displacements.

    Minimises sum_i |d_i - dt v_i (cos h_i, sin h_i)|^2 + 1e-4 |R a|^2 with a_i = (v_{i+1}-v_i)/dt.
    R is the matrix that navsim builds: it penalises the accelerations themselves, except for its
    last row, which is the last difference of accelerations.
    """
    count = poses.shape[0] - 1
    diagonal = np.full(count, DT * DT)
    first = np.zeros(count)  # entry (i, i + 1)
    second = np.zeros(count)  # entry (i, i + 2)
    speed = np.empty(count)
    for i in range(count):
        dx = poses[i + 1, 0] - poses[i, 0]
        dy = poses[i + 1, 1] - poses[i, 1]
        speed[i] = DT * (dx * cos(poses[i, 2]) + dy * sin(poses[i, 2]))
    weight = JERK_PENALTY / (DT * DT)
    for i in range(count - 3):
        diagonal[i] += weight
        diagonal[i + 1] += weight
        first[i] -= weight
    if count >= 3:
        a, b, c = count - 3, count - 2, count - 1
        diagonal[a] += weight
        diagonal[b] += 4.0 * weight
        diagonal[c] += weight
        first[a] -= 2.0 * weight
        first[b] -= 2.0 * weight
        second[a] += weight
    _solve_pentadiagonal(diagonal, first, second, speed)
    return speed


@njit(cache=True)
def curvature_profile(
    poses: Float[np.ndarray, "t 3"], speed: Float[np.ndarray, " t-1"]
) -> Float[np.ndarray, " t-1"]:
    """Fit the curvatures [1/m] of a proposal to its heading changes, given its speeds.

    Minimises sum_i (dh_i - dt v_i k_i)^2 + 1e-10 k_0^2 + 1e-2 sum_i ((k_{i+1}-k_i)/dt)^2.
    """
    count = speed.shape[0]
    link = CURVATURE_RATE_PENALTY / (DT * DT)
    excess = np.empty(count)  # diagonal minus the links: never negative, so nothing cancels
    curvature = np.empty(count)
    for i in range(count):
        turn = wrapped(poses[i + 1, 2] - poses[i, 2])
        reach = speed[i] * DT
        excess[i] = reach * reach
        curvature[i] = reach * turn
    excess[0] += INITIAL_CURVATURE_PENALTY
    for i in range(count - 1):
        share = link / (excess[i] + link)
        excess[i + 1] += excess[i] * share
        curvature[i + 1] += curvature[i] * share
    curvature[count - 1] /= excess[count - 1]
    for i in range(count - 2, -1, -1):
        curvature[i] = (curvature[i] + link * curvature[i + 1]) / (excess[i] + link)
    return curvature


@njit(cache=True)
def _steering_rate_command(
    lateral: float,
    heading: float,
    steering: float,
    velocity: float,
    acceleration: float,
    curvature: Float[np.ndarray, " t-1"],
    step: int,
    last: int,
    wheel_base: float,
) -> float:
    """LQR of the lateral error over the horizon, one constant steering rate."""
    e0, e1, e2 = lateral, heading, steering
    b0, b1, b2 = 0.0, 0.0, 0.0
    profile = velocity
    for k in range(HORIZON):
        reach = profile * DT
        window = min(step + k, last)
        e0 = e0 + reach * e1
        e1 = e1 + reach / wheel_base * e2 - reach * curvature[window]
        b0 = b0 + reach * b1
        b1 = b1 + reach / wheel_base * b2
        b2 = b2 + DT
        profile += acceleration * DT
    e1 = wrapped(e1)
    gain = Q_LATERAL_ERROR * b0 * b0 + Q_HEADING_ERROR * b1 * b1 + R_LATERAL
    return -(Q_LATERAL_ERROR * b0 * e0 + Q_HEADING_ERROR * b1 * e1) / gain


@njit(cache=True)
def _bicycle_step(
    state: Float[np.ndarray, "11"],
    acceleration: float,
    steering_rate: float,
    wheel_base: float,
    out: Float[np.ndarray, "11"],
) -> None:
    """One Euler step with low-pass actuators; all right-hand sides are values before the step."""
    new_acceleration = state[5] + ACCELERATION_LAG * (acceleration - state[5])
    new_rate = STEERING_LAG * steering_rate
    x, y, yaw, speed, steering = state[0], state[1], state[2], state[3], state[7]
    out[0] = x + speed * cos(yaw) * DT
    out[1] = y + speed * sin(yaw) * DT
    turned = yaw + speed * tan(steering) / wheel_base * DT
    out[2] = (turned + pi) % (2.0 * pi) - pi
    out[3] = speed + new_acceleration * DT
    out[4] = 0.0
    out[5] = new_acceleration
    out[6] = 0.0
    out[7] = min(max(steering + new_rate * DT, -MAX_STEERING), MAX_STEERING)
    out[8] = new_rate
    out[9] = out[3] * tan(out[7]) / wheel_base
    out[10] = (out[9] - state[9]) / DT


@njit(cache=True)
def _command(
    poses: Float[np.ndarray, "t 3"],
    state: Float[np.ndarray, "11"],
    speed: Float[np.ndarray, " t-1"],
    curvature: Float[np.ndarray, " t-1"],
    step: int,
    steps: int,
    wheel_base: float,
) -> tuple[float, float]:
    """Acceleration and steering rate of one step, by two decoupled LQRs."""
    velocity = state[3]
    last = min(step + HORIZON, steps - 1)
    target = speed[last]
    if target <= STOPPING_VELOCITY and velocity <= STOPPING_VELOCITY:
        return -STOPPING_GAIN * (velocity - target), 0.0
    reach = HORIZON * DT
    acceleration = -(reach * Q_LONGITUDINAL * (velocity - target)) / (
        reach * Q_LONGITUDINAL * reach + R_LONGITUDINAL
    )
    sin_ref, cos_ref = sin(poses[step, 2]), cos(poses[step, 2])
    lateral = -(state[0] - poses[step, 0]) * sin_ref + (state[1] - poses[step, 1]) * cos_ref
    rate = _steering_rate_command(
        lateral,
        wrapped(state[2] - poses[step, 2]),
        state[7],
        velocity,
        acceleration,
        curvature,
        step,
        last,
        wheel_base,
    )
    return acceleration, rate


@njit(cache=True)
def _track(
    poses: Float[np.ndarray, "t 3"],
    initial: Float[np.ndarray, "11"],
    wheel_base: float,
    states: Float[np.ndarray, "t 11"],
) -> None:
    speed = velocity_profile(poses)
    curvature = curvature_profile(poses, speed)
    fill_row(states[0], initial)
    steps = poses.shape[0] - 1
    for i in range(steps):
        acceleration, rate = _command(poses, states[i], speed, curvature, i, steps, wheel_base)
        _bicycle_step(states[i], acceleration, rate, wheel_base, states[i + 1])


@njit(cache=True)
def first_commands(
    proposals: Float[np.ndarray, "b t 3"],
    initial: Float[np.ndarray, "b 11"],
    wheel_base: Float[np.ndarray, " b"],
) -> Float[np.ndarray, "b 2"]:
    """What the tracker commands in the first step: acceleration [m/s^2], steering rate [rad/s].

    A closed loop tracks the first 0.1 s of every new plan; each proposal has its own initial state
    and vehicle.
    """
    commands = np.empty((proposals.shape[0], 2))
    steps = proposals.shape[1] - 1
    for b in range(proposals.shape[0]):
        speed = velocity_profile(proposals[b])
        curvature = curvature_profile(proposals[b], speed)
        commands[b, 0], commands[b, 1] = _command(
            proposals[b], initial[b], speed, curvature, 0, steps, wheel_base[b]
        )
    return commands


@njit(cache=True)
def track_proposals(
    proposals: Float[np.ndarray, "b t 3"], initial: Float[np.ndarray, "11"], wheel_base: float
) -> Float[np.ndarray, "b t 11"]:
    """Simulate each proposal from the same initial state; state 0 is that state.

    Columns: x, y, yaw, vx, vy, ax, ay, steering, steering rate, yaw rate, yaw acceleration.
    """
    count, steps = proposals.shape[0], proposals.shape[1]
    states = np.empty((count, steps, 11))
    for b in range(count):
        _track(proposals[b], initial, wheel_base, states[b])
    return states
