"""Where an agent's weights come from: a file of the user's, or the ones that ship."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from drivelab.agents.learned.checkpoint import config_of, load_network, read_metadata, told_kind
from drivelab.errors import ConfigError, DataError
from drivelab.registry import load_object

BUNDLED = "mini"  # the preset whose weights ship
PUBLISHED = "full"  # the preset that published checkpoints are of
DRIVING = frozenset({"draws", "noise_share", "choice"})  # how a network drives, of any size
BUILT_IN = ("image_encoder", "latent")  # options that decide which tensors there are


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of network.

    Attributes:
        name: of its agent.
        config: its configuration's class, `module:Class`.
        network: its class, `module:Class`.
        presets: it has some.
        taught: what `drivelab train` is told to teach one; None: `agent=NAME`.
    """

    name: str
    config: str
    network: str
    presets: bool = True
    taught: str | None = None

    def make(self, config: Any) -> Any:
        """A network of a configuration, with random weights."""
        return load_object(self.network)(config)

    def preset(self, name: str, changes: Mapping[str, Any]) -> Any:
        """The configuration of a preset, some fields changed."""
        kind = load_object(self.config)
        return kind.preset(name, **changes) if self.presets else kind(**changes)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network with its weights.

    Attributes:
        network: ready for inference.
        told: where the weights are from, in a line.
        sha256: of their file.
    """

    network: Any
    told: str
    sha256: str


def load_weights(
    family: Family, *, preset: str | None, checkpoint: str | None, changes: Mapping[str, Any],
    fixed: Sequence[str] = BUILT_IN, bundled: str = BUNDLED,
) -> Loaded:  # fmt: skip
    """The network of a file, or of the weights that ship.

    Args:
        family: what it has to be.
        preset: None takes what the file says; a published checkpoint says nothing and is `full`.
        checkpoint: a published Lightning checkpoint, or safetensors of ours; None: those that ship.
        changes: of the configuration.
        fixed: options in which a file of ours is not contradicted.
        bundled: which of the weights that ship, where neither preset nor checkpoint is named.

    Raises:
        ConfigError: no such preset, no weights ship for it, or the file is of another one.
        DataError: the file cannot be read or does not fit.
    """
    _check_preset(family, preset)
    file = Path(checkpoint) if checkpoint else bundled_file(family, preset or bundled)
    if not file.is_file():
        raise DataError(
            "no such file of weights; name one that is there, or none for those that ship",
            file=file,
        )
    network = family.make(_config(family, file, preset, changes, fixed))
    load_network(network, file)
    return loaded_from(network.eval(), file, shipped=None if checkpoint else family)


def loaded_from(network: Any, file: Path, *, shipped: Family | None) -> Loaded:
    """A network with what is told of its file; `shipped`: whose weights the package brought."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    origin = str(file) if shipped is None else f"{shipped.name}-{file.stem}, the weights that ship"
    return Loaded(network, f"weights: {origin} (SHA-256 {digest[:12]})", digest)


def new_network(
    family: Family, *, preset: str | None, checkpoint: str | None, changes: Mapping[str, Any]
) -> Any:
    """A network to be taught: of random weights, or of those of a file."""
    if checkpoint is None:
        return family.make(family.preset(preset or BUNDLED, changes))
    found = load_weights(family, preset=preset, checkpoint=checkpoint, changes=changes)
    return found.network.train()


def bundled_file(family: Family, preset: str) -> Path:
    """Weights that ship with the package.

    Raises:
        ConfigError: there are none for the preset.
    """
    file = Path(str(files("drivelab.agents") / family.name / "weights" / f"{preset}.safetensors"))
    if not file.is_file():
        raise ConfigError(
            f"no weights ship for agent={family.name} preset={preset}: name a file of weights "
            f"(agent.checkpoint=, of a recipe start=), ask for no preset, or train some with "
            f"'drivelab train "
            f"{f'{family.taught} recipe.' if family.taught else f'agent={family.name} '}"
            f"preset={preset}'"
        )
    return file


def preset_of(family: Family, config: Any) -> str:
    """The preset whose sizes a configuration has; "own" if it is none's."""
    kind = load_object(family.config)
    for name in kind.presets():
        preset = kind.preset(name)
        if all(getattr(preset, size) == getattr(config, size) for size in sizes_of(family)):
            return str(name)
    return "own"


def weights_file(named: str) -> Path:
    """A file as it is, or the weights that ship with an agent of this name.

    Raises:
        DataError: there is neither.
    """
    if Path(named).is_file():
        return Path(named)
    shipped = sorted(Path(str(files("drivelab.agents"))).glob(f"*/weights/{BUNDLED}.safetensors"))
    for file in shipped:
        if file.parent.parent.name == named:
            return file
    known = ", ".join(file.parent.parent.name for file in shipped) or "none"
    raise DataError(
        f"no such file, and no agent that ships weights of preset {BUNDLED} ({known})", file=named
    )


def changes_of(**options: Any) -> dict[str, Any]:
    """The options that differ from a preset or a file: None leaves what that says."""
    return {name: value for name, value in options.items() if value is not None}


def _check_preset(family: Family, preset: str | None) -> None:
    """Raise ConfigError unless there is one of this name, or none is asked for."""
    if preset is None:
        return
    if family.presets:
        family.preset(preset, {})
    elif preset not in (BUNDLED, PUBLISHED):
        raise ConfigError(f"preset={preset}: {family.name} has one size only; leave preset out")


def _config(
    family: Family, file: Path, preset: str | None, changes: Mapping[str, Any],
    fixed: Sequence[str],
) -> Any:  # fmt: skip
    kind = told_kind(file)
    if kind is None:  # not written by us: it says nothing about sizes
        return family.preset(preset or PUBLISHED, changes)
    if kind != family.name:
        agent = kind.removesuffix("_vector")
        raise DataError(f"holds a {kind}, not a {family.name}; use agent={agent}", file=file)
    _, told = read_metadata(file)
    found = config_of(load_object(family.config), told, file)
    wanted = replace(found, **changes)
    for name in fixed:
        own = getattr(found, name, None)
        if changes.get(name, own) != own:
            raise ConfigError(
                f"agent.{name}={changes[name]}: {file} was taught with {name}={own}; leave the "
                "option out, or take other weights"
            )
    if preset is not None and family.presets:
        asked = family.preset(preset, {})
        wrong = [f.name for f in fields(asked) if f.name in sizes_of(family)]
        other = [name for name in wrong if getattr(asked, name) != getattr(found, name)]
        if other:
            raise ConfigError(
                f"{file} is not of preset={preset}: {', '.join(other)} differ; leave the preset "
                "out, the file says its own sizes"
            )
    return wanted


def sizes_of(family: Family) -> tuple[str, ...]:
    """The fields that tell one preset from another."""
    presets = load_object(family.config).presets()
    return tuple({name for chosen in presets.values() for name in chosen} - DRIVING)
