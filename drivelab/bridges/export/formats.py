"""The two formats: how a module is written, and how a written file is run."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drivelab.errors import MissingExtra

Run = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]
SUFFIXES = {"onnx": ".onnx", "pt2": ".pt2"}


def write_onnx(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], file: Path
) -> str:
    """Write one file, weights included, and let ONNX check it; returns the opset's version."""
    onnx = _onnx()
    program = _program(module, example)
    with _quiet():
        made = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=list(example), output_names=outputs
        )
        made.save(file, external_data=False)
    onnx.checker.check_model(str(file))
    opsets = onnx.load(str(file), load_external_data=False).opset_import
    return ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in opsets)


def open_onnx(file: Path) -> Run:
    """Run a file by ONNX Runtime on the CPU."""
    runtime = _onnx("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(None, dict(inputs)))


def write_pt2(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], file: Path
) -> str:
    """Write an exported program of torch; returns torch's version. Outputs go by position."""
    written = io.BytesIO()  # torch's own writer ends the process when the disk is full
    with _quiet():
        torch.export.save(_program(module, example), written)
    file.write_bytes(written.getbuffer())
    return f"torch {torch.__version__}"


def open_pt2(file: Path) -> Run:
    """Run an exported program."""
    with _quiet():
        module = torch.export.load(file).module()

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        with torch.no_grad():
            found = module(*(torch.from_numpy(array) for array in inputs.values()))
        return [tensor.numpy() for tensor in found]

    return run


WRITERS = {"onnx": write_onnx, "pt2": write_pt2}
OPENERS = {"onnx": open_onnx, "pt2": open_pt2}


def require(form: str) -> None:
    """Refuse a format whose packages are not installed, before anything is loaded."""
    if form == "onnx":
        for package in ("onnx", "onnxscript", "onnxruntime"):
            _onnx(package)


def _program(module: nn.Module, example: Mapping[str, Tensor]) -> Any:
    with _quiet(), torch.no_grad():
        return torch.export.export(module.eval(), tuple(example.values()))


def _onnx(package: str = "onnx") -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise MissingExtra(package, extra="export") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Exporters talk to their developers, on every channel; errors still come through."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        try:
            with contextlib.redirect_stdout(nowhere):
                yield
        finally:
            logging.disable(before)
