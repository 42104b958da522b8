"""The arrays of the native world: roads of all maps of a bank, and the state of all environments.

Named tuples, because compiled functions take them as they are. Lengths: M maps, L lanes, P lane
vertices, S road segments, B border segments, C cells (all numbered through the whole bank); E
environments, N actor slots, W way vertices and G signal groups of an environment, K behaviours of
an actor, R lanes of a route, T frames of a log. Every map lies in a frame of its own, moved by the
map's origin, so that all coordinates are small. Slot 0 is the ego; poses are box centres. Numbers
are float64 and int32 unless said otherwise.

Compiled functions take the arrays they need out of these tuples once, before their loops (`x =
state.x`): `state.x[e, n]` within a loop counts references at every access, which made the checks
five times as slow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numba import njit, types

from drivelab.kernels.world.records import Record, define_record, struct_builder

DT = 0.1  # of a step [s]
CELL = 5.0  # width of a grid cell [m]
BORDER_REACH = 24.0  # a cell lists the border segments so near to its centre [m]
LANE_SLACK = 0.2  # a lane counts as under a point up to so far beyond its half width [m]
END_SLACK = 0.3  # ... and so far beyond its two ends [m]
VIEW = 200  # road segments that a cell lists for observations
VIEW_RADIUS = 54.0  # ... at most so far from its centre: 50 m from any point of the cell [m]
GAP_LIMIT = 10.0  # border gaps beyond this are not told apart [m]

# Columns of Roads.segment
SEGMENT_X, SEGMENT_Y, SEGMENT_HALF, SEGMENT_COS, SEGMENT_SIN, SEGMENT_WIDTH, SEGMENT_TYPE = range(7)
# Values of the type column
CENTRE_SEGMENT, BORDER_SEGMENT, CONNECTOR_SEGMENT = 0.0, 1.0, 2.0

# Roads.cell_inside
OUTSIDE, INSIDE = 0, 1

# State.mode
ABSENT, PARKED, POLICY, REPLAY, DRIVE, WALK = range(6)

# State.kind, as in types.KINDS
VEHICLE, PEDESTRIAN, BICYCLE = range(3)

# State.obeys bits
LIGHTS, SIGNS, YIELDS, CHANGES = 1, 2, 4, 8
EMERGENCY = 16  # on duty: others make room, lights and signs only slow it down
BLIND = 32  # does not see the ego, which a behaviour makes it meet

# State.light values
GREEN, YELLOW, RED = range(3)

# State.flags bits: what is true of an actor after a step
COLLISION = 1  # its box meets another actor's
OFF_ROAD = 2  # no part of its box is on drivable ground, or a corner is off it
KERB = 4  # its box meets the border of the drivable area
WRONG_WAY = 8  # its lane runs against it
RED_LIGHT = 16  # its front crossed a red stop line in this step
STOP_SIGN = 32  # it passed a stop sign in this step without having stopped
ROUTE_DONE = 64  # it has come to the end of its way
OFF_LANES = 128  # its centre is on no lane at all

# Roads.lane_control
NO_SIGN, STOP_SIGN_AHEAD, YIELD_SIGN_AHEAD = range(3)

# State.script_state
WAITING, RUNNING, DONE, IMPOSSIBLE = range(4)
VALUES = 6  # numbers a behaviour takes


class RoadsFields(NamedTuple):
    """Lanes, borders and grids of a bank of maps; shared by all environments, never written."""

    # lanes
    lane_first: Int[
        np.ndarray, " L+1"
    ]  # int32: vertices of lane l are lane_first[l]:lane_first[l + 1]
    lane_step: Float[np.ndarray, " L"]  # spacing of a lane's vertices, equal along the lane [m]
    lane_length: Float[np.ndarray, " L"]
    lane_width: Float[np.ndarray, " L"]  # mean [m]
    lane_limit: Float[np.ndarray, " L"]  # [m/s]
    lane_left: Int[np.ndarray, " L"]  # int32 neighbour of the same direction, -1 = none
    lane_right: Int[np.ndarray, " L"]
    lane_connector: Bool[np.ndarray, " L"]
    lane_group: Int[np.ndarray, " L"]  # int32 number of the signal group within its map, -1 = none
    lane_control: Int[np.ndarray, " L"]  # int8: sign at the END of this lane
    lane_map: Int[np.ndarray, " L"]  # int32 map it belongs to
    map_lane: Int[np.ndarray, " M+1"]  # lanes of map m are map_lane[m]:map_lane[m + 1]
    successor_first: Int[np.ndarray, " L+1"]
    successor: Int[np.ndarray, " s"]
    predecessor_first: Int[np.ndarray, " L+1"]
    predecessor: Int[np.ndarray, " s"]
    # where the strip of a connector meets another one's: [conflict_in, conflict_out] is the piece
    # of mine [m], [other_in, other_out] of the other's; rank 1: I wait, -1: it waits, 0: first come
    conflict_first: Int[np.ndarray, " L+1"]
    conflict_lane: Int[np.ndarray, " c"]
    conflict_in: Float[np.ndarray, " c"]
    conflict_out: Float[np.ndarray, " c"]
    conflict_other_in: Float[np.ndarray, " c"]
    conflict_other_out: Float[np.ndarray, " c"]
    conflict_rank: Int[np.ndarray, " c"]  # int8
    # lane vertices (centreline)
    x: Float[np.ndarray, " P"]
    y: Float[np.ndarray, " P"]
    yaw: Float[np.ndarray, " P"]  # unwrapped along each lane
    speed: Float[
        np.ndarray, " P"
    ]  # allowed by limit and bends, approached at comfortable braking [m/s]
    # the border of the drivable area, inside to the left of each segment
    border: Float[np.ndarray, "B 4"]  # from (x, y) to (x, y)
    map_border: Int[np.ndarray, " M+1"]  # those of map m are map_border[m]:map_border[m + 1]
    # road segments as they are observed
    segment: Float32[np.ndarray, "S 7"]
    # grid: cell of (x, y) in map m is cell_first[m] + iy * cells_x[m] + ix; the value in `cell_row`
    # is the row of the tables below or -1 for a cell with nothing near it
    grid_x: Float[np.ndarray, " M"]  # lower left corner [m]
    grid_y: Float[np.ndarray, " M"]
    cells_x: Int[np.ndarray, " M"]
    cells_y: Int[np.ndarray, " M"]
    cell_first: Int[np.ndarray, " M"]
    cell_row: Int[np.ndarray, " C"]  # int32
    cell_inside: Int[np.ndarray, " C"]  # int8: is the cell's centre drivable
    border_first: Int[np.ndarray, " rows+1"]  # border segments within BORDER_REACH, nearest first
    border_item: Int[np.ndarray, " b"]
    border_away: Float[np.ndarray, " b"]  # distance of each from the cell's centre [m]
    near_first: Int[np.ndarray, " rows+1"]  # lane pieces (vertex numbers) within reach of the cell
    near_item: Int[np.ndarray, " n"]
    near_lane: Int[np.ndarray, " n"]  # the lane of each
    view_item: Int[
        np.ndarray, "rows V"
    ]  # int32: the V road segments nearest to the cell, -1 = no more


class StateFields(NamedTuple):
    """Everything that changes, preallocated; float64 unless said otherwise."""

    # environments
    map: Int[np.ndarray, " E"]  # int32
    step: Int[np.ndarray, " E"]  # int32 steps since the start
    count: Int[np.ndarray, " E"]  # type: ignore[assignment]  # int32 used actor slots
    seed: Int[np.ndarray, " E"]  # int64
    # bodies
    mode: Int[np.ndarray, "E N"]  # int8
    kind: Int[np.ndarray, "E N"]  # int8 index into types.KINDS
    x: Float[np.ndarray, "E N"]  # box centre
    y: Float[np.ndarray, "E N"]
    yaw: Float[np.ndarray, "E N"]
    cos: Float[np.ndarray, "E N"]
    sin: Float[np.ndarray, "E N"]
    speed: Float[np.ndarray, "E N"]  # along the heading, negative backwards [m/s]
    acceleration: Float[np.ndarray, "E N"]
    steering: Float[np.ndarray, "E N"]  # policy-driven only [rad]
    side_speed: Float[np.ndarray, "E N"]  # of the rear axle to the left [m/s], dynamic bicycle only
    yaw_rate: Float[np.ndarray, "E N"]
    half_length: Float[np.ndarray, "E N"]
    half_width: Float[np.ndarray, "E N"]
    wheel_base: Float[np.ndarray, "E N"]
    rear: Float[np.ndarray, "E N"]  # from the rear axle forward to the box centre [m]
    # lanes: -1 = on none. For DRIVE the truth, for all others looked up in every step.
    lane: Int[np.ndarray, "E N"]  # int32
    lane_s: Float[np.ndarray, "E N"]  # along its centreline [m]
    lane_d: Float[np.ndarray, "E N"]  # to the left of it [m]
    # traffic (DRIVE)
    route: Int[np.ndarray, "E N R"]  # int32 lanes to come; -1 = none
    route_at: Int[np.ndarray, "E N"]  # int32 place of the present lane in the route
    obeys: Int[np.ndarray, "E N"]  # uint8 bits
    pace: Float[np.ndarray, "E N"]
    wish: Float[np.ndarray, "E N"]  # speed set by a behaviour, NaN = by lane and pace [m/s]
    push: Float[
        np.ndarray, "E N"
    ]  # acceleration in place of the free road's and without limit of jerk, while a behaviour
    # brakes or speeds up; leaders and lines may still ask for less; NaN = none [m/s^2]
    driver: Float[
        np.ndarray, "E N 6"
    ]  # min_gap, headway, acceleration, deceleration, exponent, braking_limit
    shift: Float[np.ndarray, "E N"]  # present lateral offset from the lane, to the left [m]
    shift_from: Float[np.ndarray, "E N"]  # it moves from here ...
    shift_to: Float[np.ndarray, "E N"]  # ... to here ...
    shift_time: Float[np.ndarray, "E N"]  # ... since so long [s] ...
    shift_over: Float[np.ndarray, "E N"]  # ... within so long [s]; 0 = at rest
    other_lane: Int[np.ndarray, "E N"]  # int32: the lane it is leaving while it changes, -1 = none
    waited: Float[np.ndarray, "E N"]  # time stood at a line or conflict [s]
    stopped_at: Int[np.ndarray, "E N"]  # int32: lane at whose sign it has come to a stop, -1 = none
    # where its front centre was when signs were last checked, POLICY only; NaN = never [m]
    front_x: Float[np.ndarray, "E N"]
    front_y: Float[np.ndarray, "E N"]
    # ways: free paths of WALK, route lines of POLICY; vertex k of actor n is way[e, way_first + k]
    way: Float[np.ndarray, "E W 4"]  # x, y, yaw, distance along it
    way_first: Int[np.ndarray, "E N"]  # int32
    way_count: Int[np.ndarray, "E N"]  # int32, 0 = none
    way_used: Int[np.ndarray, " E"]  # int32 vertices in use
    way_at: Float[np.ndarray, "E N"]  # progress along the way [m]
    way_off: Float[np.ndarray, "E N"]  # to the left of it [m], POLICY: of the rear axle
    way_heading: Float[np.ndarray, "E N"]  # heading relative to the way [rad]
    way_waits: Bool[np.ndarray, "E N"]
    way_gap: Bool[np.ndarray, "E N"]
    way_lands: Int[np.ndarray, "E N"]  # int32 lane it drives on along at the end, -1 = stands there
    backwards: Bool[np.ndarray, "E N"]  # drives its way in reverse
    # log replay: x, y, yaw, speed of slot n at frame t; NaN = absent
    log: Float[np.ndarray, "E T N 4"]
    log_frames: Int[np.ndarray, " E"]  # int32
    # lights
    light: Int[np.ndarray, "E G"]  # int8
    light_plan: Float[np.ndarray, "E G 4"]  # cycle, green, yellow, red
    light_log: Int[np.ndarray, "E T G"]  # int8, used where light_logged
    light_logged: Bool[np.ndarray, " E"]
    # scripted behaviours
    script: Int[np.ndarray, "E N K"]  # int8 number of the kind in BEHAVIOURS, -1 = none
    script_state: Int[np.ndarray, "E N K"]  # int8
    script_step: Int[np.ndarray, "E N K"]  # int32 step in which it began
    script_when: Float[
        np.ndarray, "E N K 8"
    ]  # time, gap, ttc, ego way distance, x, y, radius, after; NaN = not asked
    script_value: Float[np.ndarray, "E N K 6"]
    script_way: Int[np.ndarray, "E N K 2"]  # int32 first vertex and count of its path in `way`
    script_memory: Float[np.ndarray, "E N K 6"]  # what a running behaviour keeps in mind
    # what the last step found
    flags: Int[np.ndarray, "E N"]  # uint16 bits
    hit: Int[np.ndarray, "E N"]  # int32 slot of the nearest hit actor, -1 = none
    border_gap: Float[
        np.ndarray, "E N"
    ]  # signed distance of the box to the border, > 0 inside, at most 10 m


class RoadsType(types.StructRef):
    """Compiled type of `Roads`."""


class StateType(types.StructRef):
    """Compiled type of `State`."""


class Roads(Record, RoadsFields):
    """The tables of `RoadsFields`; compiled functions take them by reference."""


class State(Record, StateFields):
    """The arrays of `StateFields`; compiled functions take them by reference."""


_build_roads = struct_builder(RoadsType, Roads._fields)
_build_state = struct_builder(StateType, State._fields)


@njit(cache=True)
def _native_roads(fields):  # type: ignore[no-untyped-def]
    return _build_roads(fields)


@njit(cache=True)
def _native_state(fields):  # type: ignore[no-untyped-def]
    return _build_state(fields)


define_record(Roads, RoadsType, _native_roads)
define_record(State, StateType, _native_state)
