"""Built streets on disk: to read one takes a hundredth of the time of building it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from drivelab.errors import DataError
from drivelab.sim.splats.files import ENDING, load_scene, save_scene
from drivelab.sim.splats.scene import SplatScene

VERSION = 1  # raised whenever the same map comes to be built differently

_log = logging.getLogger(__name__)


def kept_street(folder: str | Path, digest: str, build: Callable[[], SplatScene]) -> SplatScene:
    """The street of a digest: read, or built and written for the next time.

    A file that is damaged is built anew. Where nothing can be written the street is used as it is,
    and that is told.

    Args:
        folder: made if it is not there.
        digest: of everything that the street follows from.
        build: makes it.
    """
    file = Path(folder) / f"v{VERSION}-{digest}{ENDING}"
    if file.is_file():
        try:
            return load_scene(file)
        except DataError as error:
            _log.warning("%s; it is built anew", error)
    street = build()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_scene(street, file)
    except (DataError, OSError) as error:
        _log.warning("a street could not be kept (%s): it will be built again", error)
    return street
