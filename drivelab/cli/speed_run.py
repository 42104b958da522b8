"""The work of `drivelab bench`: read the words, measure, print, and keep what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, MissingExtra, nearest_name

if TYPE_CHECKING:
    from drivelab.speed.row import Row

DTYPES = ("float32", "float64", "bfloat16", "float16")
_BOTH = ("device", "dtype", "threads", "out")


def bench_kernels(words: Sequence[str]) -> int:
    """Time the sequence ops."""
    asked = read_words(words, ("ops", "lengths", *_BOTH))
    _need_torch()
    from drivelab.speed.kernels import LENGTHS, OPS, measure

    ops = _names(asked, "ops", OPS)
    lengths = _numbers(asked, "lengths", LENGTHS)
    device, dtype = _device(asked), _dtype(asked)
    rows = _all(measure(ops, lengths, device, dtype))
    jobs = list(dict.fromkeys(row.job for row in rows if row.job.startswith(ops[0])))
    return _tell(rows, "tokens", "bench-kernels", jobs, device, asked)


def bench_encoders(words: Sequence[str]) -> int:
    """Time whole encoders."""
    asked = read_words(words, ("encoders", "pixels", *_BOTH))
    _need_torch()
    from drivelab.speed.encoders import NAMES, PIXELS, USUAL, comparisons, measure

    names = _names(asked, "encoders", NAMES) if "encoders" in asked else list(USUAL)
    pixels = _numbers(asked, "pixels", PIXELS)
    device, dtype = _device(asked), _dtype(asked)
    rows = _all(measure(names, pixels, device, dtype))
    code = _tell(rows, "pixels", "bench-encoders", [rows[0].job], device, asked)
    print(*comparisons(rows), sep="\n")
    return code


def _all(rows: Iterable[Row]) -> list[Row]:
    """Rows, each told when it is there: the long ones take a while."""
    from rich.console import Console

    found = []
    with Console(stderr=True).status("measuring") as status:
        for row in rows:
            found.append(row)
            status.update(f"{row.job}, {row.size}: {row.runner} {row.ms:.3g} ms")
    return found


def _tell(
    rows: list[Row], unit: str, name: str, jobs: list[str], device: str, asked: dict[str, str]
) -> int:
    from rich.console import Console

    from drivelab.speed.table import draw_rows, machine, print_rows, write_rows

    facts = machine(device)
    console = Console()
    print_rows(rows, unit, console)
    console.print(", ".join(f"{key} {value}" for key, value in facts.items()))
    if "out" in asked:
        folder = Path(asked["out"])
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(rows, facts, folder / f"{name}.json")
        draw_rows(rows, jobs, unit, folder / f"{name}.png")
        console.print(f"{folder / name}.json, {folder / name}.png")
    return 0


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
    return list(chosen)


def _numbers(asked: dict[str, str], key: str, usual: Sequence[int]) -> list[int]:
    if key not in asked:
        return list(usual)
    words = [one.strip() for one in asked[key].strip("[]").split(",")]
    if not all(word.isdigit() and 0 < int(word) <= 2**20 for word in words):
        raise ConfigError(f"{key}={asked[key]}: expected whole numbers from 1 on, as 196,1024")
    return [int(word) for word in words]


def _device(asked: dict[str, str]) -> str:
    import torch

    name = asked.get("device", "cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device={name}: expected cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: torch sees no GPU here; use device=cpu")
    threads = asked.get("threads", "1")
    if not threads.isdigit() or int(threads) < 1:
        raise ConfigError(f"threads={threads}: expected a whole number from 1 on")
    torch.set_num_threads(int(threads))
    return name


def _dtype(asked: dict[str, str]) -> Any:
    import torch

    name = asked.get("dtype", "float32")
    if name not in DTYPES:
        raise ConfigError(f"dtype={name}: expected one of {', '.join(DTYPES)}")
    return getattr(torch, name)
