"""`drivelab train vocabulary`: recorded trajectories -> the entries that VADv2 chooses among."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.agents.learned.sight import blind
from drivelab.cli.imitation_run import _aloud, _quiet, filled, lesson_of
from drivelab.errors import ConfigError
from drivelab.training.imitation.vocabulary import check_vocabulary, write_vocabulary


def vocabulary_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    numbers = {}
    for name, least in (("entries", 2), ("poses", 1)):
        numbers[name] = value = config[name]
        if type(value) is not int or value < least:
            raise ConfigError(f"{name}={value!r}: expected a whole number, {least} or more")
    dt, out = config["dt"], Path(str(config["out"]))
    if isinstance(dt, bool) or not isinstance(dt, int | float) or dt <= 0:
        raise ConfigError(f"dt={dt!r}: expected seconds above 0")
    check_vocabulary(numbers["entries"], out)  # before features are built for nothing
    say = _quiet if config["quiet"] else _aloud
    lesson = lesson_of(config, blind(numbers["poses"], dt), tried=1)
    lesson = filled(lesson, config["builders"], say)
    print(write_vocabulary(lesson.train, lesson.train_ids, numbers["entries"], out))
    return 0
