"""Compressed bytes that are unpacked no further than what is known to fit."""

from __future__ import annotations

import zlib
from pathlib import Path

import pyarrow as pa

from drivelab.errors import DataError

GZIP = 31  # zlib's window bits for a gzip wrapper
LEVEL = {"gzip": 6, "zstd": 12}


def gunzip(raw: bytes, most: int, *, file: Path) -> tuple[bytes, bool]:
    """Unpack the first member of a gzip.

    Args:
        raw: the gzip.
        most: bytes to unpack at most.
        file: named in the message.

    Returns:
        Up to `most` bytes, and whether these were all and their checksum holds.

    Raises:
        DataError: damaged.
    """
    reader = zlib.decompressobj(GZIP)
    try:
        found = reader.decompress(raw, most) if most else b""
        beyond = reader.decompress(reader.unconsumed_tail, 1)  # also reads the checksum
    except zlib.error as error:
        raise DataError(f"is no whole gzip ({error}); damaged, fetch it again",
                        file=file) from error  # fmt: skip
    return found, reader.eof and not beyond


def gzip_bytes(data: bytes) -> bytes:
    """Pack as one gzip member without a time, so that the same bytes come out each time."""
    writer = zlib.compressobj(LEVEL["gzip"], zlib.DEFLATED, GZIP)
    return writer.compress(data) + writer.flush()


def unzstd(raw: bytes, size: int, *, file: Path, where: str) -> bytes:
    """Unpack a zstd frame of known size.

    Raises:
        DataError: damaged, or of another size.
    """
    try:
        found = pa.Codec("zstd").decompress(raw, decompressed_size=size, asbytes=True)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"is no zstd frame of {size} bytes ({error}); damaged, fetch it again",
                        file=file, where=where) from error  # fmt: skip
    if len(found) != size:
        raise DataError(f"{len(found)} bytes unpacked; expected {size}", file=file, where=where)
    return bytes(found)


def zstd_bytes(data: bytes) -> bytes:
    """Pack as one zstd frame that says its size."""
    return bytes(pa.Codec("zstd", compression_level=LEVEL["zstd"]).compress(data, asbytes=True))
