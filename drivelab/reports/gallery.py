"""Which scenes a report shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from drivelab.reports.cards import Card, LoadScene, make_card
from drivelab.reports.run_record import Row, RunRecord

__all__ = ["LoadScene", "Shelf", "build_gallery", "pick_scenes"]
_COUNTS = {"worst": 6, "median": 3, "best": 3}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Cards under one heading."""

    name: str
    cards: tuple[Card, ...]


def build_gallery(record: RunRecord, load_scene: LoadScene | None) -> tuple[Shelf, ...]:
    """Worst, median and best scenes, each scene once."""
    picked = pick_scenes(record.done)
    return tuple(
        Shelf(name, tuple(make_card(record, row, load_scene) for row in rows))
        for name, rows in picked.items()
        if rows
    )


def pick_scenes(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Worst first; among equal scores every family and infraction gets its turn.

    The middle comes from what the ends leave.
    """
    turns: Counter[tuple[object, ...]] = Counter()
    ranked: list[tuple[float, int, int, Row]] = []
    for row in rows:
        group = (row["score"], row.get("family"), row.get("first_kind"))
        ranked.append((float(row["score"]), turns[group], len(ranked), row))
        turns[group] += 1
    ordered = [row for *_, row in sorted(ranked, key=lambda entry: entry[:3])]
    worst = ordered[: _COUNTS["worst"]]
    rest = ordered[len(worst) :]
    best = rest[-_COUNTS["best"] :][::-1]
    rest = rest[: len(rest) - len(best)]
    start = max(0, (len(ordered) - _COUNTS["median"]) // 2 - len(worst))
    return {"worst": worst, "median": rest[start : start + _COUNTS["median"]], "best": best}
