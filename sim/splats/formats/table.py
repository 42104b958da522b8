"""All formats of Gaussian worlds: how files are known, who reads and writes them, what is lost.

`convert`, `info`, `load_scene` and the documentation follow this one table. Readers and writers are
named, not imported: a reader's packages are loaded when a file of its kind is met.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from drivelab.errors import ConfigError, DataError

_HERE = "drivelab.sim.splats.formats"
_BYTE = "a byte each for opacities and colours"


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file.

    Attributes:
        name: one word, for messages and `info`.
        title: for people.
        endings: of files, in small letters, the one that is written first; what is found inside
            decides between kinds of one ending.
        reader: `module:function`, from a path to `Gaussians`, or to a `SplatScene` where `whole`;
            None where it is not read.
        writer: `module:function` of what the reader gives and a path; None where it is not
            written.
        whole: whether it holds a scene: actors, sky, labels, motion.
        loses: what a file of it does not keep, or what of it is not read.
        checked: what readers and writers were held against.
    """

    name: str
    title: str
    endings: tuple[str, ...]
    reader: str | None
    writer: str | None
    whole: bool
    loses: str
    checked: str

    def read(self, path: str | Path) -> Any:
        """`Gaussians`, or a `SplatScene` where the format is `whole`."""
        return _function(self.reader)(path)

    def write(self, held: Any, path: str | Path, **options: Any) -> None:
        """Write what `read` would give."""
        _function(self.writer)(held, path, **options)


FORMATS = (
    Format("drivelab", "scene of drivelab", (".splats.safetensors", ".safetensors"),
           "drivelab.sim.splats.files:read_scene", "drivelab.sim.splats.files:save_scene", True,
           "nothing", "what is saved comes back bit by bit"),
    Format("compressed_ply", "compressed PLY of PlayCanvas", (".compressed.ply",),
           f"{_HERE}.compressed_ply:read_compressed_ply",
           f"{_HERE}.compressed_ply:write_compressed_ply", False,
           "the order; centres and scales to 10 or 11 bits of a chunk's extent, "
           f"{_BYTE}, harmonics to 1/32 within +-4", "golden file"),
    Format("ply", "PLY of INRIA's and nerfstudio's trainers", (".ply",), f"{_HERE}.ply:read_ply",
           f"{_HERE}.ply:write_ply", False,
           "the last bit of scales and opacities (stored as logs and logits)",
           "golden files of degree 0 and 3, bit by bit"),
    Format("spz", "SPZ of Niantic", (".spz",), f"{_HERE}.spz:read_spz", f"{_HERE}.spz:write_spz",
           False, "centres to 1/4096 m (more coarsely beyond 2 km), log scales to 1/16, "
           f"{_BYTE}, harmonics to 1/128 within +-1",
           "golden files of versions 3 and 4; version 3 is written byte by byte as another writer "
           "does; of versions 1 and 2 only files of our own making"),
    Format("splat", ".splat of antimatter15", (".splat",), f"{_HERE}.splat:read_splat",
           f"{_HERE}.splat:write_splat", False,
           f"harmonics (one colour each, cut to 0..1); {_BYTE}, and for rotations",
           "golden file"),
    Format("sog", "SOG of PlayCanvas", (".sog", "meta.json"), f"{_HERE}.sog:read_sog", None,
           False, "not written", "golden file of version 2; of the older one only our own"),
    Format("gsplat", "checkpoint of gsplat's simple_trainer", (".pt", ".pth", ".ckpt"),
           f"{_HERE}.checkpoint:read_checkpoint", None, True,
           "not written; optimisers, poses and appearance modules are passed over",
           "files of our own making after its source; no original was seen"),
    Format("drivestudio", "checkpoint of DriveStudio", (".pt", ".pth", ".ckpt"),
           f"{_HERE}.checkpoint:read_checkpoint", None, True,
           "not written; people (SMPL), deformable things, affine colours and corrected camera "
           "poses are passed over",
           "files of our own making after its source; no original was seen"),
    Format("street_gaussians", "checkpoint of Street Gaussians", (".pt", ".pth", ".ckpt"),
           f"{_HERE}.checkpoint:read_checkpoint", None, True,
           "not written; where actors drive is not in the file, colours that change over time "
           "keep their mean",
           "files of our own making after its source; no original was seen"),
    Format("hugsim", "scene folder or checkpoint of HUGSIM", (".pt", ".pth", ".ckpt", "scene.pth"),
           f"{_HERE}.checkpoint:read_checkpoint", None, True,
           "not written; the network of its exposure is passed over, semantic classes become "
           "labels", "files of our own making after the facts of its source; no original was seen"),
)  # fmt: skip
BY_NAME = {found.name: found for found in FORMATS}
WRITTEN = tuple(found.endings[0] for found in FORMATS if found.writer)
READ = tuple(dict.fromkeys(ending for found in FORMATS if found.reader for ending in found.endings
                           if ending.startswith(".")))  # fmt: skip


def format_of(path: str | Path) -> Format:
    """The format that a file, or a folder, is read as.

    Raises:
        DataError: nothing is there, or its name ends in nothing that is read.
    """
    place = Path(path)
    if place.is_dir():
        for inside, kind in (("meta.json", "sog"), ("scene.pth", "hugsim")):
            if (place / inside).is_file():
                return BY_NAME[kind]
        raise DataError("is a folder without a meta.json (SOG) and without a scene.pth (HUGSIM)",
                        file=place)  # fmt: skip
    if not place.is_file():
        raise DataError(f"no such file; expected Gaussians: {', '.join(READ)}", file=place)
    name = place.name.lower()
    for found in FORMATS:
        if name.endswith(found.endings):
            return BY_NAME[_kind(place, found)]
    raise DataError(f"ends in {place.suffix!r}; expected one of {', '.join(READ)}", file=place)


def written_as(path: str | Path) -> Format:
    """The format that a name asks for.

    Raises:
        ConfigError: it ends in nothing that is written.
    """
    name = Path(path).name.lower()
    for found in FORMATS:
        if found.writer and name.endswith(found.endings[0]) and name != found.endings[0]:
            return found
    hint = "; SOG and checkpoints are only read" if name.endswith(READ) else ""
    raise ConfigError(f"OUT={path}: expected a name that ends in {', '.join(WRITTEN)}{hint}")


def _kind(file: Path, found: Format) -> str:
    """The name of a file's format: what stands in a PLY or a checkpoint decides, not its name."""
    if found.name.endswith("ply"):
        from drivelab.sim.splats.formats.compressed_ply import is_compressed
        from drivelab.sim.splats.formats.ply_header import read_header

        return "compressed_ply" if is_compressed(read_header(file)) else "ply"
    if ".pth" in found.endings:
        from drivelab.sim.splats.formats.checkpoint import kind_of

        return kind_of(file)
    return found.name


def _function(name: str | None) -> Callable[..., Any]:
    if name is None:
        raise ConfigError("this format has no reader or no writer; see docs/splat_formats.md")
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
