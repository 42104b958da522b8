"""Hydra: a checked request -> one plain config, or a sweep of them."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from drivelab.cli.choices import CUSTOM, OWN_CONF, conf_packages
from drivelab.cli.overrides import Request
from drivelab.errors import ConfigError, DrivelabError

# Hydra makes no folders and no log files of its own.
STILL = (
    "hydra.run.dir=.",
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
)
NAMES = "names"


def compose(verb: str, request: Request) -> dict[str, Any]:
    """Compose the config of a verb; `names` holds the choice made in each group."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_module
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    _prepare(request)
    overrides = [*request.overrides, *_search_path(request)]
    try:
        with warnings.catch_warnings(), initialize_config_module(OWN_CONF, version_base="1.3"):
            warnings.simplefilter("ignore")  # Hydra's own, about its own
            config = hydra_compose(verb, overrides, return_hydra_config=True)
            choices = dict(config.hydra.runtime.choices)
            content = OmegaConf.to_container(OmegaConf.masked_copy(config, _own_keys(config)))
        return _with_names(content, choices)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"the options do not fit together: {error}") from error


def sweep(verb: str, request: Request, job: Callable[[dict[str, Any]], int]) -> int:
    """Hand over to Hydra's own command line for its flags; the worst exit code of all jobs."""
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import DictConfig, OmegaConf

    _prepare(request)
    codes = [0]

    def task(config: DictConfig) -> None:
        choices = dict(HydraConfig.get().runtime.choices)
        content = OmegaConf.to_container(config)
        try:
            codes.append(job(_with_names(content, choices)))
        except DrivelabError as error:
            print(f"drivelab: {error}", file=sys.stderr)
            codes.append(2)

    words = [*request.flags, *request.overrides, *STILL, *_search_path(request)]
    command = hydra.main(version_base="1.3", config_path=f"pkg://{OWN_CONF}", config_name=verb)
    with tempfile.TemporaryDirectory() as folder:  # Hydra writes what it swept over
        sys.argv = [sys.argv[0], *words, f"hydra.sweep.dir={folder}"]
        try:
            command(task)()
        except SystemExit:  # Hydra has said why; its own code means something else here
            return 2
    return max(codes)


def _prepare(request: Request) -> None:
    if request.own_class and "" not in sys.path:
        sys.path.insert(0, "")  # the user's own module may lie in the current folder


def _search_path(request: Request) -> list[str]:
    packages, broken = conf_packages()
    for name, reason in broken.items():
        print(f"drivelab: plug-in {name!r} is left out: {reason}", file=sys.stderr)
    if not packages or any(o.startswith("hydra.searchpath") for o in request.overrides):
        return []
    return [f"hydra.searchpath=[{','.join(f'pkg://{package}' for package in packages)}]"]


def _own_keys(config: Any) -> list[str]:
    return [str(key) for key in config if key != "hydra"]


def _with_names(content: Any, choices: Mapping[str, Any]) -> dict[str, Any]:
    names = {}
    for group, choice in choices.items():
        if "/" in group or not isinstance(content.get(group), dict):
            continue  # not a part of the config, or one word
        target = str(content[group].get("_target_", ""))
        names[group] = _class_name(target) if choice == CUSTOM else str(choice)
    return {NAMES: names, **content}


def _class_name(target: str) -> str:
    """A short name for folders and tables: the class, without its module."""
    return target.replace(":", ".").rpartition(".")[2]
