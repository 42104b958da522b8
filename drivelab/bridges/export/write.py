"""From a checkpoint to a file that runs without drivelab, and a JSON that explains it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from drivelab import __version__
from drivelab.bridges.export.formats import OPENERS, SUFFIXES, WRITERS, require
from drivelab.bridges.export.parity import LIMIT, Features, Parity, check_parity, random_features
from drivelab.bridges.export.subjects import (
    Subject,
    TensorNote,
    inputs_of,
    load_subject,
    outputs_of,
)
from drivelab.bridges.export.traced import TRACED
from drivelab.errors import ConfigError, nearest_name

SCHEMA = 1  # of the JSON


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What to export, and how."""

    agent: str
    form: str  # onnx or pt2
    out: Path
    checkpoint: Path | None = None  # None: the weights that ship
    preset: str | None = None
    batch: int = 1  # of the file, fixed


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and how near it is to its network."""

    file: Path
    sidecar: Path
    parameters: int
    parity: Parity


RealFeatures = Callable[[Subject, int], Sequence[Features]]


def export(settings: ExportSettings, real: RealFeatures) -> Exported:
    """Write file and JSON, or neither.

    Args:
        settings: what to export.
        real: makes features of real scenes for a network and a batch size, without noise.

    Raises:
        ConfigError: an option cannot be used.
        DataError: the checkpoint cannot be read or does not fit.
        MissingExtra: the format's packages are not installed.
        ParityError: the file does not give what the network gives.
    """
    _check(settings)
    require(settings.form)
    subject = load_subject(settings.agent, checkpoint=settings.checkpoint, preset=settings.preset)
    inputs, outputs = inputs_of(subject, settings.batch), outputs_of(subject, settings.batch)
    out, sidecar = settings.out, settings.out.with_name(f"{settings.out.name}.json")
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as folder:
        part, part_json = Path(folder) / out.name, Path(folder) / sidecar.name
        version = _write(settings.form, subject, inputs, outputs, part)
        features = real(subject, settings.batch)
        parity = check_parity(subject, OPENERS[settings.form](part), inputs, outputs, features)
        told = _told(settings, subject, inputs, outputs, parity, version)
        part_json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        os.replace(part_json, sidecar)
        os.replace(part, out)
    count = sum(parameter.numel() for parameter in subject.network.parameters())
    return Exported(out, sidecar, count, parity)


def _check(settings: ExportSettings) -> None:
    form, out = settings.form, settings.out
    if form not in SUFFIXES:
        raise ConfigError(
            f"format={form}: expected {' or '.join(SUFFIXES)}{nearest_name(form, SUFFIXES)}"
        )
    if out.suffix != SUFFIXES[form]:
        raise ConfigError(f"out={out}: a file of format={form} ends in {SUFFIXES[form]}")
    if out.exists():
        raise ConfigError(f"out={out}: is there already; move it away, or name another file")
    if not out.parent.is_dir():
        raise ConfigError(f"out={out}: there is no folder {out.parent}; make it first")
    if settings.batch < 1:
        raise ConfigError(f"batch={settings.batch}: expected a whole number, 1 or more")


def _write(
    form: str,
    subject: Subject,
    inputs: Sequence[TensorNote],
    outputs: Sequence[TensorNote],
    file: Path,
) -> str:
    module = TRACED[subject.agent](subject.network)
    arrays = random_features(inputs, 0)
    example = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return WRITERS[form](module, example, [note.name for note in outputs], file)


def _told(
    settings: ExportSettings,
    subject: Subject,
    inputs: Sequence[TensorNote],
    outputs: Sequence[TensorNote],
    parity: Parity,
    version: str,
) -> dict[str, Any]:
    told = {
        "schema": SCHEMA,
        "agent": subject.agent,
        "format": settings.form,
        "format_version": version,
        "weights": {"file": subject.weights, "sha256": subject.sha256},
        "config": asdict(subject.network.config),
        "dtype": "float32",
        "inputs": [asdict(note) for note in inputs],
        "outputs": [asdict(note) for note in outputs],
        "parity": {**asdict(parity), "limit": LIMIT},
        "versions": {"drivelab": __version__, "torch": torch.__version__},
    }
    if any(note.name == "noise" for note in inputs):
        told["noise_default"] = _default_noise(subject)
    return told


def _default_noise(subject: Subject) -> list[Any] | None:
    """The agent's own noise (modes, poses, 2), the same in every scene; None: fresh each time."""
    if subject.network.config.noise_seed is None:
        return None
    drawn: list[Any] = subject.network._trajectory_head.noise(1)[0].tolist()
    return drawn
