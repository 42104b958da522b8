"""`drivelab scenario`: check, show, run and make scenarios in YAML."""

from __future__ import annotations

import os
from collections.abc import Sequence

from drivelab.cli.words import Action, choose_action

USAGE = """usage: drivelab scenario check FILE|NAME...            every fault with its line
       drivelab scenario show FILE|NAME [seed=0] [out=FILE.png|.svg]
       drivelab scenario run FILE|NAME [agent=pdm_closed] [seed=0 | seeds=10] [controller=auto]
                             [video=FILE.mp4|false] [metric=NAME,...] [run.dir=DIR]
       drivelab scenario sample FILE|NAME [n=5] [seed=0] [out=DIR]      concrete YAML files
       drivelab scenario from-log SOURCE [ID] [out=FILE] [at=0] [duration=8]
                             [traffic=replay|scripted]
       drivelab scenario import hugsim|neuroncap FILE [out=FILE] [map=NAME]
       drivelab scenario schema [out=FILE]                  JSON Schema for editors
       drivelab scenario list [FAMILY]                      the library

A NAME is one of the library (`scenario list`). `run` drives the scenario in closed loop, writes the
rollout, a video and result.json, prints scores and expectations, and exits with 1 when an
expectation is not met. `check` without a file checks the whole library. docs/scenarios.md says
what a scenario may hold. All know data.carla_root=DIR, the place of CARLA's towns."""

CARLA_WORD = "data.carla_root="


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    actions: dict[str, Action] = {
        "check": _check,
        "show": _show,
        "run": _run,
        "sample": _sample,
        "from-log": _from_log,
        "import": _import,
        "schema": _schema,
        "list": _list,
    }
    return choose_action("scenario", words, actions)(_with_carla(words[1:]))


def _with_carla(words: Sequence[str]) -> Sequence[str]:
    """Take `data.carla_root=DIR` out of the words; scenarios find their towns there."""
    named = [word for word in words if word.startswith(CARLA_WORD)]
    if named:
        os.environ["CARLA_ROOT"] = named[-1].removeprefix(CARLA_WORD)
    return [word for word in words if word not in named]


def _check(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_texts import check

    return check(words)


def _show(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_texts import show

    return show(words)


def _run(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_run import drive_words

    return drive_words(words)


def _sample(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_texts import sample

    return sample(words)


def _from_log(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_import import from_log

    return from_log(words)


def _import(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_import import import_file

    return import_file(words)


def _schema(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_texts import schema

    return schema(words)


def _list(words: Sequence[str]) -> int:
    from drivelab.cli.scenario_texts import list_library

    return list_library(words)
