"""The compiled renderer: golden pictures without torch, threads, ties, odd sizes."""

import os
import subprocess
import sys
from pathlib import Path

import golden_splats as golden
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.kernels.splat import Cameras, Gaussians, compiled, render
from drivelab.kernels.splat.compiled import thread_count
from drivelab.kernels.splat.tiles import BINS, TILE, arrange, fill, places


@pytest.mark.parametrize("name", golden.NAMES)
def test_golden_pictures(name):
    case = golden.load(name)
    found = render(
        golden.gaussians_of(case), golden.cameras_of(case), settings=golden.settings_of(case)
    )
    # Alphas within rounding of a threshold may fall to its other side, on 1 pixel of 1000.
    brightest = max(1.0, float(case["colors"].max()))
    for ours, theirs, near, flip in (
        (found.rgb, "rgb", 1e-5, brightest / 255),
        (found.alpha, "alpha", 1e-5, 1 / 255),
        (found.depth_sum, "depth_sum", 1e-4 * max(1.0, case["depth_sum"].max()), None),
    ):
        off = np.abs(ours - case[theirs])
        assert (off > near).mean() <= 1e-3, theirs
        assert flip is None or off.max() <= flip, theirs


def test_golden_tiles():
    case = golden.load("tiles")
    u, r = case["means2d"].astype(float), case["radii"].astype(float)
    across, down, side = int(case["tile_width"]), int(case["tile_height"]), int(case["tile_size"])
    width, height = across * side, down * side
    low, high = np.floor(u - r), np.floor(u + r)
    seen = (r > 0).all(1) & (u + r > 0).all(1) & (u - r < [width, height]).all(1)
    edge = [width - 1, height - 1]
    first, last = (np.clip(x, 0, edge).astype(np.int64) // TILE for x in (low, high))
    spans = (last[:, 1] << 48) | (first[:, 1] << 32) | (last[:, 0] << 16) | first[:, 0]
    names = np.flatnonzero(seen)
    begins, members = lists_of(spans[seen], case["depths"][seen], across, across * down)
    members = names[members]
    theirs = case["isect_offsets"].ravel()
    for tile, begin in enumerate(theirs):
        end = theirs[tile + 1] if tile + 1 < len(theirs) else len(case["flatten_ids"])
        wanted = case["flatten_ids"][begin:end]
        # Boxes that end just on a border touch the tile behind it in ours, without a pixel of it.
        ours = members[begins[tile] : begins[tile + 1]]
        assert [n for n in ours if n in set(wanted)] == list(wanted)


def lists_of(spans, depths, across, tiles):
    """Where lists of tiles begin, and the places of their members by depth."""
    counts, begins = np.zeros((1, 1, tiles), np.int64), np.empty(tiles + 1, np.int64)
    for span in spans:
        left, right, top, bottom = (int(span) >> shift & 0xFFFF for shift in (0, 16, 32, 48))
        held = [y * across + x for y in range(top, bottom + 1) for x in range(left, right + 1)]
        counts[0, 0, held] += 1
    entries = np.empty(places(counts[0], begins), np.int64)
    first, last = np.array([[0]]), np.array([[len(spans)]])
    keys = np.ascontiguousarray(depths, np.float32)
    fill(np.zeros(1, np.int64), first, last, spans, keys, across, counts, entries)
    for tile in range(tiles):
        ordered(entries[begins[tile] : begins[tile + 1]])
    return begins, entries & 0xFFFFFFFF


def ordered(entries):
    arrange(entries, np.empty(len(entries), np.int64), np.empty(BINS, np.int32))


@given(
    depths=st.lists(st.floats(0.015625, 1e10, width=32), min_size=1, max_size=60),
    copies=st.sampled_from([1, 5, 200]),
)
@settings(max_examples=50, deadline=None)
def test_order_is_the_stable_one(depths, copies):
    keys = np.tile(np.array(depths, np.float32), copies)
    entries = keys.view(np.uint32).astype(np.int64) << 32 | np.arange(len(keys))
    ordered(entries)
    np.testing.assert_array_equal(entries & 0xFFFFFFFF, np.argsort(keys, kind="stable"))


@pytest.mark.parametrize("away", [0.0, 3e5])
def test_what_is_left_out_early_is_on_no_picture(monkeypatch, away):
    rng = np.random.default_rng(3)
    count = 20_011
    fields = (
        rng.normal((away, 0, 0), 4, (count, 3)), rng.normal(size=(count, 4)),
        np.exp(rng.normal(-3, 1.5, (count, 3))), rng.random(count), rng.normal(size=(count, 4, 3)),
    )  # fmt: skip
    scene = Gaussians(*(np.ascontiguousarray(field, np.float32) for field in fields))
    views = np.stack([np.eye(4), np.diag([-1.0, 1, -1, 1])])
    views[:, :3, 3] = -views[:, :3, :3] @ [away, 0.1, 0.2]
    lens = np.array([[[40.0, 0, 31], [0, 50, 20], [0, 0, 1]]] * 2)
    cameras = Cameras(views, lens, 70, 37)
    found = render(scene, cameras)
    whole = compiled.outlook
    monkeypatch.setattr(compiled, "outlook", lambda *given: whole(*given[:-1], True))
    every = render(scene, cameras)
    assert found.alpha.max() > 0.9
    np.testing.assert_array_equal(found.rgb, every.rgb)
    np.testing.assert_array_equal(found.depth_sum, every.depth_sum)


def test_cameras_change_no_bit_of_each_other():
    case = golden.load("street")
    scene, cameras = golden.gaussians_of(case), golden.cameras_of(case)
    one = render(scene, cameras).rgb
    # More of them than may be drawn at once
    views, lenses = (np.repeat(x, 5, axis=0) for x in (cameras.views, cameras.intrinsics))
    many = render(scene, Cameras(views, lenses, cameras.width, cameras.height, cameras.model)).rgb
    np.testing.assert_array_equal(many, np.repeat(one, 5, axis=0))


@pytest.mark.parametrize(
    ("counts", "groups"),
    [([], []), ([9, 9, 9], [(0, 1), (1, 2), (2, 3)]), ([5, 5, 5], [(0, 2), (2, 3)]),
     ([0, 0, 10, 0], [(0, 4)]), ([3, 9, 1], [(0, 1), (1, 3)])],
)  # fmt: skip
def test_cameras_that_are_drawn_at_once_need_no_more_rows_than_there_are(counts, groups):
    assert compiled._together(np.array(counts, np.int64), 10) == groups


def test_threads_change_no_bit(monkeypatch):
    case = golden.load("street")
    scene, cameras = golden.gaussians_of(case), golden.cameras_of(case)
    pictures = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        assert thread_count() == int(threads)
        pictures.append(render(scene, cameras).rgb)
    np.testing.assert_array_equal(*pictures)


def test_a_picture_leaves_numbas_own_limit_free():
    """A run sets one thread per worker; that must work after a picture was rendered."""
    script = """
import os
import numba
from drivelab.kernels.splat.compiled import thread_count
import golden_splats as golden
from drivelab.kernels.splat import render
case = golden.load("sh1")
render(golden.gaussians_of(case), golden.cameras_of(case))
os.environ["NUMBA_NUM_THREADS"] = str(thread_count() + 1)
print(numba.njit(lambda x: x + 1)(1))
"""
    support = Path(golden.__file__).parent
    variables = {k: v for k, v in os.environ.items() if k != "NUMBA_NUM_THREADS"}
    variables["PYTHONPATH"] = str(support)
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "2", done.stderr


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 15), (33, 3)])
def test_a_picture_is_a_part_of_a_larger_one(size):
    case = golden.load("sh1")
    scene = golden.gaussians_of(case)
    views, lenses = case["viewmats"], case["Ks"]
    whole = render(scene, Cameras(views, lenses, 96, 64, "ortho"))
    part = render(scene, Cameras(views, lenses, *size, "ortho"))
    np.testing.assert_array_equal(part.rgb, whole.rgb[:, : size[1], : size[0]])


def test_far_and_near_change_places_with_their_order():
    fields = {
        "means": np.array([[0.0, 0.0, 4.0], [0.0, 0.0, 2.0]], np.float32),
        "quats": np.array([[1.0, 0.0, 0.0, 0.0]] * 2, np.float32),
        "scales": np.full((2, 3), 0.5, np.float32),
        "opacities": np.array([0.9, 0.9], np.float32),
        "sh": np.zeros((2, 1, 3), np.float32),
    }
    fields["sh"][0, 0, 0] = fields["sh"][1, 0, 2] = 1.5  # red behind blue
    lens = np.array([[[20.0, 0.0, 4.5], [0.0, 20.0, 3.5], [0.0, 0.0, 1.0]]])
    seen = render(Gaussians(**fields), Cameras(np.eye(4)[None], lens, 9, 7))
    assert seen.rgb[0, 3, 4, 2] > 5 * (seen.rgb[0, 3, 4, 0] - 0.5 * seen.alpha[0, 3, 4])
    assert seen.depth[0, 3, 4] == pytest.approx((0.9 * 2 + 0.09 * 4) / 0.99, rel=1e-5)


def wall(distance, label, opacity=0.9):
    """A Gaussian as wide as a house, facing the camera."""
    return Gaussians(
        np.array([[0, 0, distance]], np.float32), np.array([[1, 0, 0, 0]], np.float32),
        np.array([[50, 50, 0.01]], np.float32), np.array([opacity], np.float32),
        np.zeros((1, 1, 3), np.float32),
    ), label  # fmt: skip


def stack(*walls):
    fields = (
        np.concatenate([getattr(one, name) for one, _ in walls])
        for name in ("means", "quats", "scales", "opacities", "sh")
    )
    return Gaussians(*fields), np.array([label for _, label in walls], np.uint8)


EYE = Cameras(np.eye(4)[None], np.array([[[30.0, 0, 10], [0, 30, 6], [0, 0, 1]]]), 20, 12)


@pytest.mark.parametrize(
    ("walls", "label"),
    [
        ([wall(5, 7), wall(9, 3)], 7),
        ([wall(9, 3), wall(5, 7, 0.3)], 3),  # 0.7 of the light passes the nearer one
        ([wall(5, 7, 0.3), wall(7, 2, 0.3), wall(9, 3, 0.3)], 2),  # 0.7, 0.49
        ([wall(5, 7, 0.4)], 0),
    ],
)
def test_the_label_is_of_the_one_that_takes_half_of_the_light(walls, label):
    scene, labels = stack(*walls)
    found = render(scene, EYE, modes=("labels",), labels=labels)
    assert found.rgb is None
    assert found.alpha is None
    assert found.depth_sum is None
    assert found.labels.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, np.full((1, 12, 20), label))


def test_modes_leave_the_other_pictures_as_they_are():
    case = golden.load("sh3")
    scene, cameras = golden.gaussians_of(case), golden.cameras_of(case)
    whole = render(scene, cameras)
    labels = np.arange(len(scene)).astype(np.uint8)
    parts = render(scene, cameras, modes=("depth", "labels"), labels=labels)
    np.testing.assert_array_equal(parts.depth, whole.depth)
    np.testing.assert_array_equal(parts.alpha, whole.alpha)
    both = render(scene, cameras, modes=("rgb", "labels"), labels=labels)
    np.testing.assert_array_equal(both.rgb, whole.rgb)
    np.testing.assert_array_equal(both.labels, parts.labels)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"modes": ("rgb", "depht")}, "depht"),
        ({"modes": ("labels",)}, "hand over"),
        ({"modes": ("labels",), "labels": np.zeros(3, np.uint8)}, r"\(3,\); expected \(1,\)"),
    ],
)
def test_modes_that_cannot_be_drawn_are_refused(asked, told):
    with pytest.raises(ValueError, match=told):
        render(wall(5, 7)[0], EYE, **asked)


def test_what_does_not_fit_into_memory_is_refused_with_the_number(monkeypatch):
    monkeypatch.setattr(compiled, "available_memory", lambda: 10_000_000)
    large = Cameras(EYE.views, EYE.intrinsics, 4096, 4096)
    told = r"1 Gaussians in 1 pictures of 4096 x 4096 px would take 352\.3 MB, 10\.0 MB are"
    with pytest.raises(MemoryError, match=told):
        render(wall(5, 7)[0], large)
    assert render(wall(5, 7)[0], EYE).rgb.shape == (1, 12, 20, 3)
