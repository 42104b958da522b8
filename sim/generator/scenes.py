"""Seed in, recorded log or scene out: the entrance of the generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivelab.data.labmini import LICENCE
from drivelab.data.recorded_log import RecordedLog
from drivelab.sim.generator.families import FAMILIES
from drivelab.sim.generator.quality import complaints
from drivelab.sim.generator.recording import Run, run_setting
from drivelab.sim.generator.setting import Setting
from drivelab.types import Scene

Family = Callable[[np.random.Generator], Setting]

FIRST_TIME = 1_600_000_000_000_000  # start of log 0 [us]
LOG_SPACING = 60_000_000  # from the start of one log to the next [us]
ATTEMPTS = 40  # settings drawn before the generator gives up


def generate_run(family: str, seed: int, *, index: int = 0) -> Run:
    """Draw settings until the human drives one well, with every step for inspection.

    All randomness comes from (seed, index, attempt): the same arguments give the same run.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown family {family!r}, choose one of {sorted(FAMILIES)}")
    reasons: list[str] = []
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng(np.random.SeedSequence([seed, index, attempt]))
        run = run_setting(
            FAMILIES[family](rng),
            name=f"{family}-{index:03d}",
            family=family,
            start_time=FIRST_TIME + index * LOG_SPACING,
        )
        found = complaints(run)
        if not found:
            return run
        reasons.append(f"attempt {attempt}: {'; '.join(found)}")
    raise RuntimeError(
        f"no good drive for family {family!r}, seed {seed}, index {index} in {ATTEMPTS} attempts: "
        + " | ".join(reasons[-3:])
    )


def generate_log(family: str, seed: int, *, index: int = 0) -> RecordedLog:
    """One recorded log: 15 frames at 2 Hz, two scenes half a second apart."""
    return generate_run(family, seed, index=index).log


def generate_scene(family: str, seed: int, *, index: int = 0, number: int = 0) -> Scene:
    """Scene `number` of a generated log."""
    log = generate_log(family, seed, index=index)
    return log.scene(number, source="generator", licence=LICENCE)
