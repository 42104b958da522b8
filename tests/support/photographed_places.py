"""A small place in photographs, written as COLMAP and nerfstudio write theirs."""

import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from drivelab.kernels.splat import Cameras, Gaussians, render

WIDTH, HEIGHT, FOCAL, COUNT = 64, 48, 55.0, 10


def place():
    """Gaussians, cameras and pictures (v, h, w, 3) uint8."""
    rng = np.random.default_rng(0)
    count = 150
    fields = (
        rng.uniform((-2, -1.5, 4), (2, 1.5, 6), (count, 3)), np.tile([1.0, 0, 0, 0], (count, 1)),
        rng.uniform(0.1, 0.3, (count, 3)), rng.uniform(0.6, 0.95, count),
        rng.uniform(-1.5, 1.5, (count, 1, 3)),
    )  # fmt: skip
    scene = Gaussians(*(np.ascontiguousarray(field, np.float32) for field in fields))
    views = np.tile(np.eye(4), (COUNT, 1, 1))
    for n, turn in enumerate(np.linspace(-0.1, 0.1, COUNT)):
        cos, sin = np.cos(turn), np.sin(turn)
        views[n, :3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
        views[n, 0, 3] = 8 * turn
    lens = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    cameras = Cameras(views, np.tile(lens, (COUNT, 1, 1)), WIDTH, HEIGHT)
    images = (render(scene, cameras).rgb.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return scene, cameras, images


def write_images(folder: Path, images) -> list[str]:
    """As PNG; their names."""
    folder.mkdir(parents=True)
    names = [f"view_{n:02d}.png" for n in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(folder / name)
    return names


def quaternions(views):
    """wxyz of turns about the y axis."""
    angles = np.arctan2(views[:, 0, 2], views[:, 0, 0])
    zero = np.zeros_like(angles)
    return np.stack([np.cos(angles / 2), zero, np.sin(angles / 2), zero], 1)


def write_colmap(folder: Path, *, binary: bool) -> Cameras:
    """A model of one PINHOLE camera; every other picture has marks."""
    scene, cameras, images = place()
    names = write_images(folder / "images", images)
    model = folder / "sparse" / "0"
    model.mkdir(parents=True)
    lens = (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2)
    posed = list(zip(quaternions(cameras.views), cameras.views[:, :3, 3], names, strict=True))
    points = np.asarray(scene.means, float)
    if binary:
        (model / "cameras.bin").write_bytes(struct.pack("<QiiQQ4d", 1, 7, 1, WIDTH, HEIGHT, *lens))
        parts = [struct.pack("<Q", len(posed))]
        for n, (quat, shift, name) in enumerate(posed):
            marks = struct.pack("<Q", n % 2) + struct.pack("<ddq", 1.0, 2.0, -1) * (n % 2)
            parts.append(struct.pack("<i7di", n + 1, *quat, *shift, 7) + name.encode() + b"\0")
            parts.append(marks)
        (model / "images.bin").write_bytes(b"".join(parts))
        rows = [struct.pack("<Q3d3BdQ2i", n, *point, 90, 120, 150, 0.5, 1, 1, 0)
                for n, point in enumerate(points)]  # fmt: skip
        (model / "points3D.bin").write_bytes(struct.pack("<Q", len(rows)) + b"".join(rows))
        return cameras
    (model / "cameras.txt").write_text(
        f"# cameras\n7 PINHOLE {WIDTH} {HEIGHT} {' '.join(map(repr, lens))}\n"
    )
    lines = ["# images"]
    for n, (quat, shift, name) in enumerate(posed):
        numbers = " ".join(repr(float(value)) for value in (*quat, *shift))
        lines += [f"{n + 1} {numbers} 7 {name}", "1.0 2.0 -1" if n % 2 else ""]
    (model / "images.txt").write_text("\n".join(lines) + "\n")
    rows = [f"{n} {' '.join(repr(float(x)) for x in point)} 90 120 150 0.5 1 0"
            for n, point in enumerate(points)]  # fmt: skip
    (model / "points3D.txt").write_text("# points\n" + "\n".join(rows) + "\n")
    return cameras


def write_nerfstudio(folder: Path, *, binary: bool = True) -> Cameras:
    """transforms.json with one lens at the top, points as PLY."""
    scene, cameras, images = place()
    names = write_images(folder / "images", images)
    points = np.asarray(scene.means, "<f4")
    head = (
        f"ply\nformat {'binary_little_endian' if binary else 'ascii'} 1.0\nelement vertex "
        f"{len(points)}\nproperty float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n"
    )
    rows = [
        point.tobytes() + bytes((90, 120, 150)) if binary
        else f"{' '.join(repr(float(x)) for x in point)} 90 120 150\n".encode()
        for point in points
    ]  # fmt: skip
    (folder / "sparse_pc.ply").write_bytes(head.encode() + b"".join(rows))
    flipped = np.linalg.inv(cameras.views) @ np.diag([1.0, -1, -1, 1])
    content = {
        "camera_model": "OPENCV", "fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2,
        "w": WIDTH, "h": HEIGHT, "k1": 0.0, "ply_file_path": "sparse_pc.ply", "orientation": "up",
        "frames": [
            {"file_path": f"images/{name}", "transform_matrix": pose.tolist(), "colmap_im_id": 1}
            for name, pose in zip(names, flipped, strict=True)
        ],
    }  # fmt: skip
    (folder / "transforms.json").write_text(json.dumps(content))
    return cameras
