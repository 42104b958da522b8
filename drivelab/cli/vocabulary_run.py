"""`drivelab train vocabulary`: recorded trajectories -> the entries that VADv2 chooses among."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivelab.agents.learned.sight import blind
from drivelab.cli.anchors_run import new_array_file, step_of, whole_numbers
from drivelab.cli.console import speaker
from drivelab.cli.imitation_run import filled, lesson_of
from drivelab.training.imitation.vocabulary import check_vocabulary, write_vocabulary


def vocabulary_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    numbers = whole_numbers(config, {"entries": 2, "poses": 1})
    dt, out = step_of(config), new_array_file(config)
    check_vocabulary(numbers["entries"], out)  # before features are built for nothing
    say = speaker(config)
    lesson = lesson_of(config, blind(numbers["poses"], dt), tried=1)
    lesson = filled(lesson, config["builders"], say)
    print(write_vocabulary(lesson.train, lesson.train_ids, numbers["entries"], out))
    return 0
