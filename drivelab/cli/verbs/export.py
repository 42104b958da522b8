"""`drivelab export`: a learned agent's network as a file that runs without drivelab."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

USAGE = """usage: drivelab export agent=diffusiondrive|transfuser|ego_mlp format=onnx|pt2 out=FILE
                       [checkpoint=FILE] [preset=mini|full] [batch=1] [scenes=2]

Writes FILE (.onnx, or .pt2 of torch.export) and FILE.json: inputs, outputs, shapes, units, frames.
The batch size is fixed. The noise of DiffusionDrive is an input; FILE.json holds the agent's own.
The file is run beside the PyTorch network, on random features and on those of `scenes=` scenes of
labmini; beyond a difference of 1e-4 nothing is kept. Without checkpoint= the weights that ship.
Needs the extra export: pip install 'drivelab[export]'."""

KEYS = ("agent", "format", "out", "checkpoint", "preset", "batch", "scenes")


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    found = read_words([_short(word) for word in words], KEYS)
    missing = [f"{key}=" for key in ("agent", "format", "out") if not found.get(key)]
    if missing:
        raise ConfigError(f"export needs {', '.join(missing)}: drivelab export --help")
    from drivelab.cli.export_run import run_export

    return run_export(found)


def _short(word: str) -> str:
    """`agent.checkpoint=` and `agent.preset=`, as other verbs write them, are understood too."""
    bare = word.removeprefix("agent.")
    return bare if bare.startswith(("checkpoint=", "preset=")) else word
