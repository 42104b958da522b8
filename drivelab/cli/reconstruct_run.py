"""One reconstruction from the command line: capture, learning, previews, scene, summary."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from datetime import datetime
from math import isfinite
from pathlib import Path
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any

from drivelab.cli.console import speaker
from drivelab.cli.reconstruct_pictures import draw_curve, draw_preview
from drivelab.cli.reconstruct_sources import capture_of, whole
from drivelab.errors import ConfigError
from drivelab.training.run_folder import (
    CHECKPOINT,
    SUMMARY,
    add_progress,
    keep_progress,
    open_folder,
    read_progress,
    write_json,
)

if TYPE_CHECKING:
    from drivelab.training.reconstruction.capture import Capture
    from drivelab.training.reconstruction.loop import Reconstruction
    from drivelab.training.reconstruction.quality import Quality
    from drivelab.training.reconstruction.settings import ReconstructionSettings

SCENE = "scene.splats.safetensors"
EQUAL = 100.0  # PSNR of pictures that do not differ [dB]; JSON has no infinity
# Options that change nothing of what is learnt: a run goes on with others.
_PASSING = ("names", "quiet", "minutes", "out", "threads", "look_every", "device")
Say = Callable[[str], None]


def reconstruct_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    from drivelab.agents.learned.driver import check_device
    from drivelab.evaluation.environment import describe_environment
    from drivelab.evaluation.run_folder import run_lock
    from drivelab.sim.splats.files import save_scene
    from drivelab.training.reconstruction.export import scene_of

    say: Say = speaker(config)
    _share(whole(config, "threads", 0))
    settings, every = settings_of(config), whole(config, "look_every", 1)
    minutes, device = _minutes(config), check_device(str(config["device"]))
    folder = Path(config["out"] or _new_folder(str(config["source"])))
    say(f"source: {config['source']}")
    kept = {key: value for key, value in config.items() if key not in _PASSING}
    if (folder / SUMMARY).is_file():
        open_folder(folder, kept, option="out")
        say(f"this run is finished: {folder}")
        _print(json.loads((folder / SUMMARY).read_text()), folder)
        return 0
    capture = capture_of(config)
    open_folder(folder, kept, option="out")
    with run_lock(folder):
        write_json(folder / "env.json", describe_environment(settings.seed))
        say(f"run: {folder}\n{len(capture.views)} views of {capture.views.cameras.width} x "
            f"{capture.views.cameras.height}, {len(capture.points):,} points")  # fmt: skip
        if blind := int((capture.views.seen(capture.points) == 0).sum()):
            say(f"{blind} of these views see none of the points: are all poses right?")
        run = _learned(capture, settings, folder, minutes, device, (every, say))
        save_scene(scene_of(run, capture), folder / SCENE)
        if run.step < settings.steps:
            say(f"paused at step {run.step:,}, {folder / SCENE} is as far: the same command with "
                f"out={folder} goes on")  # fmt: skip
        else:
            _finish(run, capture, config, folder)
    return 0


def settings_of(config: Mapping[str, Any]) -> ReconstructionSettings:
    """The settings of a composed config, numbers checked.

    Raises:
        ConfigError: an option is of another type, or out of its range.
    """
    from drivelab.kernels.splat import Settings
    from drivelab.sim.splats.look import FAR, NEAR
    from drivelab.training.reconstruction.settings import (
        Density,
        Mcmc,
        Rates,
        ReconstructionSettings,
        Weights,
    )

    parts = {"rates": Rates, "weights": Weights, "density": Density, "mcmc": Mcmc}
    numbers = {name: _numbers(kind, config[name], name) for name, kind in parts.items()}
    plain = _numbers(ReconstructionSettings, config, "", without=(*parts, "render"))
    try:
        found: dict[str, Any] = {name: kind(**numbers[name]) for name, kind in parts.items()}
        return ReconstructionSettings(**plain, **found, render=Settings(near=NEAR, far=FAR))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _numbers(
    kind: Any, config: Mapping[str, Any], prefix: str, without: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The fields of a dataclass, each of the type that it says."""
    found: dict[str, Any] = {}
    for option in fields(kind):
        if option.name in without:
            continue
        value, key = config[option.name], f"{prefix}.{option.name}".lstrip(".")
        if option.type == "str":
            found[option.name] = str(value)
        elif option.type == "int":
            found[option.name] = whole({key: value}, key, 0)
        elif isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise ConfigError(f"{key}={value}: expected a number")
        else:
            found[option.name] = float(value)
    return found


def _learned(
    capture: Capture, settings: ReconstructionSettings, folder: Path, minutes: float | None,
    device: str, how: tuple[int, Say],
) -> Reconstruction:  # fmt: skip
    """Learn until it is done or the time is over, with a look every so many steps."""
    from drivelab.training.checkpoint import load_facts
    from drivelab.training.reconstruction.loop import reconstruct

    (every, say), start, busy = how, monotonic(), process_time()
    facts = load_facts(folder / CHECKPOINT)
    keep_progress(folder, facts["step"] if facts else 0)
    rows = read_progress(folder)
    before = (rows[-1]["seconds"], rows[-1]["cpu_seconds"]) if rows else (0.0, 0.0)
    losses: list[float] = []

    def look(run: Reconstruction, loss: float) -> bool:
        losses.append(loss)
        if run.step % every == 0 or run.step == settings.steps:
            row = _row(run, losses)
            row["seconds"] = round(before[0] + monotonic() - start, 1)
            row["cpu_seconds"] = round(before[1] + process_time() - busy, 1)
            add_progress(folder, row)
            draw_preview(run, folder / "previews" / f"{run.step:06d}.jpg")
            say(_line(row, settings.steps))
            losses.clear()
        return minutes is None or monotonic() - start < 60.0 * minutes

    points, colours, nodes = capture.seeds()
    return reconstruct(
        capture.views, points, colours, settings, folder / CHECKPOINT, nodes=nodes, device=device,
        look=look,
    )  # fmt: skip


def _row(run: Reconstruction, losses: list[float]) -> dict[str, Any]:
    quality = run.judge()
    return {
        "updates": run.step,
        "loss": round(sum(losses) / len(losses), 5),
        "gaussians": len(run.model),
        **_rounded(quality),
    }


def _rounded(quality: Quality) -> dict[str, Any]:
    """PSNR and SSIM, None where nothing was held out."""
    if not quality.views:
        return {"psnr": None, "ssim": None}
    return {"psnr": round(min(quality.psnr, EQUAL), 3), "ssim": round(quality.ssim, 4)}


def _line(row: Mapping[str, Any], steps: int) -> str:
    held = "" if row["psnr"] is None else f"  {row['psnr']:5.2f} dB  SSIM {row['ssim']:.3f}"
    left = row["seconds"] / row["updates"] * (steps - row["updates"])
    return (
        f"{row['updates']:>6,}/{steps:,}{held}  loss {row['loss']:.4f}  "
        f"{row['gaussians']:,} Gaussians  {row['seconds']:.0f} s, {left:.0f} s to go"
    )


def _finish(run: Reconstruction, capture: Capture, config: Mapping[str, Any], folder: Path) -> None:
    from drivelab.evaluation.fingerprint import versions
    from drivelab.training.reconstruction.quality import copied

    rows, quality = read_progress(folder), run.judge()
    nearest = _rounded(copied(capture.views, run.settings.hold_out))
    draw_curve(rows, nearest["psnr"], folder / "curve.png")
    cameras = capture.views.cameras
    summary = {
        "schema": 1,
        "verb": "reconstruct",
        "source": config["source"],
        "licence": capture.licence,
        "views": len(capture.views),
        "held_out": quality.views,
        "size": [cameras.width, cameras.height],
        "points": len(capture.points),
        "gaussians": len(run.model),
        "steps": run.step,
        **_rounded(quality),
        "nearest": nearest,
        "rivals": _rivals(capture),
        "seconds": rows[-1]["seconds"],
        "cpu_seconds": rows[-1]["cpu_seconds"],
        "settings": asdict(run.settings),
        "scene": SCENE,
        "versions": versions(),
    }
    write_json(folder / SUMMARY, summary)  # last: a run with a summary is finished
    _print(summary, folder)


def _rivals(capture: Capture) -> dict[str, Any]:
    """What other ways to make the held-out views reach."""
    import torch

    from drivelab.training.reconstruction.quality import judged

    found = {}
    for name, made in capture.rivals.items():

        def picture(n: int, made: Mapping[int, Any] = made) -> Any:
            return torch.as_tensor(made[n])

        found[name] = _rounded(judged(capture.views, list(made), picture))
    return found


def _print(summary: Mapping[str, Any], folder: Path) -> None:
    near, held = summary["nearest"], summary["held_out"]
    busy = f"{summary['seconds']:.0f} s ({summary['cpu_seconds']:.0f} s of processor time)"
    print(
        f"{folder / SCENE}: {summary['gaussians']:,} Gaussians, {summary['steps']:,} steps, {busy}"
    )
    if held:
        rows = {f"{held} held-out view{'s' * (held > 1)}": summary, "nearest view copied": near}
        for name, row in {**rows, **summary["rivals"]}.items():
            print(f"{name:<28} PSNR {row['psnr']:.2f} dB  SSIM {row['ssim']:.3f}")


def _minutes(config: Mapping[str, Any]) -> float | None:
    value = config["minutes"]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"minutes={value}: expected a number above 0, or null")
    return float(value)


def _new_folder(source: str) -> Path:
    name = source.partition(":")[2].rstrip("/").rpartition("/")[2] or "scene"
    return Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-reconstruct-{name}"


def _share(threads: int) -> None:
    """Set how many threads draw, before the first one is asked for."""
    if threads:
        os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
