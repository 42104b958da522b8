"""Small files of Gaussians as other programs write them, made from the facts of their formats."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from drivelab.kernels.splat import Gaussians
from drivelab.kernels.splat.scene import COEFFICIENTS

FIELDS = ("means", "quats", "scales", "opacities", "sh")


def some_gaussians(count: int, rank: int = 4, *, seed: int = 0, spread: float = 5.0) -> Gaussians:
    """Gaussians with unit rotations, sizes of 1 cm to 1 m, colours about what can be seen."""
    draw = np.random.default_rng([seed, count, rank])
    quats = draw.normal(size=(count, 4))
    sh = draw.normal(0.0, 0.2, (count, rank, 3))
    sh[:, 0] *= 4.0
    return Gaussians(
        draw.normal(0.0, spread, (count, 3)).astype(np.float32),
        (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        np.exp(draw.uniform(-4.6, 0.0, (count, 3))).astype(np.float32),
        draw.uniform(0.02, 0.98, count).astype(np.float32),
        sh.astype(np.float32),
    )


def write_old_spz(path: Path, version: int, codes: dict[str, np.ndarray], bits: int = 12) -> None:
    """SPZ 1 or 2 of given bytes; positions are halves in version 1."""
    count = len(codes["alphas"])
    degree = COEFFICIENTS[1 + codes["sh"].shape[1]]
    head = struct.pack("<IIIBBBB", 0x5053474E, version, count, degree, bits, 0, 0)
    order = ("positions", "alphas", "colours", "scales", "rotations", "sh")
    path.write_bytes(gzip.compress(head + b"".join(codes[name].tobytes() for name in order)))


def write_old_sog(path: Path, count: int, *, folder: bool = False) -> dict[str, np.ndarray]:
    """SOG without a version: numbers spread between bounds. Returns what it stands for."""
    draw = np.random.default_rng(count)
    side = int(np.ceil(np.sqrt(count)))
    names = ("means_l", "means_u", "quats", "scales", "sh0", "shN_labels")
    pixels = {name: draw.integers(0, 256, (side * side, 4), dtype=np.uint8) for name in names}
    pixels["quats"][:, 3] = 252 + draw.integers(0, 4, side * side)
    pixels["shN_labels"][:, :2] = [[3, 0]]
    palette = draw.integers(0, 256, (1, 64 * 3, 4), dtype=np.uint8)
    low, high = np.array([-2.0, -1.0, -0.5]), np.array([2.0, 3.0, 0.5])
    meta: dict[str, Any] = {
        "means": {"shape": [count, 3], "mins": list(low), "maxs": list(high),
                  "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"shape": [count, 3], "mins": [-6.0] * 3, "maxs": [-1.0] * 3,
                   "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"mins": [-2.0, -2.0, -2.0, -5.0], "maxs": [2.0, 2.0, 2.0, 5.0],
                "files": ["sh0.webp"]},
        "shN": {"shape": [count, 9], "mins": -1.0, "maxs": 1.0,
                "files": ["shN_centroids.webp", "shN_labels.webp"]},
    }  # fmt: skip
    files = {"meta.json": json.dumps(meta).encode()}
    files |= {f"{name}.webp": webp(rows.reshape(side, side, 4)) for name, rows in pixels.items()}
    files["shN_centroids.webp"] = webp(palette)
    pack(path, files, folder=folder)
    kept = {name: rows[:count].astype(float) for name, rows in pixels.items()}
    folded = low + (high - low) * (kept["means_l"] + 256 * kept["means_u"])[:, :3] / 65535
    return {
        "means": np.sign(folded) * np.expm1(np.abs(folded)),
        "logs": -6.0 + 5.0 * kept["scales"][:, :3] / 255,
        "dc": -2.0 + 4.0 * kept["sh0"][:, :3] / 255,
        "logits": -5.0 + 10.0 * kept["sh0"][:, 3] / 255,
        "rest": np.tile(-1.0 + 2.0 * palette[0, 9:12, :3] / 255, (count, 1, 1)),
    }


def webp(pixels: np.ndarray) -> bytes:
    """A lossless picture of (h, w, 4) bytes, colours kept where alpha is 0."""
    out = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(out, "WEBP", lossless=True, exact=True)
    return out.getvalue()


def pack(path: Path, files: dict[str, bytes], *, folder: bool = False) -> None:
    """Files in a zip, or in a folder."""
    if folder:
        path.mkdir()
        for name, data in files.items():
            (path / name).write_bytes(data)
        return
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
