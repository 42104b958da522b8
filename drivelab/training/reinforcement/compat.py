"""Whose formulas are meant: the paper's, or those of the released scripts."""

from __future__ import annotations

from drivelab.errors import ConfigError, nearest_name

COMPATS = ("paper", "released")


def is_released(compat: str, *, option: str = "compat") -> bool:
    """Whether the released scripts are to be reproduced.

    Raises:
        ConfigError: neither "paper" nor "released".
    """
    if compat not in COMPATS:
        raise ConfigError(
            f"{option}={compat!r}: expected {' or '.join(COMPATS)}{nearest_name(compat, COMPATS)}"
        )
    return compat == "released"
