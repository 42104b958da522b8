"""From a rendered picture to what a camera delivers: lens, light, noise, bytes, JPEG.

Rendered colours are those of a screen (Gaussians are fitted to, and painted as, encoded pictures).
Exposure and noise act on light, so colours c are taken to light c^2.2 and back; where a camera has
neither, colours pass unchanged. Nothing else bends the tones.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from drivelab.sim.sensors.draws import draws_for
from drivelab.sim.sensors.lens import distort
from drivelab.sim.sensors.specs import CameraSpec
from drivelab.types import CameraFrame

GAMMA = 2.2


def form(
    colours: Float[np.ndarray, "h w 3"], spec: CameraSpec, *, scene: str, frame: int
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A camera's picture of a rendered one.

    Args:
        colours: what `undistorted_camera(spec)` sees, 0..1 and more where it glares.
        spec: the camera.
        scene: the scene's id; with the camera's name and `frame` it seeds the noise, so that
            looking twice shows the same picture.
        frame: number of the frame.
    """
    picture = np.asarray(distort(colours, spec), np.float32)
    picture = expose(picture, spec, draws_for(scene, spec.name, frame))
    return compress(to_uint8(picture), spec.jpeg_quality)


def expose(
    colours: Float[np.ndarray, "h w 3"], spec: CameraSpec, draws: np.random.Generator
) -> Float[np.ndarray, "h w 3"]:
    """Exposure, then shot noise (its variance grows with the light) and read noise; float32."""
    read, shot = spec.noise.read, spec.noise.shot
    if spec.exposure == 1.0 and not read and not shot:
        return colours
    light = np.maximum(colours, 0).astype(np.float32) ** np.float32(GAMMA)
    light *= np.float32(spec.exposure)
    if read or shot:
        spread = np.sqrt(np.float32(read) ** 2 + np.float32(shot) * light)
        light += spread * draws.standard_normal(light.shape, np.float32)
    return np.maximum(light, 0) ** np.float32(1 / GAMMA)


def to_uint8(colours: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Colours 0..1 as bytes, rounded; what is darker or brighter is cut."""
    return (np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8)


def compress(image: UInt8[np.ndarray, "h w 3"], quality: int | None) -> UInt8[np.ndarray, "h w 3"]:
    """What is left of a picture after JPEG (colours at half resolution, Pillow's 4:2:0)."""
    if quality is None:
        return image
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=2)
    with Image.open(BytesIO(file.getvalue())) as kept:
        return np.asarray(kept.convert("RGB"))


def camera_frame(image: UInt8[np.ndarray, "h w 3"], spec: CameraSpec) -> CameraFrame:
    """A picture with the calibration of its camera, as agents get it."""
    return CameraFrame(
        image, spec.ego_from_cam_rotation, spec.ego_from_cam_translation, spec.intrinsic,
        spec.distortion,
    )  # fmt: skip
