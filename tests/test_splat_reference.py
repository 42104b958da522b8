"""The definition of Gaussian splatting against golden pictures and gradients, and by hand."""

import math

import golden_splats as golden
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from drivelab.kernels.splat import Cameras, Gaussians, Settings, cuda, ref, render  # noqa: E402
from drivelab.kernels.splat.harmonics import basis  # noqa: E402
from drivelab.kernels.splat.modes import Modes  # noqa: E402

pytestmark = pytest.mark.nn


@pytest.mark.parametrize("name", golden.NAMES)
def test_golden_pictures(name):
    case = golden.load(name)
    found = render(
        golden.gaussians_of(case), golden.cameras_of(case), settings=golden.settings_of(case),
        backend="ref",
    )  # fmt: skip
    assert np.abs(found.rgb.numpy() - case["rgb"]).max() < 2e-6
    assert np.abs(found.alpha.numpy() - case["alpha"]).max() < 2e-6
    np.testing.assert_allclose(found.depth_sum.numpy(), case["depth_sum"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.depth.numpy(), case["depth_expected"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", golden.NAMES)
def test_golden_places_on_the_image(name):
    case = golden.load(name)
    gaussians, cameras = golden.gaussians_of(case), golden.cameras_of(case)
    for camera in range(len(cameras)):
        splats = ref.project(gaussians, cameras, camera, golden.settings_of(case))
        seen = case["visible"][camera]
        np.testing.assert_array_equal(splats.visible.numpy(), seen)
        np.testing.assert_array_equal(splats.radii.numpy()[seen], case["radii"][camera][seen])
        for ours, theirs in (
            (splats.centres, "means2d"), (splats.conics, "conics"), (splats.depths, "depths"),
            (splats.colours, "colors"),
        ):  # fmt: skip
            np.testing.assert_allclose(
                ours.numpy()[seen], case[theirs][camera][seen], rtol=1e-5, atol=1e-5
            )


@pytest.mark.parametrize("name", golden.GRADIENTS)
def test_golden_gradients(name):
    case = golden.load(name)
    given = [torch.tensor(case[field]).double().requires_grad_() for field in golden.FIELDS]
    views = torch.tensor(case["viewmats"]).double().requires_grad_()
    cameras = golden.cameras_of(case)
    found = render(
        Gaussians(*given), Cameras(views, cameras.intrinsics, cameras.width, cameras.height),
        settings=golden.settings_of(case), backend="ref",
    )  # fmt: skip
    pairs = ((found.rgb, "w_rgb"), (found.depth_sum, "w_depth_sum"), (found.alpha, "w_alpha"))
    loss = sum((part * torch.tensor(case[weight])).sum() for part, weight in pairs)
    assert float(loss.detach()) == pytest.approx(float(case["loss"]), rel=1e-7)
    gradients = torch.autograd.grad(loss, [*given, views])
    for gradient, field in zip(gradients, (*golden.FIELDS, "viewmats"), strict=True):
        wanted = case[f"grad_{field}"]
        assert np.abs(gradient.numpy() - wanted).max() < 1e-6 * np.abs(wanted).max(), field


def test_golden_harmonics():
    case = golden.load("sh_basis")
    x, y, z = (case["dirs"] / np.linalg.norm(case["dirs"], axis=1, keepdims=True)).T
    for degree in range(4):
        values = np.stack(basis(x, y, z, degree), 1)
        count = (degree + 1) ** 2
        np.testing.assert_allclose(values, case["basis"][:, :count], atol=1e-14)
        coloured = np.einsum("nk,nkc->nc", values, case["coeffs"][:, :count])
        np.testing.assert_allclose(coloured, case[f"value_deg{degree}"], atol=1e-13)


def ball(**change):
    """One round Gaussian 2 m ahead, grey, in the middle of a camera of 9 x 7 pixels."""
    fields = {
        "means": np.array([[0.0, 0.0, 2.0]]),
        "quats": np.array([[1.0, 0.0, 0.0, 0.0]]),
        "scales": np.full((1, 3), 0.1),
        "opacities": np.array([0.5]),
        "sh": np.zeros((1, 1, 3)),
    }
    return Gaussians(**{**fields, **change})


def camera(model="pinhole", **change):
    intrinsic = np.array([[20.0, 0.0, 4.5], [0.0, 20.0, 3.5], [0.0, 0.0, 1.0]])
    fields = {"views": np.eye(4)[None], "intrinsics": intrinsic[None], "width": 9, "height": 7}
    return Cameras(**{**fields, "model": model, **change})


def test_one_ball_by_hand():
    # It is 20 * 0.1 / 2 = 1 px wide; 0.3 px^2 are added, so alpha one pixel aside is
    # 0.5 exp(-0.5 / 1.3). Its colour is 0.5, its depth 2.
    seen = render(ball(), camera(), backend="ref")
    aside = 0.5 * math.exp(-0.5 / 1.3)
    assert float(seen.alpha[0, 3, 4]) == pytest.approx(0.5)
    assert float(seen.alpha[0, 3, 5]) == pytest.approx(aside)
    assert float(seen.alpha[0, 2, 4]) == pytest.approx(aside)
    assert float(seen.rgb[0, 3, 5, 1]) == pytest.approx(0.5 * aside)
    assert float(seen.depth_sum[0, 3, 5]) == pytest.approx(2.0 * aside)
    assert float(seen.depth[0, 3, 5]) == pytest.approx(2.0)


def test_models_agree_on_the_axis():
    pinhole = render(ball(), camera(), backend="ref").alpha
    fisheye = render(ball(), camera("fisheye"), backend="ref").alpha
    flat = camera("ortho").intrinsics / [[2.0, 1.0, 1.0], [1.0, 2.0, 1.0], [1.0, 1.0, 1.0]]
    ortho = render(ball(), camera("ortho", intrinsics=flat), backend="ref").alpha
    assert float((fisheye - pinhole).abs().max()) < 1e-9
    assert float((ortho - pinhole).abs().max()) < 1e-9


def test_the_inria_clamp_is_about_the_axis():
    aside = ball(means=np.array([[1.6, 0.0, 2.0]]), scales=np.array([[0.05, 0.05, 0.9]]))
    off_centre = camera().intrinsics.copy()
    off_centre[0, 0, 2] += 4.0
    conics = {
        (name, shift): ref.project(
            aside, camera(intrinsics=intrinsics), 0, Settings(convention=name)
        ).conics
        for name in ("gsplat", "inria")
        for shift, intrinsics in ((0, camera().intrinsics), (4, off_centre))
    }
    assert torch.equal(conics["inria", 0], conics["inria", 4])
    assert not torch.allclose(conics["gsplat", 0], conics["gsplat", 4])
    # Both clamp x / z = 0.8: inria at 1.3 * 4.5 / 20 = 0.2925, gsplat at 0.225 + 0.0675, the same.
    torch.testing.assert_close(conics["inria", 0], conics["gsplat", 0])


@pytest.mark.parametrize("backend", ["ref", "numba"])
def test_an_empty_scene_is_the_background(backend):
    nothing = Gaussians(*(getattr(ball(), field)[:0] for field in golden.FIELDS))
    behind = Settings(background=(0.1, 0.2, 0.3))
    seen = render(nothing, camera(), settings=behind, backend=backend)
    assert seen.rgb.shape == (1, 7, 9, 3)
    np.testing.assert_allclose(np.asarray(seen.rgb)[0, 6, 8], [0.1, 0.2, 0.3], rtol=1e-6)
    assert not seen.alpha.any()
    nowhere = camera(views=np.zeros((0, 4, 4)), intrinsics=np.zeros((0, 3, 3)))
    none = render(ball(), nowhere, backend=backend)
    assert none.rgb.shape == (0, 7, 9, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scales": np.full((1, 3), -1.0)}, r"gaussians\.scales\[0, 0\].*not below 0"),
        ({"means": np.full((1, 3), np.nan)}, r"gaussians\.means\[0, 0\].*finite"),
        ({"quats": np.zeros((1, 4))}, r"gaussians\.quats\[0\].*length 0"),
        ({"opacities": np.array([1.5])}, r"gaussians\.opacities\[0\].*0\.\.1"),
        ({"sh": np.zeros((1, 2, 3))}, r"gaussians\.sh has the shape \(1, 2, 3\)"),
        (
            {"quats": np.zeros((2, 4))},
            r"gaussians\.quats has the shape \(2, 4\); expected \(1, 4\)",
        ),
    ],
)
def test_numbers_without_a_picture_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        render(ball(**change), camera())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"intrinsics": np.zeros((1, 3, 3))}, "focal length"),
        ({"intrinsics": np.zeros((2, 3, 3))}, r"cameras\.intrinsics has the shape"),
        ({"views": np.full((1, 4, 4), np.inf)}, "not finite"),
        ({"width": 0}, "0 x 7 px"),
        ({"model": "thin"}, "expected pinhole, fisheye, ortho"),
    ],
)
def test_cameras_that_cannot_be_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        render(ball(), camera(**change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"near": 0.0}, "0 < near < far"),
        ({"near": 2.0, "far": 1.0}, "0 < near < far"),
        ({"alpha_max": 1.0}, "alpha_max=1.0"),
        ({"sh_degree": 4}, "sh_degree=4"),
        ({"convention": "other"}, "gsplat or inria"),
        ({"blur": -1.0}, "expected 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Settings(**change)


def test_an_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="expected auto, ref, numba"):
        render(ball(), camera(), backend="cuda")


@pytest.mark.parametrize("name", ["sh3", "fisheye", "edge", "street"])
def test_labels_are_alike_in_both_backends(name):
    case = golden.load(name)
    scene, cameras = golden.gaussians_of(case), golden.cameras_of(case)
    labels = (np.arange(len(scene)) % 251).astype(np.uint8)
    asked = {"modes": ("labels",), "labels": labels, "settings": golden.settings_of(case)}
    one, two = (render(scene, cameras, backend=name, **asked) for name in ("ref", "numba"))
    off = one.labels.numpy() != two.labels
    assert off.mean() <= 1e-3  # light within rounding of a half


def test_what_gsplat_is_asked():
    """The arguments of its CUDA kernels; their pictures need a GPU (test_splat_gpu.py)."""
    case = golden.load("background")
    scene, cameras = golden.gaussians_of(case), golden.cameras_of(case)
    how = Settings(background=(0.1, 0.2, 0.3), prune_opacity=0.5, antialiased=True, sh_degree=1)
    asked = cuda.arguments(scene, cameras, how)
    kept = int((np.asarray(scene.opacities) >= 0.5).sum())
    assert 0 < kept < len(scene)
    assert asked["means"].shape == (kept, 3)
    assert asked["colors"].shape == (kept, 16, 3)
    assert asked["sh_degree"] == 1
    assert asked["rasterize_mode"] == "antialiased"
    wanted = [[0.1, 0.2, 0.3, 0.0]] * len(cameras)
    np.testing.assert_allclose(asked["backgrounds"].cpu(), wanted, rtol=1e-6)
    assert (asked["near_plane"], asked["eps2d"], asked["radius_clip"]) == (0.01, 0.3, 0.0)


@pytest.mark.parametrize(
    ("how", "told"),
    [(Settings(convention="inria"), "convention"), (Settings(alpha_max=0.5), "alpha_max=0.5")],
)
def test_what_gsplat_cannot_do_is_refused(how, told):
    case = golden.load("sh1")
    with pytest.raises(ValueError, match=told):
        cuda.render(golden.gaussians_of(case), golden.cameras_of(case), how, Modes(("rgb",)))
