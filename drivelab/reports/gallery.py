"""Which scenes a report shows, and their pictures with the reason for the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drivelab.errors import DrivelabError
from drivelab.reports.bev import Overlay, scene_picture
from drivelab.reports.meanings import meaning_of
from drivelab.reports.overlays import event_text
from drivelab.reports.run_record import Row, RunRecord, first_event, is_number
from drivelab.reports.svg import inline_svg
from drivelab.types import Scene

LoadScene = Callable[[str], Scene | None]
_LETTERING = 1.6  # cards are about half as wide as a picture of its own
_COUNTS = {"worst": 6, "median": 3, "best": 3}


@dataclass(frozen=True, slots=True)
class Card:
    """One scene of the gallery."""

    scene: str
    family: str
    score: float
    reason: str
    losses: tuple[str, ...]  # sub-scores below 1, e.g. "NC 0.0"
    picture: Markup | None
    note: str = ""  # why there is no picture
    video: str = ""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Cards under one heading."""

    name: str
    cards: tuple[Card, ...]


def build_gallery(record: RunRecord, load_scene: LoadScene | None) -> tuple[Shelf, ...]:
    """Worst, median and best scenes, each scene once."""
    picked = pick_scenes(record.done)
    return tuple(
        Shelf(name, tuple(_card(record, row, load_scene) for row in rows))
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


def reason_of(row: Row, subscores: Sequence[str]) -> str:
    """Why a scene has its score: the first infraction, if one has a moment."""
    event = first_event(row)
    if event is not None:
        return event_text(event)
    return "no infraction with a moment" if _losses(row, subscores) else "no infraction"


def _losses(row: Row, subscores: Sequence[str]) -> tuple[str, ...]:
    values = ((name, row.get(name)) for name in subscores)
    return tuple(
        f"{meaning_of(name).short} {value:.2f}"
        for name, value in values
        if is_number(value) and value is not None and value < 1.0
    )


def _card(record: RunRecord, row: Row, load_scene: LoadScene | None) -> Card:
    scene_id = str(row["scene"])
    picture, note = _picture(record, row, load_scene)
    return Card(
        scene=scene_id,
        family=str(row.get("family") or ""),
        score=float(row["score"]),
        reason=reason_of(row, record.subscores),
        losses=_losses(row, record.subscores),
        picture=picture,
        note=note,
        video=record.video(scene_id),
    )


def _picture(
    record: RunRecord, row: Row, load_scene: LoadScene | None
) -> tuple[Markup | None, str]:
    """The drawing, or the reason why there is none: a report is written in any case."""
    if load_scene is None:
        return None, "Not drawn: the report was written without the scenes."
    scene_id = str(row["scene"])
    try:
        scene = load_scene(scene_id)
        if scene is None:
            return None, "Not drawn: the scene is not among the bench's scenes here."
        kept = record.rollout(scene_id)
        event = first_event(row)
        overlay = Overlay(
            kept.plan if kept else None,
            kept.states if kept else None,
            events=(event,) if event else (),
            lettering=_LETTERING,
        )
        return Markup(inline_svg(scene_picture(scene, overlay))), ""
    except DrivelabError as error:
        return None, f"Not drawn: {error}"
