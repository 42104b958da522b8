"""Damaged, truncated and hostile files of Gaussians: refused, with the file and what to do."""

from __future__ import annotations

import gzip
import json
import os
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from foreign_splats import pack, some_gaussians, webp, write_old_spz
from hypothesis import given, settings
from hypothesis import strategies as st

from drivelab.errors import DataError
from drivelab.sim.splats import memory
from drivelab.sim.splats.files import load_scene
from drivelab.sim.splats.formats.spz import read_spz, write_spz
from drivelab.sim.splats.formats.table import FORMATS, format_of

ROOT = (
    Path(__file__).parent / "golden" / "gs" / "formats"
)  # what is damaged here is always the same
FILES = ("packed.compressed.ply", "v3.spz", "v4.spz", "scene.splat", "scene.sog", "inria_deg0.ply")


def refused(file: Path, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_scene(file)
    assert str(file) in str(caught.value)


@given(name=st.sampled_from(FILES), at=st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_no_file_is_read_that_ends_early(tmp_path_factory, name, at):
    raw = (ROOT / name).read_bytes()
    file = tmp_path_factory.mktemp("cut") / name
    file.write_bytes(raw[: int(at * (len(raw) - 1))])
    if name == "scene.splat" and file.stat().st_size % 32 == 0 and file.stat().st_size:
        assert len(load_scene(file).static) == file.stat().st_size // 32  # nothing tells its end
        return
    refused(file, ".")


@given(name=st.sampled_from(FILES), at=st.floats(0, 1), noise=st.binary(min_size=1, max_size=5))
@settings(max_examples=80, deadline=None)
def test_no_damage_is_met_by_another_error(tmp_path_factory, name, at, noise):
    raw = (ROOT / name).read_bytes()
    n = int(at * (len(raw) - 1))
    file = tmp_path_factory.mktemp("noise") / name
    file.write_bytes(raw[:n] + noise + raw[n + len(noise) :])
    with suppress(DataError):  # numbers may change within what is legal
        found = load_scene(file).static.gaussians
        assert np.isfinite(found.means).all()


@given(st.binary(max_size=300))
@settings(max_examples=15, deadline=None)
def test_no_noise_is_met_by_another_error(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("noise")
    for found in FORMATS:
        for ending in found.endings:
            if ending.startswith("."):
                (folder / f"a{ending}").write_bytes(noise)
                with suppress(DataError):
                    load_scene(folder / f"a{ending}")


def spz3(count: int, *, version: int = 3, degree: int = 0, bits: int = 12, flags: int = 0,
         body: bytes | None = None) -> bytes:  # fmt: skip
    head = struct.pack("<IIIBBBB", 0x5053474E, version, count, degree, bits, flags, 0)
    # without a time in it: workers that collect a second apart must name the same tests
    return gzip.compress(head + (bytes(20 * count) if body is None else body), mtime=0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (spz3(0), "holds no Gaussians"),
        (spz3(4, degree=4), "harmonics of degree 4; expected 0 to 3"),
        (spz3(4, bits=24), "24 bits behind the point"),
        (spz3(4, version=9), "is of version 9 in a container of version 1, 2, 3"),
        (spz3(4, body=bytes(79)), "95 bytes within its gzip; .* needs 96"),
        (spz3(4, body=bytes(81)), "more bytes within its gzip"),
        (gzip.compress(b"NGSP", mtime=0), "4 bytes within its gzip; expected a header of 16"),
        (gzip.compress(bytes(40), mtime=0), "its gzip does not hold 'NGSP'"),
        (spz3(4)[:-1], "truncated or damaged|is no whole gzip"),
        (b"NGSP" + bytes(20), "24 bytes; expected a header of 32"),
        (b"PK\x03\x04" + bytes(40), "it begins neither as gzip nor with 'NGSP'"),
    ],
)
def test_damaged_spz(tmp_path, data, message):
    (tmp_path / "a.spz").write_bytes(data)
    refused(tmp_path / "a.spz", message)


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (4, struct.pack("<I", 5), "is of version 5 in a container of version 4"),
        (15, b"\x09", "9 streams listed at byte 32 of .*; expected 6"),
        (16, struct.pack("<I", 1 << 30), "6 streams listed at byte 1073741824"),
        (16, struct.pack("<I", 0), "6 streams listed at byte 0"),
        (32, struct.pack("<Q", 1 << 60), "positions: .* within the file of"),
        (40, struct.pack("<Q", 7), "positions: 7 bytes"),
        (200, b"\xff" * 8, "is no zstd frame"),
    ],
)
def test_damaged_spz_4(tmp_path, at, value, message):
    file = tmp_path / "a.spz"
    write_spz(some_gaussians(50), file, version=4)
    raw = file.read_bytes()
    file.write_bytes(raw[:at] + value + raw[at + len(value) :])
    refused(file, message)


def test_spz_with_extensions_behind_its_sections(tmp_path):
    (tmp_path / "a.spz").write_bytes(spz3(4, flags=2, body=bytes(80) + b"more"))
    assert len(read_spz(tmp_path / "a.spz")) == 4


def test_a_gzip_is_unpacked_no_further_than_its_header_says(tmp_path, monkeypatch):
    """8 MB of file would be 8 GB of zeros: neither they nor the claimed count are made."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = struct.pack("<IIIBBBB", 0x5053474E, 3, 4, 0, 12, 0, 0)
    data = packer.compress(head) + packer.compress(bytes(64 << 20)) + packer.flush()
    (tmp_path / "a.spz").write_bytes(data)
    seen: list[int] = []
    honest = zlib.decompressobj

    class Watched:
        def __init__(self, *args: int) -> None:
            self._inner = honest(*args)

        def decompress(self, raw: bytes, most: int) -> bytes:
            found = self._inner.decompress(raw, most)
            seen.append(len(found))
            return found

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

    monkeypatch.setattr("drivelab.sim.splats.formats.streams.zlib.decompressobj", Watched)
    refused(tmp_path / "a.spz", "more bytes within its gzip")
    assert sum(seen) < 300


def test_absurd_counts_are_refused_before_anything_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1e9)
    (tmp_path / "a.spz").write_bytes(spz3(0xFFFFFFFF, body=b""))
    refused(tmp_path / "a.spz", "its Gaussians would take .* are available")
    four = struct.pack("<IIIBBBBI12x", 0x5053474E, 4, 0xFFFFFFFF, 3, 12, 0, 6, 32)
    (tmp_path / "b.spz").write_bytes(four + bytes(200))
    refused(tmp_path / "b.spz", "its Gaussians would take")
    sparse = tmp_path / "c.splat"
    with sparse.open("wb") as stream:
        stream.truncate(32 << 30)
    refused(sparse, "its Gaussians would take")
    head = (ROOT / "packed.compressed.ply").read_bytes().replace(b"chunk 2\n", b"chunk 4000000\n")
    head = head.replace(b"vertex 500\n", b"vertex 1024000000\n").replace(
        b"sh 500", b"sh 1024000000"
    )
    (tmp_path / "d.ply").write_bytes(head)
    refused(tmp_path / "d.ply", "truncated or damaged")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"chunk 2\n", b"chunk 3\n", "3 chunks of 500 Gaussians; expected one for every 256"),
        (b"vertex 500\n", b"vertex 0\n", "2 chunks of 0 Gaussians"),
        (b"sh 500\n", b"sh 499\n", "499 rows of sh; expected one of bytes for each of 500"),
        (b"uint packed_scale", b"int packed_scale", "its element vertex holds other types"),
        (b"float max_x", b"float min_q", "has no property max_x"),
        (b"float min_g", b"float min_q", "has no property min_g"),
        (b"float min_r", b"float min_q", "has no property min_r"),
        (b"element sh", b"element hs", "its elements are chunk, vertex, hs"),
        (b"uchar f_rest_44", b"uchar f_rest_45", "45 properties f_rest_"),
        (b"uchar f_rest_44", b"list uchar int f_rest_44", "0 properties f_rest_|rows of sh"),
    ],
)
def test_damaged_compressed_ply(tmp_path, old, new, message):
    raw = (ROOT / "packed.compressed.ply").read_bytes()
    assert old in raw
    (tmp_path / "a.ply").write_bytes(raw.replace(old, new))
    refused(tmp_path / "a.ply", message)


def test_numbers_that_cannot_be_drawn(tmp_path):
    raw = bytearray((ROOT / "packed.compressed.ply").read_bytes())
    begin = raw.index(b"end_header\n") + 11
    raw[begin : begin + 4] = np.float32(np.nan).tobytes()
    (tmp_path / "a.ply").write_bytes(raw)
    refused(tmp_path / "a.ply", "means of Gaussian 0: 256 Gaussians are wrong")
    rows = bytearray((ROOT / "scene.splat").read_bytes())
    rows[28:32] = b"\x80" * 4
    (tmp_path / "a.splat").write_bytes(rows)
    refused(tmp_path / "a.splat", "rotation of Gaussian 0: 1 Gaussians are wrong")
    rows[28:32], rows[12:16] = b"\xff" * 4, np.float32(-1).tobytes()
    (tmp_path / "a.splat").write_bytes(rows)
    refused(tmp_path / "a.splat", "scale of Gaussian 0: is below 0")
    codes = {"alphas": np.zeros(2, "u1"), "sh": np.zeros((2, 0, 3), "u1")}
    codes |= {name: np.zeros((2, 3), "u1") for name in ("colours", "scales", "rotations")}
    codes["positions"] = np.array([[0, 0, 0], [0, np.inf, 0]], "<f2")
    write_old_spz(tmp_path / "a.spz", 1, codes)
    refused(tmp_path / "a.spz", "means of Gaussian 1")


def sog(path: Path, change=lambda meta: None, **files: bytes) -> Path:
    """The golden SOG with another meta.json or other files."""
    with zipfile.ZipFile(ROOT / "scene.sog") as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    meta = json.loads(held["meta.json"])
    change(meta)
    held["meta.json"] = json.dumps(meta).encode()
    held |= {name.replace("__", "."): data for name, data in files.items()}
    pack(path, {name: data for name, data in held.items() if data != b"gone"})
    return path


def put(*keys, value):
    def change(meta):
        for key in keys[:-1]:
            meta = meta[key]
        meta[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "files", "message"),
    [
        (put("version", value=3), {}, "is of version 3"),
        (put("count", value=-1), {}, r"Expected `int` >= 1 - at `\$.count`"),
        (put("count", value=4_000_000_000), {}, "its Gaussians would take|pixels; expected one"),
        (put("count", value=100_000), {}, "pixels; expected one for each of 100000 Gaussians"),
        (put("means", "mins", value=[1.0, 2.0]), {}, r"\[1.0, 2.0\]; expected 3 finite numbers"),
        (put("means", "maxs", value=[1.0, 2.0, 1e300]), {}, "means of Gaussian"),
        (put("scales", "codebook", value=[1.0] * 9), {}, "of length >= 256"),
        (put("scales", "codebook", value=None), {}, "expected 3 finite numbers, or a codebook"),
        (put("shN", "bands", value=7), {}, "harmonics of 7 bands"),
        (put("shN", "bands", value=2), {}, "expected 512 across"),
        (put("shN", "count", value=3), {}, "of a palette of 3"),
        (put("means", "files", value=["means_l.webp"]), {}, "1 pictures; expected 2"),
        (put("means", "files", value=["../../etc/passwd", "x"]), {}, "expected a plain name"),
        (put("means", "files", value=["none.webp", "x"]), {}, "none.webp: is not in it"),
        (put("means", value=7), {}, r"Expected `object`, got `int` - at `\$.means`"),
        (put("asset", value=1), {"meta__json": b"[" * 100_000}, "meta.json"),
        (put("asset", value=1), {"meta__json": b"gone"}, "meta.json: is not in it"),
        (put("asset", value=1), {"quats__webp": b"RIFF1234WEBP"}, "is no whole picture"),
        (put("asset", value=1), {"quats__webp": webp(np.zeros((2, 2, 4), np.uint8))},
         "2 x 2 pixels; expected one for each of 500"),
        (put("asset", value=1), {"quats__webp": webp(np.zeros((30, 30, 4), np.uint8))},
         "rotation of Gaussian 0: names the component -252"),
    ],
)  # fmt: skip
def test_damaged_sog(tmp_path, monkeypatch, change, files, message):
    monkeypatch.setattr(memory, "available_memory", lambda: 1e9)
    refused(sog(tmp_path / "a.sog", change, **files), message)


def test_zip_bombs(tmp_path, monkeypatch):
    """An entry of 64 MB of blanks in a zip of 64 kB is not unpacked."""
    file = tmp_path / "a.sog"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("meta.json", b" " * (64 << 20))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    refused(file, "meta.json: would unpack to 67108864 bytes; at most")


def test_a_picture_of_a_billion_pixels(tmp_path, monkeypatch):
    """The header of a PNG may say any size; its pixels are not made."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 6, 0, 0, 0)
    chunk = b"IHDR" + head
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    png += struct.pack(">I", zlib.crc32(chunk))
    refused(sog(tmp_path / "a.sog", quats__webp=png), "is no whole picture")


def test_a_folder_does_not_lead_out_of_itself(tmp_path):
    with zipfile.ZipFile(ROOT / "scene.sog") as archive:
        archive.extractall(tmp_path / "scene")
    secret = tmp_path / "secret.webp"
    (tmp_path / "scene" / "quats.webp").rename(secret)
    os.symlink(secret, tmp_path / "scene" / "quats.webp")
    with pytest.raises(DataError, match=r"quats\.webp: leads out of its folder"):
        load_scene(tmp_path / "scene")


def test_unreadable_places(tmp_path):
    for ending in (".spz", ".splat", ".sog", ".ply", ".pth"):
        (tmp_path / f"folder{ending}").mkdir()
        refused(tmp_path / f"folder{ending}", "is a folder without")
    (tmp_path / "a.splat").write_bytes(b"")
    refused(tmp_path / "a.splat", "0 bytes; expected a multiple of 32")
    with pytest.raises(DataError, match="no such file"):
        format_of(tmp_path / "none.sog")
