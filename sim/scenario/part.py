"""The base of everything in the scenario schema."""

from __future__ import annotations

import msgspec


class Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A mapping of a scenario file: known keys only, never changed after reading."""
