"""Gradients of the compiled renderer: golden cases, the definition, by hand, threads."""

import math

import golden_splats as golden
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from drivelab.kernels.splat import Cameras, Gaussians, Settings, Trace, cuda, render  # noqa: E402

pytestmark = pytest.mark.nn
FIELDS = (*golden.FIELDS, "viewmats")


def found_gradients(fields, cameras, weights, how, backend="numba", dtype=torch.float32):
    """Gradients of the pictures' sum by weights (rgb, depth, alpha), and that sum."""
    tensors = [torch.tensor(np.asarray(field)).to(dtype).requires_grad_() for field in fields]
    views = torch.tensor(np.asarray(cameras.views)).double().requires_grad_()
    seen = Cameras(views, cameras.intrinsics, cameras.width, cameras.height, cameras.model)
    found = render(Gaussians(*tensors), seen, settings=how, backend=backend)
    pictures = (found.rgb, found.depth_sum, found.alpha)
    loss = sum((x.double() * torch.tensor(w)).sum() for x, w in zip(pictures, weights, strict=True))
    gradients = torch.autograd.grad(loss, [*tensors, views])
    return [gradient.double().numpy() for gradient in gradients], float(loss.detach())


def weights_of(cameras, seed=0):
    rng = np.random.default_rng(seed)
    size = (len(cameras), cameras.height, cameras.width)
    return rng.normal(size=(*size, 3)), 0.1 * rng.normal(size=size), rng.normal(size=size)


def assert_near(found, wanted, most=1e-3):
    """Every tensor within some part of its own largest entry."""
    for one, two, name in zip(found, wanted, FIELDS, strict=True):
        assert np.abs(one - two).max(initial=0) <= most * np.abs(two).max(initial=0), name


@pytest.mark.parametrize("name", golden.GRADIENTS)
def test_golden_gradients(name):
    case = golden.load(name)
    weights = [case[f"w_{part}"].astype(float) for part in ("rgb", "depth_sum", "alpha")]
    fields = [case[field] for field in golden.FIELDS]
    found, loss = found_gradients(
        fields, golden.cameras_of(case), weights, golden.settings_of(case)
    )
    assert loss == pytest.approx(float(case["loss"]), abs=1e-4)
    assert_near(found, [case[f"grad_{field}"] for field in FIELDS], 1e-5)


@pytest.mark.parametrize(
    "name", ["edge", "eps2d", "fisheye", "near_far", "ortho", "radius_clip", "saturate", "ties"]
)
def test_gradients_are_those_of_the_definition(name):
    case = golden.load(name)
    fields, cameras = [case[field] for field in golden.FIELDS], golden.cameras_of(case)
    weights, how = weights_of(cameras), golden.settings_of(case)
    found, _ = found_gradients(fields, cameras, weights, how)
    wanted, _ = found_gradients(fields, cameras, weights, how, "ref", torch.float64)
    assert_near(found, wanted)


def random_scene(count, seed, degree=1, spread=1.0):
    rng = np.random.default_rng(seed)
    coefficients = (degree + 1) ** 2
    fields = (
        rng.normal((0, 0, 5), (2, 1.5, 1), (count, 3)), rng.normal(size=(count, 4)),
        spread * np.exp(rng.normal(-1.5, 0.7, (count, 3))), rng.uniform(0.02, 1, count),
        rng.normal(0, 0.5, (count, coefficients, 3)),
    )  # fmt: skip
    return [np.ascontiguousarray(field, np.float32) for field in fields]


def one_camera(width=33, height=19, model="pinhole", focal=24.0):
    view = np.eye(4)
    view[:3, 3] = (0.1, -0.2, 0.3)
    lens = np.array([[focal, 0, width / 2 + 1], [0, focal * 1.1, height / 2 - 1], [0, 0, 1]])
    return Cameras(view[None], lens[None], width, height, model)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("pinhole", Settings(convention="inria", antialiased=True, background=(0.2, 0.5, 0.9))),
        ("fisheye", Settings(antialiased=True, alpha_max=0.99)),
        ("ortho", Settings(sh_degree=1)),
    ],
)
def test_lenses_and_settings_are_those_of_the_definition(model, how, degree):
    fields = random_scene(60, degree, degree)
    cameras = one_camera(model=model, focal=4.0 if model == "ortho" else 24.0)
    weights = weights_of(cameras)
    found, _ = found_gradients(fields, cameras, weights, how)
    wanted, _ = found_gradients(fields, cameras, weights, how, "ref", torch.float64)
    assert_near(found, wanted)


def test_poses_are_those_of_finite_differences():
    case = golden.load("grad_small")
    fields, cameras = [case[field] for field in golden.FIELDS], golden.cameras_of(case)
    weights = [case[f"w_{part}"].astype(float) for part in ("rgb", "depth_sum", "alpha")]
    found, _ = found_gradients(fields, cameras, weights, golden.settings_of(case))

    def loss(views):
        scene = Gaussians(*(np.asarray(field, float) for field in fields))
        seen = Cameras(views, cameras.intrinsics[:1], cameras.width, cameras.height)
        pictures = render(scene, seen, settings=golden.settings_of(case), backend="ref")
        parts = (pictures.rgb, pictures.depth_sum, pictures.alpha)
        return sum(float((x.numpy() * w[:1]).sum()) for x, w in zip(parts, weights, strict=True))

    step, largest = 1e-6, np.abs(found[-1]).max()
    for row in range(3):
        for column in range(4):
            up, down = (np.array(cameras.views[:1], float) for _ in range(2))
            up[0, row, column] += step
            down[0, row, column] -= step
            slope = (loss(up) - loss(down)) / (2 * step)
            assert abs(slope - found[-1][0, row, column]) < 1e-4 * largest


def ball(opacity=0.5):
    """A grey ball of 1 px, 2 m ahead, in the middle of a camera of 9 x 7 pixels; and the camera."""
    fields = (
        np.array([[0, 0, 2.0]]), np.array([[1.0, 0, 0, 0]]), np.full((1, 3), 0.1),
        np.array([opacity]), np.zeros((1, 1, 3)),
    )  # fmt: skip
    lens = np.array([[[20.0, 0, 4.5], [0, 20, 3.5], [0, 0, 1]]])
    return fields, Cameras(np.eye(4)[None], lens, 9, 7)


def test_one_ball_by_hand():
    # Of a pixel to the right: alpha = o e^(-s) with s = 0.5 / 1.3, colour 0.5, depth 2.
    fields, cameras = ball()
    weights = [np.zeros((1, 7, 9, 3)), np.zeros((1, 7, 9)), np.zeros((1, 7, 9))]
    weights[2][0, 3, 5] = 1.0
    found, _ = found_gradients(fields, cameras, weights, Settings())
    means, quats, scales, opacities, sh, views = found
    aside = math.exp(-0.5 / 1.3)
    assert opacities[0] == pytest.approx(aside, rel=1e-6)
    # u = 20 x / z, ds/du = -1 / 1.3; along z the variance 1 + 0.3 changes, too: -2 px^2 / 2 m
    assert means[0, 0] == pytest.approx(0.5 * aside * 10 / 1.3, rel=1e-6)
    assert means[0, 1] == pytest.approx(0, abs=1e-6)
    assert means[0, 2] == pytest.approx(0.5 * aside * 0.5 / 1.3**2 * -1.0, rel=1e-5)
    # the variance is (20 s / 2)^2 + 0.3
    assert scales[0, 0] == pytest.approx(0.5 * aside * 0.5 / 1.3**2 * 200 * 0.1, rel=1e-5)
    assert scales[0, 2] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(quats, 0, atol=1e-7)
    np.testing.assert_array_equal(sh, 0)
    np.testing.assert_allclose(views[0, :3, 3], means[0], rtol=1e-6, atol=1e-9)
    weights[2][0, 3, 5] = 0.0
    weights[0][0, 3, 5, 1] = 1.0
    weights[1][0, 3, 5] = 1.0
    found, _ = found_gradients(fields, cameras, weights, Settings())
    assert found[4][0, 0, 1] == pytest.approx(0.5 * aside * 0.28209479, rel=1e-6)
    assert found[4][0, 0, 0] == 0.0
    assert found[3][0] == pytest.approx(aside * (0.5 + 2.0), rel=1e-6)


def test_what_is_held_at_the_most_has_no_gradient():
    fields, cameras = ball(1.0)
    weights = [np.zeros((1, 7, 9, 3)), np.zeros((1, 7, 9)), np.zeros((1, 7, 9))]
    weights[2][0, 3, 4] = 1.0
    found, _ = found_gradients(fields, cameras, weights, Settings())
    for gradient in found:
        np.testing.assert_array_equal(gradient, 0)
    weights[2][0, 3, 5] = 1.0
    found, _ = found_gradients(fields, cameras, weights, Settings())
    assert found[3][0] == pytest.approx(math.exp(-0.5 / 1.3), rel=1e-6)


def test_threads_change_no_bit(monkeypatch):
    fields = random_scene(30_000, 5, spread=0.05)
    cameras = one_camera(130, 70, focal=60.0)
    views, lenses = np.repeat(cameras.views, 2, 0), np.repeat(cameras.intrinsics, 2, 0)
    views[1, :3, 3] += 0.5
    cameras = Cameras(views, lenses, 130, 70)
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        found.append(found_gradients(fields, cameras, weights_of(cameras), Settings())[0])
    for others in found[1:]:
        for one, two in zip(found[0], others, strict=True):
            np.testing.assert_array_equal(one, two)
            assert np.abs(one).max() > 0


def test_many_cameras_add_up():
    fields = random_scene(200, 2)
    one = one_camera()
    many = Cameras(np.repeat(one.views, 4, 0), np.repeat(one.intrinsics, 4, 0), 33, 19)
    weights = weights_of(one)
    single, _ = found_gradients(fields, one, weights, Settings())
    several, _ = found_gradients(fields, many, [np.repeat(w, 4, 0) for w in weights], Settings())
    assert_near(several, [*(4 * part for part in single[:5]), np.repeat(single[5], 4, 0)], 1e-5)


@given(seed=st.integers(0, 10_000), antialiased=st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_changes_no_picture_has_no_gradient(seed, antialiased):
    """The length of a quaternion, and moving scene and camera together."""
    fields, cameras = random_scene(25, seed, 2), one_camera()
    found, _ = found_gradients(
        fields, cameras, weights_of(cameras, seed), Settings(antialiased=antialiased)
    )
    means, quats, _, _, _, views = found
    along = (quats * fields[1]).sum(1)
    assert np.abs(along).max() <= 1e-5 * (1e-6 + np.abs(quats).max())
    together = means.sum(0) - views[0, :3, 3] @ cameras.views[0, :3, :3]
    assert np.abs(together).max() <= 1e-4 * (1e-6 + np.abs(means).sum(0).max())


@pytest.mark.parametrize("modes", [("alpha",), ("depth", "labels"), ("rgb", "labels")])
def test_only_what_was_drawn_has_gradients(modes):
    fields, cameras = random_scene(30, 3), one_camera()
    tensors = [torch.tensor(field).requires_grad_() for field in fields]
    labels = np.ones(30, np.uint8)
    found = render(Gaussians(*tensors), cameras, modes=modes, labels=labels)
    part = found.rgb if "rgb" in modes else found.alpha
    part.sum().backward()
    assert bool(tensors[3].grad.abs().max() > 0)
    assert bool(tensors[4].grad.abs().max() > 0) == ("rgb" in modes)
    assert found.labels is None or not found.labels.requires_grad


@pytest.mark.parametrize(("count", "cameras"), [(0, 1), (5, 0)])
def test_nothing_has_gradients_of_nothing(count, cameras):
    fields, one = random_scene(count, 1), one_camera()
    seen = Cameras(one.views[:cameras], one.intrinsics[:cameras], one.width, one.height)
    tensors = [torch.tensor(field).requires_grad_() for field in fields]
    render(Gaussians(*tensors), seen).rgb.sum().backward()
    for tensor in tensors:
        np.testing.assert_array_equal(tensor.grad, torch.zeros_like(tensor))


def test_gradients_come_as_what_they_belong_to():
    fields, cameras = random_scene(30, 3), one_camera()
    tensors = [torch.tensor(field).double() for field in fields]
    tensors[0].requires_grad_()
    render(Gaussians(*tensors), cameras, backend="numba").rgb.sum().backward()
    assert tensors[0].grad.dtype == torch.float64
    assert tensors[1].grad is None


def test_gradients_of_a_lens_are_left_to_the_definition():
    fields, cameras = random_scene(10, 3), one_camera()
    lens = torch.tensor(cameras.intrinsics).requires_grad_()
    seen = Cameras(cameras.views, lens, cameras.width, cameras.height)
    scene = Gaussians(*(torch.tensor(field) for field in fields))
    with pytest.raises(ValueError, match=r"intrinsics asks for a gradient.*backend='ref'"):
        render(scene, seen, backend="numba")
    render(scene, seen).alpha.sum().backward()
    assert bool(lens.grad.abs().max() > 0)


def test_what_was_drawn_must_not_change_before_its_gradient():
    fields, cameras = random_scene(10, 3), one_camera()
    tensors = [torch.tensor(field).requires_grad_() for field in fields]
    found = render(Gaussians(*tensors), cameras)
    with torch.no_grad():
        tensors[0].add_(1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        found.rgb.sum().backward()


def test_a_trace_has_the_gradients_of_places():
    fields, cameras = ball()
    tensors = [torch.tensor(field).requires_grad_() for field in fields]
    trace = Trace()
    found = render(Gaussians(*tensors), cameras, trace=trace, backend="numba")
    assert trace.pulls is None
    found.alpha[0, 3, 5].backward()
    # ds/du = 1 / 1.3, in half widths of 4.5 px
    assert float(trace.pulls[0]) == pytest.approx(4.5 * 0.5 * math.exp(-0.5 / 1.3) / 1.3, rel=1e-5)
    assert trace.drawn.tolist() == [1]


def test_a_trace_counts_the_pictures_on_which_a_gaussian_is():
    fields, one = random_scene(30, 3), one_camera()
    fields[0][:5, 2] = -5.0  # behind
    views, lenses = np.repeat(one.views, 2, 0), np.repeat(one.intrinsics, 2, 0)
    tensors = [torch.tensor(field).requires_grad_() for field in fields]
    trace = Trace()
    seen = render(Gaussians(*tensors), Cameras(views, lenses, 33, 19), trace=trace)
    seen.rgb.sum().backward()
    assert trace.drawn[:5].tolist() == [0] * 5
    assert set(trace.drawn[5:].tolist()) <= {0, 2}
    assert int(trace.drawn.max()) == 2
    np.testing.assert_array_equal(trace.pulls[trace.drawn == 0], 0)
    with pytest.raises(ValueError, match="fills no trace"):
        render(Gaussians(*tensors), one, trace=trace, backend="ref")


def test_a_trace_of_gsplat_is_by_gaussian():
    places = torch.zeros(3, 2, requires_grad=True)
    kept = torch.tensor([True, False, True, True])
    found = {"means2d": places * 1.0, "gaussian_ids": torch.tensor([0, 1, 1]), "width": 8,
             "height": 6}  # fmt: skip
    trace = Trace()
    cuda.fill_with_gradient(trace, found, kept)
    (found["means2d"] * torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, 2.0]])).sum().backward()
    assert trace.drawn.tolist() == [1, 0, 2, 0]
    np.testing.assert_allclose(trace.pulls, [math.hypot(12, 12), 0, 4 + 6, 0], rtol=1e-6)
