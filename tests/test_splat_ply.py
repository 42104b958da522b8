"""PLY files of trained Gaussians: golden files, order and types of properties, damage."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import golden_splats as golden
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.errors import DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats import memory
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.formats.ply import read_ply, write_ply

FORMATS = golden.ROOT / "formats"
OWN = Path(__file__).parent / "golden" / "gs" / "formats"  # what is damaged is always the same


def gaussians(count: int, rank: int = 1) -> Gaussians:
    draw = np.random.default_rng(count)
    return Gaussians(
        draw.normal(size=(count, 3)).astype(np.float32),
        draw.normal(size=(count, 4)).astype(np.float32),
        draw.random((count, 3)).astype(np.float32),
        draw.random(count).astype(np.float32),
        draw.normal(size=(count, rank, 3)).astype(np.float32),
    )


@pytest.mark.parametrize(("name", "rank"), [("inria", 16), ("inria_deg0", 1)])
def test_golden_ply(name, rank):
    found = read_ply(FORMATS / f"{name}.ply")
    with np.load(FORMATS / "source.npz") as source:
        np.testing.assert_array_equal(found.means, source["means"])
        np.testing.assert_array_equal(found.quats, source["quats"])
        scales, logits = source["scales"].astype(float), source["opacities"].astype(float)
        np.testing.assert_array_max_ulp(found.scales, np.exp(scales).astype(np.float32), 1)
        wanted = (1 / (1 + np.exp(-logits))).astype(np.float32)
        np.testing.assert_array_max_ulp(found.opacities, wanted, 1)
        assert found.sh.shape == (len(source["means"]), rank, 3)
        np.testing.assert_array_equal(found.sh[:, 0], source["sh0"])
        np.testing.assert_array_equal(found.sh[:, 1:], source["shN"][:, : rank - 1])


@pytest.mark.parametrize("rank", [1, 4, 9, 16])
def test_ply_comes_back(tmp_path, rank):
    wanted = gaussians(40, rank)
    write_ply(wanted, tmp_path / "a.ply")
    found = read_ply(tmp_path / "a.ply")
    for name in ("means", "quats", "sh"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_allclose(found.scales, wanted.scales, rtol=1e-6)
    np.testing.assert_allclose(found.opacities, wanted.opacities, atol=1e-6)
    loaded = load_scene(tmp_path / "a.ply")
    assert (loaded.name, loaded.convention, set(loaded.static.labels)) == ("a", "inria", {0})
    assert load_scene(tmp_path / "a.ply", convention="gsplat").convention == "gsplat"
    assert len(list(tmp_path.iterdir())) == 1


def test_ply_of_what_has_no_logarithm(tmp_path):
    flat = replace(
        gaussians(3),
        scales=np.zeros((3, 3), np.float32),
        opacities=np.array([0, 1, 0.5], np.float32),
    )
    write_ply(flat, tmp_path / "a.ply")
    found = read_ply(tmp_path / "a.ply")
    np.testing.assert_allclose(found.opacities, flat.opacities, atol=1e-6)
    np.testing.assert_allclose(found.scales, 0, atol=1e-11)


def test_ply_properties_in_any_order_and_type(tmp_path):
    """By name: here doubles, a byte between them, another element behind."""
    wanted = gaussians(4)
    names = ["rot_0", "rot_1", "rot_2", "rot_3", "scale_2", "scale_1", "scale_0", "opacity",
             "f_dc_2", "f_dc_1", "f_dc_0", "z", "y", "x"]  # fmt: skip
    rows = np.zeros(4, [("red", "u1"), *((name, "<f8") for name in names)])
    for n in range(4):
        rows[f"rot_{n}"] = wanted.quats[:, n]
    for n in range(3):
        rows[f"scale_{n}"] = np.log(wanted.scales[:, n].astype(float))
        rows[f"f_dc_{n}"] = wanted.sh[:, 0, n]
        rows["xyz"[n]] = wanted.means[:, n]
    lines = ["ply", "format binary_little_endian 1.0", "comment mine", "element vertex 4"]
    lines += ["property uchar red", *(f"property double {name}" for name in names)]
    lines += ["element camera 1", "property list uchar int which", "end_header", ""]
    (tmp_path / "a.ply").write_bytes("\n".join(lines).encode() + rows.tobytes() + b"\x01more")
    found = read_ply(tmp_path / "a.ply")
    np.testing.assert_array_equal(found.means, wanted.means)
    np.testing.assert_array_equal(found.quats, wanted.quats)
    np.testing.assert_allclose(found.scales, wanted.scales, rtol=1e-6)
    np.testing.assert_array_equal(found.sh, wanted.sh)


def ply(edit) -> bytes:
    raw = (OWN / "inria_deg0.ply").read_bytes()
    head, _, body = raw.partition(b"end_header\n")
    return edit(head, b"end_header\n" + body)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda head, body: b"", "does not begin with 'ply'"),
        (lambda head, body: head, "no end_header"),
        (lambda head, body: head + body[:-1], r"truncated or damaged"),
        (lambda head, body: head + body + b"x", r"truncated or damaged"),
        (lambda head, body: head.replace(b"binary_little", b"binary_big") + body, "binary PLY"),
        (lambda head, body: head.replace(b"binary_little_endian", b"ascii") + body, "binary PLY"),
        (lambda head, body: head.replace(b" 500", b" 999999999") + body,
         "names 999999999 x vertex"),
        (lambda head, body: head.replace(b" 500", b" " + b"9" * 400) + body,
         "a count below"),
        (lambda head, body: head.replace(b" 500", b" -5") + body, "a count below"),
        (lambda head, body: head.replace(b" 500", b" 0") + body, "a count above 0"),
        (lambda head, body: head.replace(b"rot_3", b"rat_3") + body, "no property rot_3"),
        (lambda head, body: head.replace(b"rot_3", b"rot_2") + body, "property 'rot_2' twice"),
        (lambda head, body: head.replace(b"float rot_3", b"list uchar int rot_3") + body,
         "expected 'property TYPE NAME'"),
        (lambda head, body: head.replace(b"vertex", b"chunk") + body, "compressed PLY"),
        (lambda head, body: head.replace(b"opacity", b"opacity\nproperty float f_rest_0") + body,
         "1 properties f_rest_"),
        (lambda head, body: head + body[:11] + b"\x00\x00\xc0\x7f" + body[15:],
         r"x, y, z of Gaussian 0: 1 Gaussians are wrong"),
        (lambda head, body: head + body[:-16] + b"\x00" * 16, r"rot_\* of Gaussian 499"),
        (lambda head, body: head + body[:-20] + b"\x00\x00\x80\x7f" + body[-16:],
         r"scale_\* of Gaussian 499"),
    ],
)  # fmt: skip
def test_damaged_ply(tmp_path, edit, message):
    file = tmp_path / "a.ply"
    file.write_bytes(ply(edit))
    with pytest.raises(DataError, match=message) as caught:
        read_ply(file)
    assert str(file) in str(caught.value)


@given(at=st.floats(0, 1), noise=st.binary(min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_no_damaged_header_is_met_by_another_error(tmp_path_factory, at, noise):
    file = tmp_path_factory.mktemp("damaged") / "a.ply"

    def edit(head, body):
        n = int(at * len(head))
        return head[:n] + noise + head[n + len(noise) :] + body

    file.write_bytes(ply(edit))
    with suppress(DataError):  # a changed comment is none
        read_ply(file)


def test_too_large_for_the_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    with pytest.raises(DataError, match=r"would take .* kB, 1\.0 kB are available"):
        read_ply(FORMATS / "inria.ply")
