"""SPZ files of Niantic: versions 1 to 4 are read, 3 and 4 written.

| version | container | positions | rotations |
|---|---|---|---|
| 1 | gzip | three half floats | x, y, z a byte each |
| 2 | gzip | 24-bit fixed point | x, y, z a byte each |
| 3 | gzip | 24-bit fixed point | three smaller components, 10 bits each |
| 4 | one zstd stream a section, sizes in front | as 3 | as 3 |

Sections follow one another: positions, opacities, colours, scales, rotations, higher harmonics.
Numbers are kept as stored: SPZ names no frame, though Niantic's viewer holds y to be up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from drivelab.errors import ConfigError, DataError
from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.scene import COEFFICIENTS
from drivelab.sim.splats.formats.packed_rotations import HALF, of_three, three_smaller
from drivelab.sim.splats.formats.stored import (
    RANKS,
    as_bytes,
    bytes_in_blocks,
    log_scales,
    refuse_wrong,
    require_room,
    single,
)
from drivelab.sim.splats.formats.streams import gunzip, gzip_bytes, unzstd, zstd_bytes
from drivelab.sim.splats.writing import replace_file

MAGIC = 0x5053474E  # "NGSP"
WRITTEN = (3, 4)
_HEAD = struct.Struct("<IIIBBBB")  # magic, version, count, degree, fraction bits, flags, reserved
_HEAD4 = struct.Struct("<IIIBBBBI12x")  # the same with streams for reserved, then where sizes are
_SIZES = struct.Struct("<QQ")  # of a stream: packed, unpacked
_COLOUR = 0.15 * 255.0  # steps of a byte for one unit of a colour's coefficient
_EXTENDED = 2  # flag: more than the sections, of which nothing is needed here
_MAGNITUDE = 511  # of a rotation's component
FINEST = 12  # bits behind the point of a position, where they suffice: 0.24 mm
MOST_BITS = 23


@dataclass(frozen=True, slots=True)
class _Head:
    version: int
    count: int
    rank: int  # coefficients of a colour
    bits: int  # behind the point of a position

    def sizes(self) -> dict[str, int]:
        """Bytes of each section, in their order."""
        per = {
            "positions": 6 if self.version == 1 else 9, "opacities": 1, "colours": 3, "scales": 3,
            "rotations": 3 if self.version < 3 else 4, "harmonics": 3 * (self.rank - 1),
        }  # fmt: skip
        return {name: size * self.count for name, size in per.items()}


def read_spz(path: str | Path) -> Gaussians:
    """Read Gaussians; float32.

    Raises:
        DataError: no such file, no SPZ, of another version, truncated or longer than it says,
            or more than the memory holds: nothing is unpacked before its size is known to fit.
    """
    file = Path(path)
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", file=file) from error
    if raw[:2] == b"\x1f\x8b":
        head, sections = _gzip_sections(raw, file)
    elif raw[:4] == MAGIC.to_bytes(4, "little"):
        head, sections = _zstd_sections(raw, file)
    else:
        raise DataError("is no SPZ file: it begins neither as gzip nor with 'NGSP'", file=file)
    found = _decoded(head, sections)
    refuse_wrong(found, file=file)
    return found


def write_spz(gaussians: Gaussians, path: str | Path, *, version: int = 3) -> None:
    """Write Gaussians; whole or not at all.

    Positions get 12 bits behind the point, fewer where the farthest would not fit. Opacities,
    colours, scales and harmonics are rounded to a byte and cut to what it spans.

    Args:
        gaussians: of any degree.
        path: of the file.
        version: 3 (gzip) or 4 (zstd).

    Raises:
        ConfigError: another version.
        DataError: a centre lies 8,388,608 m or more from the origin.
    """
    file = Path(path)
    if version not in WRITTEN:
        raise ConfigError(f"version={version}: SPZ is written as version 3 or 4")
    means = np.asarray(gaussians.means, float)
    bits = _fraction_bits(float(np.abs(means).max(initial=0.0)), file)
    rank = gaussians.sh.shape[1]
    sections = [section.tobytes() for section in _encoded(gaussians, means, bits)]
    said = (MAGIC, version, len(gaussians), COEFFICIENTS[rank], bits, 0)
    if version == 3:
        packed = gzip_bytes(_HEAD.pack(*said, 0) + b"".join(sections))
    else:
        streams = [(zstd_bytes(section), len(section)) for section in sections if section]
        packed = _HEAD4.pack(*said, len(streams), _HEAD4.size)
        packed += b"".join(_SIZES.pack(len(stream), size) for stream, size in streams)
        packed += b"".join(stream for stream, _ in streams)
    replace_file(file, lambda part: part.write_bytes(packed))


def _gzip_sections(raw: bytes, file: Path) -> tuple[_Head, dict[str, bytes]]:
    start, _ = gunzip(raw, _HEAD.size, file=file)
    if len(start) < _HEAD.size:
        raise DataError(f"{len(start)} bytes within its gzip; expected a header of {_HEAD.size}: "
                        "truncated", file=file)  # fmt: skip
    magic, version, count, degree, bits, flags, _ = _HEAD.unpack(start)
    if magic != MAGIC:
        raise DataError("is no SPZ file: its gzip does not hold 'NGSP'", file=file)
    head = _checked_head(version, (1, 2, 3), count, degree, bits, file)
    sizes = head.sizes()
    needed = _HEAD.size + sum(sizes.values())
    whole, complete = gunzip(raw, needed, file=file)
    if len(whole) < needed or not (complete or flags & _EXTENDED):
        what = f"{len(whole)} bytes" if len(whole) < needed else "more bytes"
        raise DataError(f"{what} within its gzip; its header of {count} Gaussians of degree "
                        f"{degree} needs {needed}: truncated or damaged, fetch it again",
                        file=file)  # fmt: skip
    sections, at = {}, _HEAD.size
    for name, size in sizes.items():
        sections[name] = whole[at : at + size]
        at += size
    return head, sections


def _zstd_sections(raw: bytes, file: Path) -> tuple[_Head, dict[str, bytes]]:
    if len(raw) < _HEAD4.size:
        raise DataError(f"{len(raw)} bytes; expected a header of {_HEAD4.size}: truncated",
                        file=file)  # fmt: skip
    _, version, count, degree, bits, _, streams, begin = _HEAD4.unpack_from(raw)
    head = _checked_head(version, (4,), count, degree, bits, file)
    sizes = {name: size for name, size in head.sizes().items() if size}
    at = begin + streams * _SIZES.size
    if streams != len(sizes) or begin < _HEAD4.size or at > len(raw):
        raise DataError(
            f"{streams} streams listed at byte {begin} of {len(raw)}; expected {len(sizes)} behind "
            "its header: truncated or damaged",
            file=file,
        )
    sections = {}
    for n, (name, size) in enumerate(sizes.items()):
        packed, said = _SIZES.unpack_from(raw, begin + n * _SIZES.size)
        if said != size or at + packed > len(raw):
            raise DataError(
                f"{said} bytes, {packed} of them packed; expected {size} unpacked, within the "
                f"file of {len(raw)}: truncated or damaged, fetch it again",
                file=file, where=name,
            )  # fmt: skip
        sections[name] = unzstd(raw[at : at + packed], size, file=file, where=name)
        at += packed
    return head, {name: sections.get(name, b"") for name in head.sizes()}


def _checked_head(
    version: int, known: tuple[int, ...], count: int, degree: int, bits: int, file: Path
) -> _Head:
    if version not in known:
        raise DataError(
            f"is of version {version} in a container of version {', '.join(map(str, known))}; "
            "SPZ 1 to 4 are read",
            file=file,
        )
    if degree not in RANKS:
        raise DataError(f"harmonics of degree {degree}; expected 0 to 3", file=file)
    if not count:
        raise DataError("holds no Gaussians", file=file)
    if bits > MOST_BITS:
        raise DataError(f"{bits} bits behind the point of its positions; expected 0 to {MOST_BITS}",
                        file=file)  # fmt: skip
    require_room(count, RANKS[degree], file=file)
    return _Head(version, count, RANKS[degree], bits)


def _decoded(head: _Head, sections: dict[str, bytes]) -> Gaussians:
    def of(name: str, columns: int) -> np.ndarray:
        return np.frombuffer(sections[name], np.uint8).reshape(head.count, columns)

    if head.version == 1:
        means = np.frombuffer(sections["positions"], "<f2").reshape(head.count, 3)
    else:
        means = _signed(of("positions", 9).reshape(-1, 3, 3)) / 2.0**head.bits
    quats = _xyz_rotations(of("rotations", 3)) if head.version < 3 else _rotations(
        of("rotations", 4)
    )  # fmt: skip
    sh = np.empty((head.count, head.rank, 3), np.float32)
    sh[:, 0] = (of("colours", 3) - 127.5) / _COLOUR
    rest = of("harmonics", 3 * (head.rank - 1)).reshape(head.count, head.rank - 1, 3)
    sh[:, 1:] = (rest.astype(np.float32) - 128.0) / 128.0
    scales = np.exp(of("scales", 3) / 16.0 - 10.0)
    opacities = of("opacities", 1)[:, 0] / 255.0
    return single(means, quats, scales, opacities, sh)


def _encoded(gaussians: Gaussians, means: np.ndarray, bits: int) -> list[np.ndarray]:
    """The sections in their order; those of rotations little-endian 32-bit, all others bytes."""
    fixed = np.rint(means * 2.0**bits).astype("<i4")
    positions = fixed[..., None].view(np.uint8).reshape(*fixed.shape, 4)[..., :3]
    return [
        positions,
        as_bytes(255.0 * np.asarray(gaussians.opacities, float)),
        as_bytes(_COLOUR * np.asarray(gaussians.sh[:, 0], float) + 127.5),
        as_bytes(16.0 * (log_scales(gaussians.scales) + 10.0)),
        _packed_rotations(gaussians.quats),
        bytes_in_blocks(gaussians.sh[:, 1:], lambda rest: 128.0 * rest + 128.0),
    ]


def _fraction_bits(farthest: float, file: Path) -> int:
    """Bits behind the point with which the farthest coordinate fits into 24 bits."""
    for bits in range(FINEST, -1, -1):
        if np.rint(farthest * 2.0**bits) < 1 << 23:
            return bits
    raise DataError(f"a centre lies {farthest:.6g} m from the origin; SPZ holds up to 8,388,607: "
                    "move the scene to its origin, or crop it", file=file)  # fmt: skip


def _signed(low: np.ndarray) -> np.ndarray:
    """(..., 3) bytes, lowest first -> 24-bit signed numbers."""
    wide = low.astype(np.int32)
    value = wide[..., 0] | (wide[..., 1] << 8) | (wide[..., 2] << 16)
    signed: np.ndarray = value - ((value & 0x800000) << 1)
    return signed


def _xyz_rotations(xyz: np.ndarray) -> np.ndarray:
    found = xyz / 127.5 - 1.0
    w = np.sqrt(np.maximum(0.0, 1.0 - (found**2).sum(1, keepdims=True)))
    return np.concatenate([w, found], 1)


def _rotations(packed: np.ndarray) -> np.ndarray:
    """(n, 4) bytes -> (n, 4) wxyz. The file's order is xyzw, the last component lowest."""
    word = np.ascontiguousarray(packed).view("<u4")[:, 0]
    fields = np.stack([(word >> shift) & 0x3FF for shift in (20, 10, 0)], 1).astype(np.int64)
    values = (fields & _MAGNITUDE) * (HALF / _MAGNITUDE)
    xyzw = of_three((word >> 30).astype(np.int64), np.where(fields >> 9, -values, values))
    return np.roll(xyzw, 1, 1)


def _packed_rotations(quats: np.ndarray) -> np.ndarray:
    largest, others = three_smaller(np.roll(np.asarray(quats, float), -1, 1))
    magnitude = np.minimum(np.rint(np.abs(others) * (_MAGNITUDE / HALF)), _MAGNITUDE)
    fields = magnitude.astype(np.uint32) | (others < 0).astype(np.uint32) << 9
    word = (largest.astype(np.uint32) << 30) | (fields[:, 0] << 20) | (fields[:, 1] << 10)
    return (word | fields[:, 2]).astype("<u4")
