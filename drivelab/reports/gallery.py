"""Which scenes a report shows, and their pictures with the reason for the score."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from drivelab.errors import DrivelabError
from drivelab.metrics.metric import Event
from drivelab.reports.bev import Overlay, scene_picture
from drivelab.reports.camera_view import camera_view
from drivelab.reports.drive_events import DriveEvent, first_infraction, told_events
from drivelab.reports.drive_picture import drive_picture, step_of
from drivelab.reports.event_words import event_text
from drivelab.reports.meanings import meaning_of
from drivelab.reports.run_record import Row, RunRecord, first_event, is_number
from drivelab.reports.svg import inline_svg
from drivelab.reports.timeline import draw_timeline
from drivelab.types import Rollout, Scene

LoadScene = Callable[[str], Scene | None]
_LETTERING = 1.6  # cards are about half as wide as a picture of its own
_COUNTS = {"worst": 6, "median": 3, "best": 3}


@dataclass(frozen=True, slots=True)
class Fact:
    """A sub-score on a card, e.g. "NC 0.00"; a loss is worse than the best there is."""

    text: str
    loss: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One scene of the gallery."""

    scene: str
    family: str
    score: float
    reason: str
    facts: tuple[Fact, ...]  # losses, and values on scales that have no end
    picture: Markup | None
    camera: Markup | None = None  # what the ego's cameras saw, where it has rendered ones
    note: str = ""  # why there is no picture
    video: str = ""
    ended: str = ""  # of a drive: how it ended
    timeline: Markup | None = None
    events: tuple[DriveEvent, ...] = ()


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


def reason_of(row: Row, subscores: Sequence[str], metric: str = "") -> str:
    """Why a scene has its score: the first infraction, if one has a moment."""
    event = first_event(row)
    if event is not None:
        return event_text(event)
    lost = any(fact.loss for fact in facts_of(row, subscores, metric))
    return "no infraction with a moment" if lost else "no infraction"


def facts_of(row: Row, subscores: Sequence[str], metric: str = "") -> tuple[Fact, ...]:
    """What a row lost, and its values on scales without an end; counts only where there are any."""
    facts = []
    for name in subscores:
        value = row.get(name)
        if not is_number(value) or value is None:
            continue
        meaning = meaning_of(name, metric)
        loss, open_end = meaning.scale.is_loss(value), meaning.scale.top is None
        if loss or (open_end and value != 0.0):
            facts.append(Fact(f"{meaning.short} {meaning.scale.text(value)}", loss))
    return tuple(facts)


def _card(record: RunRecord, row: Row, load_scene: LoadScene | None) -> Card:
    scene_id, event = str(row["scene"]), first_event(row)
    picture, camera, note, timeline = None, None, "", None
    events: tuple[DriveEvent, ...] = ()
    try:
        drive = record.drive(scene_id)
        if drive is not None:
            events = told_events(drive, event)
            timeline = draw_timeline(drive, events)
            event = event or first_infraction(events)
        scene = load_scene(scene_id) if load_scene is not None else None
        if scene is not None:
            picture = _picture(record, scene, event, drive)
            camera = camera_view(scene, drive, 0 if drive is None else step_of(drive, event))
    except DrivelabError as error:
        note = f"Not drawn: {error}"
    if load_scene is None:
        note = "Not drawn: the report was written without the scenes."
    elif picture is None:
        note = note or "Not drawn: the scene is not among the bench's scenes here."
    return Card(
        scene=scene_id,
        family=str(row.get("family") or ""),
        score=float(row["score"]),
        reason=reason_of(row, record.subscores, record.metric),
        facts=facts_of(row, record.subscores, record.metric),
        picture=picture,
        camera=camera,
        note=note,
        video=record.video(scene_id),
        ended=str(row.get("ended") or ""),
        timeline=timeline,
        events=events,
    )


def _picture(record: RunRecord, scene: Scene, event: Event | None, drive: Rollout | None) -> Markup:
    """The drawing."""
    if drive is not None:
        step = step_of(drive, event)
        drawn = drive_picture(scene, drive, step, event=event, lettering=_LETTERING)
        return Markup(inline_svg(drawn))
    kept = record.plan(scene.id)
    overlay = Overlay(
        kept.plan if kept else None,
        kept.states if kept else None,
        events=(event,) if event else (),
        lettering=_LETTERING,
    )
    return Markup(inline_svg(scene_picture(scene, overlay)))
