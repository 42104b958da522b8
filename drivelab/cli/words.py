"""Plain `key=value` words of the verbs that need no Hydra."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from drivelab.errors import ConfigError, nearest_name

PICTURES = (".png", ".svg")


def picture_file(out: str | Path) -> Path:
    """Where a picture goes to; refused unless its ending says how it is painted."""
    file = Path(out)
    if file.suffix.lower() not in PICTURES:
        raise ConfigError(f"out={out}: expected a file that ends in {' or '.join(PICTURES)}")
    return file


Action = Callable[[Sequence[str]], int]


def choose_action(verb: str, words: Sequence[str], actions: Mapping[str, Action]) -> Action:
    """What the first word of a verb with several actions stands for."""
    name = words[0] if words else ""
    if name not in actions:
        hint = nearest_name(name, actions)
        raise ConfigError(f"{verb} {name}: expected one of {', '.join(actions)}{hint}")
    return actions[name]


def read_words(
    words: Sequence[str], keys: Collection[str], *, places: Sequence[str] = ()
) -> dict[str, str]:
    """Words by key; words without `=` fill `places` in order; `--key value` is `key=value`."""
    found: dict[str, str] = {}
    free = list(places)
    waiting = iter(words)
    for word in waiting:
        key, equals, value = word.lstrip("-").partition("=")
        if word.startswith("--") and not equals:
            value = next(waiting, "")
            equals = "=" if value else ""
        if not equals:
            if not free or word.startswith("-"):
                expected = ", ".join([*places, *(f"{key}=" for key in keys)])
                raise ConfigError(f"{word!r} is not expected here (expected: {expected})")
            found[free.pop(0)] = word
        elif key in keys or key in places:
            found[key] = value
        else:
            known = [*places, *keys]
            raise ConfigError(
                f"no option {key!r}{nearest_name(key, known)} (there are: {', '.join(known)})"
            )
    return found
