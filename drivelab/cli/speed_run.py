"""The work of `drivelab bench`: read the words, measure, print, and keep what was asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, MissingExtra, nearest_name

if TYPE_CHECKING:
    from drivelab.speed.row import Row

DTYPES = ("float32", "float64", "bfloat16", "float16")
_BOTH = ("device", "dtype", "threads", "out")
_MOST = 2**20  # of any number in the words


def bench_kernels(words: Sequence[str]) -> int:
    """Time the sequence ops."""
    asked = read_words(words, ("ops", "lengths", "heads", "width", *_BOTH))
    _need_torch()
    from drivelab.speed.kernels import HEADS, LENGTHS, OPS, WIDTH, measure, op_of

    ops = _names(asked, "ops", OPS)
    lengths = _numbers(asked, "lengths", LENGTHS)
    heads, width = _number(asked, "heads", HEADS), _number(asked, "width", WIDTH)
    device, dtype, folder = _device(asked), _dtype(asked), _folder(asked)
    found = measure(ops, lengths, device, dtype, heads=heads, width=width)
    rows, stopped = _all(found)
    drawn = list(dict.fromkeys(row.job for row in rows if op_of(row) == ops[0]))
    sizes = {"heads": heads, "width": width, "dtype": _short(dtype)}
    _tell(Told("bench-kernels", "tokens", rows, drawn, device, sizes), folder)
    return _end(rows, stopped)


def bench_encoders(words: Sequence[str]) -> int:
    """Time whole encoders."""
    asked = read_words(words, ("encoders", "pixels", *_BOTH))
    _need_torch()
    from drivelab.speed.encoders import JOB, NAMES, PIXELS, USUAL, comparisons, measure

    names = _names(asked, "encoders", NAMES) if "encoders" in asked else list(USUAL)
    pixels = _numbers(asked, "pixels", PIXELS)
    device, dtype, folder = _device(asked), _dtype(asked), _folder(asked)
    rows, stopped = _all(measure(names, pixels, device, dtype))
    facts = {"dtype": _short(dtype)}
    _tell(Told("bench-encoders", "pixels", rows, [JOB], device, facts), folder)
    for line in comparisons(rows):
        print(line)
    return _end(rows, stopped)


@dataclass(frozen=True, slots=True)
class Told:
    """What a run has to tell."""

    name: str  # of its files
    unit: str  # of the sizes
    rows: list[Row]
    drawn: list[str]  # jobs in the chart
    device: str
    facts: dict[str, Any]  # beside those of the machine


def _all(rows: Iterable[Row]) -> tuple[list[Row], BaseException | None]:
    """Rows, each told when it is there, and what ended them early: those before it are kept."""
    from rich.console import Console

    found: list[Row] = []
    with Console(stderr=True).status("measuring") as status:
        try:
            for row in rows:
                found.append(row)
                status.update(f"{row.job}, {row.size}: {row.runner} {row.ms:.3g} ms")
        except (KeyboardInterrupt, Exception) as error:
            return found, error
    return found, None


def _end(rows: list[Row], stopped: BaseException | None) -> int:
    """Exit code; what ended the rows early is raised again once those so far are kept."""
    if stopped is None:
        return 0
    print(f"drivelab: stopped; the {len(rows)} rows above are all so far", file=sys.stderr)
    raise stopped


def _folder(asked: dict[str, str]) -> Path | None:
    """Where files go to, made before anything is measured."""
    if "out" not in asked:
        return None
    folder = Path(asked["out"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"out={asked['out']}: cannot be made ({error.strerror}); expected a folder to write to"
        ) from error
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"out={asked['out']}: cannot be written to; expected another folder")
    return folder


def _tell(told: Told, folder: Path | None) -> None:
    """Print what there is, and keep it."""
    from rich.console import Console

    from drivelab.speed.table import draw_rows, machine, print_rows, write_rows

    if not told.rows:
        return
    facts = {**machine(told.device), **told.facts}
    console = Console()
    print_rows(told.rows, told.unit, console)
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    if folder is not None:
        write_rows(told.rows, facts, folder / f"{told.name}.json")
        draw_rows(told.rows, told.drawn, told.unit, folder / f"{told.name}.png")
        console.print(f"{folder / told.name}.json, {folder / told.name}.png")


def _need_torch() -> None:
    if find_spec("torch") is None:
        raise MissingExtra("torch", extra="nn")


def _names(asked: dict[str, str], key: str, known: Sequence[str]) -> list[str]:
    chosen = [one.strip() for one in asked[key].strip("[]").split(",")] if key in asked else known
    for name in chosen:
        if name not in known:
            raise ConfigError(
                f"{key}={name}: expected some of {', '.join(known)}{nearest_name(name, known)}"
            )
    return list(dict.fromkeys(chosen))


def _numbers(asked: dict[str, str], key: str, usual: Sequence[int]) -> list[int]:
    if key not in asked:
        return list(usual)
    words = [one.strip() for one in asked[key].strip("[]").split(",")]
    if not all(_is_count(word) for word in words):
        raise ConfigError(f"{key}={asked[key]}: expected whole numbers from 1 on, as 196,1024")
    return list(dict.fromkeys(int(word) for word in words))


def _number(asked: dict[str, str], key: str, usual: int) -> int:
    word = asked.get(key, str(usual))
    if not _is_count(word):
        raise ConfigError(f"{key}={word}: expected a whole number from 1 on")
    return int(word)


def _is_count(word: str) -> bool:
    """Whether a word is a number from 1 on; digits of other scripts and exponents are none."""
    few = word.isascii() and word.isdigit() and len(word) <= len(str(_MOST))
    return few and 0 < int(word) <= _MOST


def _short(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _device(asked: dict[str, str]) -> str:
    import torch

    name = asked.get("device", "cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device={name}: expected cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: torch sees no GPU here; use device=cpu")
    torch.set_num_threads(_number(asked, "threads", 1))
    return name


def _dtype(asked: dict[str, str]) -> Any:
    import torch

    name = asked.get("dtype", "float32")
    if name not in DTYPES:
        raise ConfigError(f"dtype={name}: expected one of {', '.join(DTYPES)}")
    return getattr(torch, name)
