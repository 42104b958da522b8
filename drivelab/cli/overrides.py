"""The user's words -> Hydra overrides, checked before Hydra is imported.

Short forms become long ones (`data=embedded`: `bench.data=embedded`), `agent=module:Class` becomes
the choice `custom` with that target, and a misspelt key or choice is answered at once with the
nearest name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivelab.cli.choices import CUSTOM, Choice, group_choices
from drivelab.errors import ConfigError, nearest_name

SHORT = {
    "data": "bench.data",
    "data.root": "bench.root",
    "data.carla_root": "bench.carla_root",
    "split": "bench.split",
    "traffic": "bench.traffic",
    "sensors": "bench.sensors",
    "rig": "bench.rig",
    "weather": "bench.weather",
    "street": "bench.street",
}
SHORT_BY_VERB = {  # where there is no bench
    "imitate": {"preset": "agent.preset"},
    "reinforce": {"preset": "recipe.preset"},
}
# Values that are texts of the user's own: quoted for Hydra, so that any character may stand in.
TEXTS = {"run.dir", "run.root", "proposals", "out", "scene", "bench.root", "bench.split"}
TEXTS |= {"bench.openscene_root", "bench.maps_root", "bench.rig", "agent.checkpoint", "anchors"}
TEXTS |= {"start", "cache", "data.root", "data.openscene_root", "data.maps_root", "data.split"}
TEXTS |= {"pictures.rig", "pictures.keep"}  # of `train recipe=rad`
TEXTS |= {"run", "team_name", "authors", "email", "institution", "country"}  # of `submit`
TEXTS |= {
    "bench.street",
    "source",
    "drive.cameras",
    "log.cameras",
    "drive.rig",
    "photos.images",
}  # of `reconstruct`
SPECIAL = ("hydra", "+", "~")


@dataclass(frozen=True, slots=True)
class Request:
    """Checked words of one command."""

    overrides: tuple[str, ...]
    flags: tuple[str, ...]  # Hydra's own: -m, --cfg job, ...
    own_class: bool  # a class of the user's: the current folder is searched for it


def read_request(verb: str, words: Sequence[str]) -> Request:
    """Check and translate the words after the verb."""
    config, groups = _base_config(verb)
    short = SHORT if "bench" in groups else SHORT_BY_VERB.get(verb, {})
    flags, pairs = _split(words, short)
    sweep = any(flag in ("-m", "--multirun") for flag in flags)
    chosen = dict(groups)
    overrides: list[str] = []
    open_groups: set[str] = set()
    own_class = False
    for key, value in pairs:
        if key in groups and not sweep:
            lines, chosen[key] = _choose(key, value)
            overrides += lines
            if len(lines) > 1:
                open_groups.add(key)
            own_class |= ":" in value
        elif key in groups:
            _check_swept(key, value)
            overrides.append(f"{key}={value}")
            open_groups.add(key)
    for key, value in pairs:
        if key not in groups:
            _check_key(key, config, {**chosen}, open_groups)
            overrides.append(_override(key, value, open_groups, sweep))
    return Request(tuple(overrides), tuple(flags), own_class)


def _split(
    words: Sequence[str], short: Mapping[str, str]
) -> tuple[list[str], list[tuple[str, str]]]:
    flags: list[str] = []
    pairs: list[tuple[str, str]] = []
    for word in words:
        if word.startswith("-") or (
            flags
            and flags[-1] in ("--cfg", "-c", "--info", "-i", "--package", "-p")
            and ("=" not in word)
        ):
            flags.append(word)
        elif word.startswith("~"):
            pairs.append((word, ""))
        else:
            key, equals, value = word.partition("=")
            if not equals:
                raise ConfigError(f"{word!r}: expected key=value, e.g. agent=pdm_closed limit=8")
            pairs.append((short.get(key, key), value))
    return flags, pairs


def _base_config(verb: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Keys of the verb's own YAML and the default choice of each of its groups."""
    import yaml

    import drivelab.conf

    file = Path(next(iter(drivelab.conf.__path__))) / f"{verb}.yaml"
    config = yaml.safe_load(file.read_text())
    groups: dict[str, str] = {}
    for entry in config.pop("defaults"):
        if isinstance(entry, dict):
            groups.update(entry)
    return config, groups


def _choose(group: str, value: str) -> tuple[list[str], str]:
    """Overrides that make this choice, and the name of the YAML behind it."""
    choices = group_choices(group)
    if ":" in value and CUSTOM in choices:
        return [f"{group}={CUSTOM}", f"{group}._target_={_quote(value)}"], CUSTOM
    found = choices.get(value)
    if found is None:
        names = [name for name in choices if name != CUSTOM]
        own = ", or package.module:Class" if CUSTOM in choices else ""
        raise ConfigError(
            f"{group}={value}: no such {group}{nearest_name(value, names)} "
            f"(there are: {', '.join(names)}{own})"
        )
    if found.file is None:
        return [f"{group}={CUSTOM}", f"{group}._target_={_quote(found.target)}"], CUSTOM
    return [f"{group}={value}"], value


def _check_swept(group: str, values: str) -> None:
    """Each of `a,b`; Hydra's own sweep functions (`choice(a,b)`) are left to Hydra."""
    if "(" in values:
        return
    for value in values.split(","):
        if ":" in value:
            raise ConfigError(
                f"{group}={value}: a sweep takes names only; run your own class by a command of "
                "its own, or give it a name by an entry point"
            )
        _choose(group, value.strip())


def _check_key(
    key: str, config: dict[str, Any], chosen: dict[str, str], open_groups: set[str]
) -> None:
    if key.startswith(SPECIAL):
        return
    head, _, rest = key.partition(".")
    if head in chosen:
        if head not in open_groups and rest:
            _check_option(head, rest, group_choices(head)[chosen[head]])
        return
    known = [*_paths(config), *chosen, *(s for s, long in SHORT.items() if "bench" in chosen)]
    if key not in known:
        raise ConfigError(
            f"no option {key!r}{nearest_name(key, known)} (there are: {', '.join(known)})"
        )


def _check_option(group: str, option: str, choice: Choice) -> None:
    import yaml

    if choice.file is None:
        return
    content = yaml.safe_load(choice.file.read_text()) or {}
    own = content.get(group, content)  # a file may hold options of the verb, too, beside its own
    known = _paths(own) if isinstance(own, dict) else []
    if option not in known:
        offered = [name for name in known if name != "_target_"]
        raise ConfigError(
            f"{group}={choice.name} has no option {option!r}{nearest_name(option, offered)} "
            f"(it has: {', '.join(offered) or 'none'})"
        )


def _paths(config: dict[str, Any], prefix: str = "") -> list[str]:
    paths = []
    for key, value in config.items():
        if isinstance(value, dict):
            paths += _paths(value, f"{prefix}{key}.")
        else:
            paths.append(f"{prefix}{key}")
    return paths


def _override(key: str, value: str, open_groups: set[str], sweep: bool) -> str:
    if key.startswith("~"):
        return key
    if key == "scenes" and not sweep:
        return f"scenes={_scene_list(value)}"
    if key in TEXTS and not sweep and value not in ("null", ""):
        value = _quote(value)
    added = "+" if key.partition(".")[0] in open_groups and not sweep else ""
    return f"{added}{key}={value}"


def _scene_list(value: str) -> str:
    """`[a,b]` with every id quoted: ids such as 0012 or 1e5 must stay texts."""
    if value == "null":
        return value
    inner = value.strip().removeprefix("[").removesuffix("]")
    ids = [part.strip().strip("'\"") for part in inner.split(",")]
    return f"[{','.join(_quote(part) for part in ids if part)}]"


def _quote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value
    escaped = value.replace("\\", "\\\\") if value.endswith("\\") else value
    return "'" + escaped.replace("'", "\\'") + "'"
