"""`drivelab splat view`: a splat world in the browser."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.cli.splat_sources import KEYS, read_source, whole
from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

LOCAL = "127.0.0.1"


def run(words: Sequence[str]) -> int:
    """Serve it until Ctrl-C."""
    from drivelab.cli.splat_render import chosen_cameras, require_room
    from drivelab.reports.splat_viewer import SplatViewer, import_viser

    found = read_words(words, (*KEYS, "camera", "port", "host"), places=("FILE",))
    port = whole(found, "port", 8080)
    if not 1 <= port <= 65535:
        raise ConfigError(f"port={port}: expected 1 to 65535")
    import_viser()  # first: building a street takes a while
    play = read_source(found)
    cameras = chosen_cameras(found.get("camera"), play)
    require_room(play, cameras)
    viewer = SplatViewer(play, cameras, host=found.get("host", LOCAL), port=port)
    print(f"http://{found.get('host', LOCAL)}:{viewer.port}   {play.title}", flush=True)
    print("Ctrl-C ends it", flush=True)
    try:
        viewer.run()
    except KeyboardInterrupt:
        print("closed")
    finally:
        viewer.stop()
    return 0
