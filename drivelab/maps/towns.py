"""CARLA's towns: where their OpenDRIVE files lie, and how they are read.

The root is the option `data.carla_root`, else the environment's `CARLA_ROOT`, else the folder
`carla` in `DRIVELAB_DATA`. A CARLA install and a plain folder of .xodr or .xodr.gz files both
serve.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from drivelab.errors import ConfigError, DataError, nearest_name
from drivelab.maps.opendrive.cache import cached_opendrive
from drivelab.maps.opendrive.network_map import OpenDriveMap

TOWNS = (
    "Town01",
    "Town02",
    "Town03",
    "Town04",
    "Town05",
    "Town06",
    "Town07",
    "Town10HD",
    "Town11",
    "Town12",
    "Town13",
    "Town15",
)
LARGEST = 512 * 2**20  # a town's XML is read up to this size [bytes]
_INSTALL = "CarlaUE4/Content/Carla/Maps"
_ENDINGS = (".xodr", ".xodr.gz")


def carla_root(option: str | Path | None = None) -> Path:
    """The folder with CARLA's maps and routes.

    Raises:
        DataError: none is named, or the one that is named does not exist.
    """
    data = os.environ.get("DRIVELAB_DATA", "")
    sources = (
        ("data.carla_root", str(option or "")),
        ("CARLA_ROOT", os.environ.get("CARLA_ROOT", "")),
        ("DRIVELAB_DATA", str(Path(data) / "carla") if data else ""),
    )
    for source, value in sources:
        if value:
            root = Path(value).expanduser()
            if not root.is_dir():
                raise DataError(f"named by {source}, but there is no such folder", file=root)
            return root
    raise DataError(
        "CARLA's maps are needed: set data.carla_root=FOLDER or CARLA_ROOT to a CARLA install (it "
        f"holds {_INSTALL}/OpenDrive/*.xodr; releases at https://github.com/carla-simulator/carla) "
        "or to a folder of .xodr or .xodr.gz files"
    )


def town_name(name: str) -> str:
    """Plain name of a town: "Carla/Maps/Town10HD_Opt" -> "Town10HD"; Town10 is Town10HD."""
    plain = name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix("_Opt")
    return "Town10HD" if plain == "Town10" else plain


def town_file(name: str, root: str | Path | None = None) -> Path:
    """The OpenDRIVE file of a town.

    Raises:
        ConfigError: no town of CARLA is called so, and the root has no such file.
        DataError: there is no root, or the file is missing from it.
    """
    folder, town = carla_root(root), town_name(name)
    install = folder / _INSTALL
    places = (
        folder,
        folder / "maps",
        install / "OpenDrive",
        install / town / "OpenDrive",
        folder / "Content/Carla/Maps/OpenDrive",
        folder / "OpenDrive",
    )
    if town and Path(town).name == town:
        for place in places:
            for ending in _ENDINGS:
                file = place / f"{town}{ending}"
                if file.is_file():
                    return file
    if town not in TOWNS:
        known = ", ".join(TOWNS)
        raise ConfigError(
            f"there is no town {name!r} in {folder}{nearest_name(town, TOWNS)} (CARLA's towns: "
            f"{known})"
        )
    raise DataError(
        f"has no {town}.xodr or {town}.xodr.gz; they lie in a CARLA install under "
        f"{_INSTALL}/OpenDrive (additional maps are a separate download), or put the file here",
        file=folder,
    )


def read_town(
    name: str, root: str | Path | None = None, *, cache: Path | None = None
) -> OpenDriveMap:
    """Read a town, from the map cache where it was read before.

    Args:
        name: such as "Town05".
        root: the option `data.carla_root`.
        cache: folder of the map cache; the user's own by default.

    Raises:
        ConfigError, DataError: as `town_file`; or the file is broken.
    """
    file = town_file(name, root)
    return cached_opendrive(read_xodr(file), town_name(name), file=str(file), folder=cache)


def read_xodr(file: Path) -> bytes:
    """Bytes of an .xodr or .xodr.gz file, of at most `LARGEST` bytes.

    Raises:
        DataError: it cannot be read, is not gzip, or is larger.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise DataError(f"is larger than {LARGEST} bytes", file=file)
        content = file.read_bytes()
        if file.name.endswith(".gz"):
            content = _unzipped(content, file)
    except (OSError, zlib.error) as error:
        raise DataError(f"cannot be read, it may be damaged ({error})", file=file) from error
    return content


def _unzipped(content: bytes, file: Path) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    found = stream.decompress(content, LARGEST)
    if stream.unconsumed_tail:
        raise DataError(f"unpacks to more than {LARGEST} bytes", file=file)
    if not stream.eof:
        raise DataError("cannot be unpacked, it may be cut short", file=file)
    return found
