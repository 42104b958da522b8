"""One export from the command line, with real features from the embedded split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivelab.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    import numpy as np

    from drivelab.agents.learned.sight import Sight
    from drivelab.bridges.export.subjects import Subject


def run_export(found: Mapping[str, str]) -> int:
    """Write the files and say how near they are to the network."""
    from drivelab.cli.run import one_thread

    one_thread()
    batch, scenes = _whole(found, "batch", 1, least=1), _whole(found, "scenes", 2, least=0)
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtra("torch", extra="export") from error
    from drivelab.bridges.export.write import ExportSettings, export

    settings = ExportSettings(
        agent=found["agent"],
        form=found["format"],
        out=Path(found["out"]),
        checkpoint=Path(found["checkpoint"]) if found.get("checkpoint") else None,
        preset=found.get("preset") or None,
        batch=batch,
    )
    done = export(settings, lambda subject, size: real_features(subject, size, scenes))
    parity = done.parity
    told = ", ".join(f"{name} {value:.1e}" for name, value in parity.differences.items())
    print(f"{done.file}: {done.parameters:,} parameters, batch of {batch}; see {done.sidecar}")
    print(
        f"largest difference to PyTorch: {told} (limit 1e-4), over {parity.random_batches} random "
        f"and {parity.real_batches} real batches"
    )
    if not parity.real_batches:
        print("NOT held against real features: scenes=0, or no rig gives images of this size")
    return 0


def real_features(subject: Subject, batch: int, scenes: int) -> list[dict[str, np.ndarray]]:
    """Features of scenes of labmini, each repeated to fill a batch; noise is left out."""
    from drivelab.agents.features import features_of, rig_of
    from drivelab.agents.features.status import ego_mlp_status
    from drivelab.data.observation import build_observation

    sight = _sight(subject)
    if not scenes or sight is None:
        return []
    options, source = sight.features, _source(sight.rig)
    ids = source.scene_ids()
    rows = []
    for scene in ids[:: max(len(ids) // scenes, 1)][:scenes]:
        features = features_of(build_observation(source.load(scene), rig_of(options)), options)
        if subject.agent == "ego_mlp":
            features = {"ego_status": ego_mlp_status(features["status_feature"])}
        rows.append({name: _repeated(array, batch) for name, array in features.items()})
    return rows


def _sight(subject: Subject) -> Sight | None:
    """How features are built for a network and which rig is drawn; None where none fits."""
    from drivelab.agents.learned.sight import blind, sight_of

    config = subject.network.config
    if subject.agent == "ego_mlp":
        return blind(config.poses, config.dt)
    try:
        return sight_of(config)
    except ConfigError:
        return None


def _source(rig: str | None) -> Any:
    from drivelab.evaluation.benches.navsim import NavsimBench

    if rig is None:
        return NavsimBench(data="embedded").source()
    return NavsimBench(data="embedded", sensors="on", rig=rig).source()


def _repeated(array: np.ndarray, batch: int) -> np.ndarray:
    import numpy as np

    return np.repeat(array[None], batch, axis=0)


def _whole(found: Mapping[str, str], key: str, default: int, *, least: int) -> int:
    text = found.get(key, str(default))
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{key}={text}: expected a whole number, {least} or more")
    return int(text)
