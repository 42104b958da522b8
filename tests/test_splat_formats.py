"""Formats of Gaussians: the golden files as given, round trips, the one table of formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import golden_splats as golden
import numpy as np
import pytest
from foreign_splats import FIELDS, some_gaussians, write_old_sog, write_old_spz
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from drivelab.cli import main
from drivelab.errors import ConfigError, DataError
from drivelab.kernels.splat import Gaussians
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.formats.compressed_ply import read_compressed_ply, write_compressed_ply
from drivelab.sim.splats.formats.ply import read_ply, write_ply
from drivelab.sim.splats.formats.sog import read_sog
from drivelab.sim.splats.formats.splat import read_splat, write_splat
from drivelab.sim.splats.formats.spz import read_spz, write_spz
from drivelab.sim.splats.formats.table import BY_NAME, FORMATS, format_of, written_as

ROOT = golden.ROOT / "formats"
DECODED = {
    "packed.compressed.ply": read_compressed_ply, "v3.spz": read_spz, "v4.spz": read_spz,
    "scene.sog": read_sog,
}  # fmt: skip


def source() -> dict[str, np.ndarray]:
    with np.load(ROOT / "source.npz") as file:
        return dict(file)


def same_order(found: Gaussians, means: np.ndarray) -> Gaussians:
    """Gaussians in the order of the nearest given centres; each must be the nearest of one."""
    at = cKDTree(found.means).query(means)[1]
    assert len(set(at)) == len(means)
    return Gaussians(*(getattr(found, name)[at] for name in FIELDS))


def turns(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Angles between rotations [rad]."""
    one, two = (q / np.linalg.norm(q.astype(float), axis=1, keepdims=True) for q in (one, two))
    return 2.0 * np.arccos(np.clip(np.abs((one * two).sum(1)), 0.0, 1.0))


@pytest.mark.parametrize("name", DECODED)
def test_golden_decoded(name):
    """Numbers as an independent reader makes them; its logits end where its clamp does."""
    found = DECODED[name](ROOT / name)
    with np.load(ROOT / f"{name.split('.')[0].replace('scene', 'sog')}.decoded.npz") as wanted:
        np.testing.assert_allclose(found.means, wanted["means"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.quats, wanted["quats"], atol=1e-6)
        np.testing.assert_allclose(np.log(found.scales), wanted["scales"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.sh[:, 0], wanted["sh0"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.sh[:, 1:], wanted["shN"], rtol=1e-6, atol=1e-6)
        logits = wanted["opacities"].astype(float)
        within = found.opacities < 1.0
        np.testing.assert_allclose(
            found.opacities[within], 1 / (1 + np.exp(-logits[within])), atol=1e-6
        )
        assert (logits[~within] >= 10.0).all()


def test_golden_splat():
    found, wanted = read_splat(ROOT / "scene.splat"), source()
    np.testing.assert_array_equal(found.means, wanted["means"])
    scales = np.exp(wanted["scales"].astype(float)).astype(np.float32)
    np.testing.assert_allclose(found.scales, scales, rtol=1e-6)
    assert np.abs(found.quats - wanted["quats"]).max() <= 1 / 128
    opacities = 1 / (1 + np.exp(-wanted["opacities"].astype(float)))
    assert np.abs(found.opacities - opacities).max() <= 1 / 255
    seen = np.clip(0.5 + golden_c0() * wanted["sh0"], 0, 1)
    assert np.abs(0.5 + golden_c0() * found.sh[:, 0] - seen).max() <= 1 / 255 + 1e-6


def golden_c0() -> float:
    return 0.28209479177387814


def test_spz_is_written_as_another_writer_does(tmp_path):
    """The bytes within the gzip of the golden file come out of its source."""
    import gzip

    write_spz(read_ply(ROOT / "inria.ply"), tmp_path / "a.spz")
    ours, theirs = (gzip.decompress(file.read_bytes())
                    for file in (tmp_path / "a.spz", ROOT / "v3.spz"))  # fmt: skip
    assert ours == theirs


@pytest.mark.parametrize("name", ["packed.compressed.ply", "scene.splat"])
def test_written_from_the_source_within_the_steps_of_the_format(name, tmp_path):
    wanted = read_ply(ROOT / "inria.ply")
    written_as(name).write(wanted, tmp_path / name)
    found = same_order(format_of(tmp_path / name).read(tmp_path / name), wanted.means)
    theirs = same_order(format_of(ROOT / name).read(ROOT / name), wanted.means)
    # 10 bits of the whole extent are the coarsest that a chunk can have; `.splat` keeps floats.
    coarse = 0.0 if name.endswith(".splat") else 0.5 / 1023
    for ours, exact in ((found.means, wanted.means),
                        (np.log(found.scales), np.log(wanted.scales))):  # fmt: skip
        assert (np.abs(ours - exact).max(0) <= coarse * np.ptp(exact, axis=0) + 1e-6).all()
    assert np.abs(found.opacities - wanted.opacities).max() <= 0.5 / 255 + 1e-6
    assert turns(found.quats, wanted.quats).max() <= 2.0 * turns(theirs.quats, wanted.quats).max()


STEPS = {  # writer, reader, largest errors: means, log scales, opacities, angle, dc, rest
    "ply": (write_ply, read_ply, (0.0, 5e-7, 2e-7, 1e-3, 0.0, 0.0)),
    "compressed_ply": (write_compressed_ply, read_compressed_ply,
                       (0.02, 2.5e-3, 2e-3, 8e-3, 0.02, 1.6e-2)),
    "spz": (write_spz, read_spz, (1.3e-4, 1 / 32 + 1e-5, 2e-3, 8e-3, 0.0132, 1 / 256 + 1e-6)),
    "splat": (write_splat, read_splat, (0.0, 0.0, 2e-3, 0.02, None, None)),
}  # fmt: skip


@pytest.mark.parametrize("rank", [1, 4, 9, 16])
@pytest.mark.parametrize("count", [1, 2, 257, 700])
@pytest.mark.parametrize("name", STEPS)
def test_comes_back_within_the_steps_of_its_format(name, count, rank, tmp_path):
    write, read, (means, logs, opacities, angle, dc, rest) = STEPS[name]
    wanted = some_gaussians(count, rank)
    write(wanted, tmp_path / "a")
    found = same_order(read(tmp_path / "a"), wanted.means)
    assert np.abs(found.means - wanted.means).max() <= means
    assert np.abs(np.log(found.scales) - np.log(wanted.scales)).max() <= logs + 1e-7
    assert np.abs(found.opacities - wanted.opacities).max() <= opacities
    assert turns(found.quats, wanted.quats).max() <= angle
    if dc is None:  # one colour, as far as a picture can show it
        seen = np.clip(0.5 + golden_c0() * wanted.sh[:, :1], 0, 1)
        assert found.sh.shape == (count, 1, 3)
        assert np.abs(0.5 + golden_c0() * found.sh - seen).max() <= 0.5 / 255 + 1e-6
        return
    assert found.sh.shape == wanted.sh.shape
    assert np.abs(found.sh[:, 0] - wanted.sh[:, 0]).max() <= dc
    assert np.abs(found.sh[:, 1:] - np.clip(wanted.sh[:, 1:], -1, 1)).max(initial=0) <= rest or (
        name == "ply"
    )


@pytest.mark.parametrize("name", STEPS)
def test_a_second_time_changes_nothing(name, tmp_path):
    """What a format holds it holds for good, but for last bits of PLY's logs.

    Of `.splat` the rotations are brought to length 1 before they are rounded, once more.
    """
    write, read, _ = STEPS[name]
    write(some_gaussians(600), tmp_path / "a")
    once = read(tmp_path / "a")
    write(once, tmp_path / "b")
    twice = same_order(read(tmp_path / "b"), once.means)
    for field in FIELDS:
        ours, theirs = getattr(twice, field), getattr(once, field)
        if (name, field) == ("splat", "quats"):
            assert np.abs(ours - theirs).max() <= 1 / 128
            continue
        np.testing.assert_array_max_ulp(ours, theirs, 4 if name == "ply" else 1)


def test_spz_4_holds_what_3_does(tmp_path):
    wanted = some_gaussians(300, 9)
    write_spz(wanted, tmp_path / "3.spz")
    write_spz(wanted, tmp_path / "4.spz", version=4)
    assert (tmp_path / "4.spz").read_bytes()[:8] == b"NGSP\x04\0\0\0"
    three, four = read_spz(tmp_path / "3.spz"), read_spz(tmp_path / "4.spz")
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(three, field), getattr(four, field))
    with pytest.raises(ConfigError, match="version=2: SPZ is written as version 3 or 4"):
        write_spz(wanted, tmp_path / "2.spz", version=2)


@pytest.mark.parametrize(("farthest", "step"), [(2047.0, 2**-12), (2049.0, 2**-11), (8e6, 1.0)])
def test_spz_holds_what_is_far_more_coarsely(farthest, step, tmp_path):
    wanted = some_gaussians(50)
    means = wanted.means.copy()
    means[7] = [farthest, -farthest, 1.0]
    write_spz(replace(wanted, means=means), tmp_path / "a.spz")
    off = np.abs(read_spz(tmp_path / "a.spz").means - means)
    assert step / 8 < off.max() <= step / 2
    means[7] = 9e6
    with pytest.raises(DataError, match="a centre lies 9e\\+06 m from the origin"):
        write_spz(replace(wanted, means=means), tmp_path / "a.spz")


def test_spz_1_and_2(tmp_path):
    draw = np.random.default_rng(1)
    codes = {"alphas": draw.integers(0, 256, 40, dtype=np.uint8),
             "colours": draw.integers(0, 256, (40, 3), dtype=np.uint8),
             "scales": draw.integers(0, 256, (40, 3), dtype=np.uint8),
             "rotations": draw.integers(90, 166, (40, 3), dtype=np.uint8),
             "sh": draw.integers(0, 256, (40, 8, 3), dtype=np.uint8)}  # fmt: skip
    halves = draw.normal(size=(40, 3)).astype("<f2")
    fixed = draw.integers(-(1 << 23), 1 << 23, (40, 3))
    low = fixed.astype("<i4")[..., None].view(np.uint8).reshape(40, 3, 4)[..., :3]
    write_old_spz(tmp_path / "1.spz", 1, codes | {"positions": halves})
    write_old_spz(tmp_path / "2.spz", 2, codes | {"positions": np.ascontiguousarray(low)}, bits=10)
    one, two = read_spz(tmp_path / "1.spz"), read_spz(tmp_path / "2.spz")
    np.testing.assert_array_equal(one.means, halves.astype(np.float32))
    np.testing.assert_array_equal(two.means, (fixed / 1024).astype(np.float32))
    xyz = codes["rotations"] / 127.5 - 1
    np.testing.assert_allclose(two.quats[:, 1:], xyz, atol=1e-6)
    np.testing.assert_allclose(two.quats[:, 0] ** 2, 1 - (xyz**2).sum(1), atol=1e-6)
    np.testing.assert_allclose(np.log(one.scales), codes["scales"] / 16 - 10.0, atol=1e-5)
    np.testing.assert_allclose(one.opacities, codes["alphas"] / 255, atol=1e-7)
    np.testing.assert_allclose(one.sh[:, 1:], codes["sh"] / 128 - 1.0)
    np.testing.assert_allclose(one.sh[:, 0] * 0.15, codes["colours"] / 255 - 0.5, atol=1e-6)


@pytest.mark.parametrize("folder", [False, True])
def test_sog_without_a_version(tmp_path, folder):
    place = tmp_path / ("scene" if folder else "scene.sog")
    wanted = write_old_sog(place, 30, folder=folder)
    found = load_scene(place).static.gaussians
    np.testing.assert_allclose(found.means, wanted["means"], rtol=1e-5)
    np.testing.assert_allclose(np.log(found.scales), wanted["logs"], atol=1e-5)
    np.testing.assert_allclose(found.sh[:, 0], wanted["dc"], atol=1e-6)
    np.testing.assert_allclose(found.sh[:, 1:], wanted["rest"], atol=1e-6)
    np.testing.assert_allclose(found.opacities, 1 / (1 + np.exp(-wanted["logits"])), atol=1e-6)
    if folder:
        assert load_scene(place).name == load_scene(place / "meta.json").name == "scene"


def test_old_compressed_ply_without_bounds_of_colours(tmp_path):
    """Files of before 2024 hold colours in 0..1."""
    write_compressed_ply(some_gaussians(3, 1), tmp_path / "new.ply")
    head, _, body = (tmp_path / "new.ply").read_bytes().partition(b"end_header\n")
    for line in (b"min_r", b"min_g", b"min_b", b"max_r", b"max_g", b"max_b"):
        head = head.replace(b"property float " + line + b"\n", b"")
    (tmp_path / "old.ply").write_bytes(head + b"end_header\n" + body[:48] + body[72:])
    words = np.frombuffer(body[72:], "<u4").reshape(3, 4)[:, 3]
    found = read_compressed_ply(tmp_path / "old.ply")
    for n, shift in enumerate((24, 16, 8)):
        seen = 0.5 + golden_c0() * found.sh[:, 0, n]
        np.testing.assert_allclose(seen, ((words >> shift) & 255) / 255, atol=1e-6)


@given(
    count=st.integers(1, 40), seed=st.integers(0, 1000), rank=st.sampled_from([1, 4, 16]),
    spread=st.sampled_from([1e-6, 1.0, 1e3]), name=st.sampled_from(sorted(STEPS)),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_any_gaussians_come_back_finite_and_in_bounds(
    tmp_path_factory, count, seed, rank, spread, name
):
    """Also what has no logarithm, many in one place, rotations of any length."""
    wanted = some_gaussians(count, rank, seed=seed, spread=spread)
    scales, quats, opacities = wanted.scales.copy(), 37.0 * wanted.quats, wanted.opacities.copy()
    scales[0], opacities[0], opacities[-1] = 0.0, 0.0, 1.0
    wanted = replace(wanted, scales=scales, quats=quats, opacities=opacities)
    file = tmp_path_factory.mktemp("any") / "a"
    write, read, _ = STEPS[name]
    write(wanted, file)
    found = read(file)
    assert len(found) == count
    for field in FIELDS:
        assert np.isfinite(getattr(found, field)).all()
    assert found.opacities.min() >= 0
    assert found.opacities.max() <= 1
    assert (found.scales >= 0).all()
    assert np.abs(found.means.mean(0) - wanted.means.mean(0)).max() <= 1e-3 * max(spread, 1.0)
    assert not list(file.parent.glob(".*"))


def test_convert_round_trips_every_format_that_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = [f"a{found.endings[0]}" for found in FORMATS if found.writer]
    first = str(ROOT / "inria.ply")
    for name in names:
        assert main(["splat", "convert", first, name]) == 0
        assert main(["splat", "convert", name, f"back-{name}.ply"]) == 0
        assert main(["splat", "info", name]) == 0
    said = capsys.readouterr().out
    wanted = read_ply(first)
    for name in names:
        found = same_order(read_ply(f"back-{name}.ply"), wanted.means)
        assert np.abs(found.means - wanted.means).max() < 0.02
        assert np.abs(found.opacities - wanted.opacities).max() < 5e-3
        kind = format_of(name)
        assert f"format      {kind.title}; written too" in said
        if not kind.whole:
            assert f"rounded or lost in {kind.name}: {kind.loses}" in said
    assert main(["splat", "convert", first, "b.spz", "version=4"]) == 0
    assert Path("b.spz").read_bytes()[:4] == b"NGSP"
    for name in ("v4.spz", "scene.sog"):
        assert main(["splat", "convert", str(ROOT / name), f"{name}.ply"]) == 0
        assert len(read_ply(f"{name}.ply")) == len(load_scene(ROOT / name).static)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{ply}", "a.sog"], "expected a name that ends in .splats.safetensors, .compressed.ply"),
        (["{ply}", "a.pth"], "SOG and checkpoints are only read"),
        (["{ply}", ".ply"], "OUT=.ply: expected a name"),
        (["{ply}", "a.spz", "version=5"], "version=5: expected 3 (gzip) or 4 (zstd)"),
        (["{ply}", "a.ply", "version=3"], "version= is for OUT.spz; ply has one version"),
        (["{ply}", "a.splats.safetensors", "time=1"], "time= picks a moment for Gaussians alone"),
        (["none.spz", "a.ply"], "none.spz: no such file; expected Gaussians: .splats.safetensors"),
        (["{folder}", "a.ply"], "is a folder without a meta.json (SOG) and without a scene.pth"),
        (["{readme}", "a.ply"], "ends in '.md'; expected one of .splats.safetensors"),
    ],
)  # fmt: skip
def test_convert_refuses(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"ply": ROOT / "inria.ply", "folder": ROOT, "readme": golden.ROOT / "README.md"}
    assert main(["splat", "convert", *(word.format(**names) for word in words)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_table_names_functions_that_are_there():
    assert len(BY_NAME) == len(FORMATS)
    from drivelab.sim.splats.formats import table

    for found in FORMATS:
        for name in (found.reader, found.writer):
            assert name is None or callable(table._function(name))


def test_the_card_tells_of_every_format():
    card = Path(__file__).parents[1] / "docs" / "splat_formats.md"
    text = card.read_text()
    for found in FORMATS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{found.name}` |"))
        for fact in (found.title, found.loses, found.checked):
            assert fact in row
        assert row.count("yes") == (found.reader is not None) + (found.writer is not None)
