"""`drivelab new agent NAME`: start an agent of your own, with config, card and golden test."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Sequence
from importlib.metadata import packages_distributions
from pathlib import Path

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

USAGE = """usage: drivelab new agent NAME [--dir DIR]

Writes a working agent with its config, card and golden test. In a checkout of drivelab it becomes
agents/NAME, conf/agent/NAME.yaml and tests/test_agent_NAME.py; anywhere else (or with --dir) a
folder NAME of its own. Nothing that exists is overwritten."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    found = read_words(words, ("dir",), places=("what", "NAME"))
    if found.get("what") != "agent" or "NAME" not in found:
        raise ConfigError("expected: drivelab new agent NAME")
    name = found["NAME"]
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ConfigError(f"{name!r} is no module name: expected small letters, digits and _")
    here = Path(found.get("dir", "."))
    inside = "dir" not in found and _is_checkout(here)
    if not inside and _is_taken(name):
        raise ConfigError(f"{name!r} is a module that is installed here: choose another name")
    files = write_agent(name, here, inside_checkout=inside)
    print("\n".join(str(file) for file in files))
    chosen = name if inside else f"{name}.agent:{class_name(name)}"
    where = "" if here == Path(".") else f"cd {here} && "
    print(f"next: {where}drivelab eval agent={chosen} bench=navsim data=embedded limit=20")
    return 0


def write_agent(name: str, folder: Path, *, inside_checkout: bool) -> list[Path]:
    """Write the files of a new agent and return them."""
    home = folder / "agents" / name if inside_checkout else folder / name
    places = {
        "agent.py": home / "agent.py",
        "init.py": home / "__init__.py",
        "agent.yaml": folder / "conf/agent" / f"{name}.yaml"
        if inside_checkout
        else home / f"{name}.yaml",
        "README.md": home / "README.md",
        "test_agent.py": (folder / "tests" if inside_checkout else home) / f"test_agent_{name}.py",
    }
    there = [str(place) for place in places.values() if place.exists()]
    if there:
        raise ConfigError(f"{there[0]} exists already: choose another name, or remove it first")
    module = f"drivelab.agents.{name}.agent" if inside_checkout else f"{name}.agent"
    for template, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        names = {"name": name, "module": module, "kind": class_name(name)}
        place.write_text(_render(template, inside=inside_checkout, **names))
    return list(places.values())


def class_name(name: str) -> str:
    """`my_agent` -> `MyAgent`."""
    return "".join(part.capitalize() for part in name.split("_"))


def _is_taken(name: str) -> bool:
    """Whether a folder of this name would hide a module of Python or of an installed package."""
    return name in sys.stdlib_module_names or name in packages_distributions()


def _is_checkout(folder: Path) -> bool:
    return (folder / "conf/agent").is_dir() and (folder / "drivelab/cli").is_dir()


def _render(template: str, **names: str | bool) -> str:
    from importlib.resources import files

    import jinja2

    text = (files("drivelab.cli") / "templates" / f"{template}.j2").read_text()
    # Code, not HTML; the names were checked to be identifiers.
    environment = jinja2.Environment(
        keep_trailing_newline=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(text).render(**names)
