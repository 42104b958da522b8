"""`drivelab splat render`: pictures or a film of a splat world."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from drivelab.cli.splat_sources import KEYS, number, read_source, whole
from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from PIL import Image

    from drivelab.reports.splat_panels import Play

OPTIONS = (*KEYS, "camera", "time", "show", "fps", "width", "out")
STILLS = (".png", ".jpg", ".jpeg")
FRONT = ("CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT")
LEAST, LARGEST = 16, 16384  # width that pictures can be brought to [px]
MOST = 3000  # pictures of one film or folder


def run(words: Sequence[str]) -> int:
    """Draw what was asked for."""
    from drivelab.reports.splat_film import FILMS

    found = read_words(words, OPTIONS, places=("FILE",))
    shows = _shows(found.get("show", "images"))
    out = Path(found["out"]) if "out" in found else None
    ending = out.suffix.lower() if out else ""
    if ending not in ("", *STILLS, *FILMS):
        raise ConfigError(f"out={out}: expected a folder or a file that ends in "
                          f"{', '.join((*STILLS, *FILMS))}")  # fmt: skip
    fps = whole(found, "fps", 10)
    if not 1 <= fps <= 60:
        raise ConfigError(f"fps={fps}: expected 1 to 60")
    width = whole(found, "width", 0)
    if width and not LEAST <= width <= LARGEST:
        raise ConfigError(f"width={width}: expected {LEAST} to {LARGEST} px, or 0 for as drawn")
    play = read_source(found)
    cameras = chosen_cameras(found.get("camera"), play)
    require_room(play, cameras)
    out = out or Path("runs") / f"splat-{play.name}"
    if ending in FILMS:
        moments = _film_moments(found.get("time"), play, fps)
        _film(play, moments, (cameras, shows), out, fps=fps, width=width)
    else:
        moments = _still_moments(found.get("time"), play)
        _stills(play, moments, (cameras, shows), out, width=width)
    return 0


def require_room(play: Play, cameras: Sequence[str]) -> None:
    """Refuse pictures that do not fit into memory, with the number.

    Raises:
        DataError: they do not.
    """
    from drivelab.sim.sensors.lens import undistorted_camera
    from drivelab.sim.splats.memory import RENDERED, require_memory

    drawn = [undistorted_camera(play.rig.camera(name)) for name in cameras]
    # Red, green, blue, depth, cover, labels, and as much again for what is made of them
    pixels = 2 * 24 * sum(spec.width * spec.height for spec in drawn)
    shown = len(play.sight(play.nearest(0.0)).scene.static)
    require_memory(RENDERED * shown + pixels, file=play.name, what=f"{len(drawn)} pictures")


def _stills(
    play: Play, moments: Sequence[int], views: tuple[Sequence[str], Sequence[str]], out: Path,
    *, width: int,
) -> None:  # fmt: skip
    """One sheet, or a folder with a file for every camera, moment and thing shown."""
    from PIL import Image

    from drivelab.reports.splat_panels import mosaic, panels
    from drivelab.sim.splats.writing import replace_file

    cameras, shows = views
    if out.suffix:
        if len(moments) != 1:
            raise ConfigError(f"out={out} is one picture of {len(moments)} moments; name a folder")
        sheet = _fitted(mosaic(panels(play.sight(moments[0]), cameras, show=shows)), width)
        kind = "PNG" if out.suffix.lower() == ".png" else "JPEG"
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(out, lambda part: sheet.save(part, kind))
        print(f"{out}: {play.title}, {play.times[moments[0]]:.1f} s, {', '.join(cameras)}")
        return
    out.mkdir(parents=True, exist_ok=True)
    for n in moments:
        for (camera, what), picture in panels(play.sight(n), cameras, show=shows).items():
            file = out / f"{play.times[n]:06.2f}s-{camera}-{what}.png"
            image = _fitted(Image.fromarray(picture), width)
            replace_file(file, lambda part, image=image: image.save(part, "PNG"))  # type: ignore[misc]
    count = len(moments) * len(cameras) * len(shows)
    print(f"{out}: {count} pictures of {play.title}")


def _film(
    play: Play, moments: Sequence[int], views: tuple[Sequence[str], Sequence[str]], out: Path,
    *, fps: int, width: int,
) -> None:  # fmt: skip
    from drivelab.reports.splat_film import write_film
    from drivelab.reports.splat_panels import mosaic, panels

    cameras, shows = views

    def frames() -> Iterator[Image.Image]:
        for n in moments:
            yield _fitted(mosaic(panels(play.sight(n), cameras, show=shows)), width)

    write_film(frames(), out, fps=fps, total=len(moments), progress=_teller())
    print(f"{out}: {len(moments)} frames, {out.stat().st_size / 1e6:.1f} MB, {play.title}")


def _teller() -> Callable[[int, int], None]:
    """Says every tenth on stderr."""
    start, told = monotonic(), 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if 10 * done // total > told:
            told = 10 * done // total
            spent = monotonic() - start
            print(f"{10 * told:3d} %  {done}/{total} frames, {spent:.0f} s", file=sys.stderr)

    return tell


def _shows(text: str) -> tuple[str, ...]:
    from drivelab.reports.splat_panels import SHOWS

    shows = tuple(dict.fromkeys(text.split(",")))
    for name in shows:
        if name not in SHOWS:
            raise ConfigError(
                f"show={name}{nearest_name(name, SHOWS)}; expected some of {', '.join(SHOWS)}"
            )
    return shows


def chosen_cameras(text: str | None, play: Play) -> tuple[str, ...]:
    """Those named, `all`, or the three at the front where the rig has them."""
    known = tuple(play.rig.cameras)
    if text == "all":
        return known
    if text is None:
        return FRONT if set(FRONT) <= set(known) else known[:1]
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        play.rig.camera(name)
    return names


def _still_moments(text: str | None, play: Play) -> list[int]:
    if text is None:
        return [play.nearest(0.0)]
    if ":" in text:
        return _between(text, play)
    times = [number({"time": part}, "time", 0.0) for part in text.split(",")]
    for time in times:
        _inside(time, text, play)
    return list(dict.fromkeys(map(play.nearest, times)))


def _film_moments(text: str | None, play: Play, fps: int) -> list[int]:
    """The recorded moments next to the film's, so that it runs in real time."""
    recorded = _between(text or f"{max(0.0, play.times[0])}:{play.times[-1]}", play)
    first, last = play.times[recorded[0]], play.times[recorded[-1]]
    count = round((last - first) * fps) + 1
    if count > MOST:
        raise ConfigError(
            f"a film of {count} frames; expected {MOST} at most: shorten time= or fps="
        )
    return [play.nearest(first + n / fps) for n in range(count)]


def _between(text: str, play: Play) -> list[int]:
    start, colon, stop = text.partition(":")
    ends: Mapping[str, str] = {"from": start, "to": stop}
    if not colon or not start or not stop:
        raise ConfigError(f"time={text}: expected FROM:TO in seconds, such as 0:8")
    first, last = number(ends, "from", 0.0), number(ends, "to", 0.0)
    for time in (first, last):
        _inside(time, text, play)
    found = np.flatnonzero((play.times >= first - 1e-6) & (play.times <= last + 1e-6))
    if not len(found):
        raise ConfigError(f"time={text}: no recorded moment in between")
    return found.tolist()


def _inside(time: float, text: str, play: Play) -> None:
    first, last = play.times[0], play.times[-1]
    if not first - 1e-3 <= time <= last + 1e-3:
        raise ConfigError(f"time={text}: {play.name} is from {first:.1f} to {last:.1f} s")


def _fitted(image: Image.Image, width: int) -> Image.Image:
    """At the width asked for, or as it is."""
    if not width or width == image.width:
        return image
    from PIL import Image as Pillow

    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Pillow.Resampling.LANCZOS)
