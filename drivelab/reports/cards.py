"""One scene of a report: its pictures, and why it has its score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup

from drivelab.errors import DrivelabError
from drivelab.reports.bev import Overlay, scene_picture
from drivelab.reports.camera_view import HORIZON, camera_view, plan_view
from drivelab.reports.drive_events import DriveEvent, first_infraction, told_events
from drivelab.reports.drive_picture import drive_picture, step_of
from drivelab.reports.event_words import event_text
from drivelab.reports.losses import loss_sentences
from drivelab.reports.meanings import meaning_of
from drivelab.reports.mode_layers import by_score, share_of
from drivelab.reports.run_record import Row, RunRecord, ScoredPlan, first_event, is_number
from drivelab.reports.svg import inline_svg
from drivelab.reports.timeline import draw_timeline
from drivelab.types import Rollout, Scene

LoadScene = Callable[[str], Scene | None]
_LETTERING = 1.6  # cards are about half as wide as a picture of its own
_WIDE_LETTERING = 1.15  # of cards as wide as the page
_MODES_LISTED = 5
_WITHOUT = "Not drawn: the report was written without the scenes."
_ABSENT = "Not drawn: the scene is not among the bench's scenes here."
_SAME = 0.01  # how far a mode may be from the plan that it is [m]


@dataclass(frozen=True, slots=True)
class Fact:
    """A sub-score on a card, e.g. "NC 0.00"; a loss is worse than the best there is."""

    text: str
    loss: bool


@dataclass(frozen=True, slots=True)
class ModeLine:
    """One of the plans that an agent chose from."""

    number: int
    score: float
    share: float  # of the best one's score
    chosen: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One scene of the gallery."""

    scene: str
    family: str
    score: float
    reason: str
    facts: tuple[Fact, ...]  # losses, and values on scales that have no end
    picture: Markup | None
    camera: Markup | None = None  # what the ego's cameras saw, where it has any
    note: str = ""  # why there is no picture
    camera_note: str = ""  # why there is none of the cameras
    losses: tuple[str, ...] = ()  # of a plan: the sub-scores it lost, in words
    modes: tuple[ModeLine, ...] = ()  # of a plan: the best ones that it was chosen from
    n_modes: int = 0
    wide: bool = False  # several pictures stand side by side
    video: str = ""
    ended: str = ""  # of a drive: how it ended
    timeline: Markup | None = None
    events: tuple[DriveEvent, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shown:
    """What could be drawn."""

    picture: Markup | None = None
    camera: Markup | None = None
    camera_note: str = ""
    note: str = ""
    wide: bool = False
    timeline: Markup | None = None
    events: tuple[DriveEvent, ...] = ()


def make_card(record: RunRecord, row: Row, load_scene: LoadScene | None) -> Card:
    """The card of a scene with a score; what cannot be drawn says why."""
    scene_id = str(row["scene"])
    shown = _Shown(note=_WITHOUT)
    plan: ScoredPlan | None = None
    try:
        drive = record.drive(scene_id)
        if drive is not None:
            shown = _show_drive(record, row, drive, load_scene)
        else:
            plan = record.plan(scene_id)
            if load_scene is not None:
                shown = _show_plan(record, row, plan, load_scene(scene_id))
    except DrivelabError as error:
        if load_scene is not None:
            shown = _Shown(note=f"Not drawn: {error}")
    return Card(
        scene=scene_id,
        family=str(row.get("family") or ""),
        score=float(row["score"]),
        reason=reason_of(row, record.subscores, record.metric),
        facts=facts_of(row, record.subscores, record.metric),
        picture=shown.picture,
        camera=shown.camera,
        note=shown.note,
        camera_note=shown.camera_note,
        losses=() if record.closed_loop else _losses(record, row, plan),
        modes=_mode_lines(plan),
        n_modes=0 if plan is None or plan.modes is None else len(plan.modes),
        video=record.video(scene_id),
        ended=str(row.get("ended") or ""),
        timeline=shown.timeline,
        events=shown.events,
        wide=shown.wide,
    )


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


def _losses(record: RunRecord, row: Row, plan: ScoredPlan | None) -> tuple[str, ...]:
    """Lost sub-scores in words; files of earlier versions hold no events, rows have the first."""
    first = first_event(row)
    events = plan.events if plan is not None and plan.events else (first,) if first else ()
    return loss_sentences(row, record.subscores, record.metric, events)


def _mode_lines(plan: ScoredPlan | None) -> tuple[ModeLine, ...]:
    """The best modes by their scores; the chosen one is the one that lies on the plan."""
    if plan is None or plan.modes is None or plan.mode_scores is None:
        return ()
    length = min(plan.modes.shape[1], len(plan.plan))
    off = np.abs(plan.modes[:, :length, :2] - plan.plan[:length, :2]).max((1, 2))
    chosen = int(off.argmin()) if off.min() < _SAME else -1
    return tuple(
        ModeLine(k, float(plan.mode_scores[k]), share_of(plan.mode_scores, k), k == chosen)
        for k in by_score(plan.modes, plan.mode_scores)[:_MODES_LISTED]
    )


def _show_drive(
    record: RunRecord, row: Row, drive: Rollout, load_scene: LoadScene | None
) -> _Shown:
    """The moment of a drive; its course is there without the scene, too."""
    event = first_event(row)
    events = told_events(drive, event)
    shown = _Shown(timeline=draw_timeline(drive, events), events=events)
    if load_scene is None:
        return replace(shown, note=_WITHOUT)
    event = event or first_infraction(events)
    step = step_of(drive, event)
    try:
        scene = load_scene(str(row["scene"]))
        if scene is None:
            return replace(shown, note=_ABSENT)
        drawn = drive_picture(scene, drive, step, event=event, lettering=_LETTERING)
        shown = replace(shown, picture=Markup(inline_svg(drawn)))
        return replace(shown, camera=camera_view(scene, drive, step))
    except DrivelabError as error:
        return replace(shown, note=f"Not drawn: {error}")


def _show_plan(record: RunRecord, row: Row, plan: ScoredPlan | None, scene: Scene | None) -> _Shown:
    """A plan from above, and on what the agent's cameras saw."""
    if scene is None:
        return _Shown(note=_ABSENT)
    event = first_event(row)
    camera, camera_note = None, ""
    poses = None if plan is None else plan.plan
    seconds = HORIZON if plan is None else plan.plan_dt * len(plan.plan)
    try:
        camera = plan_view(scene, record.cameras, poses, seconds)
    except DrivelabError as error:  # the drawing from above needs no cameras
        camera_note = f"The cameras are not shown: {error}"
    wide = camera is not None
    lettering = _WIDE_LETTERING if wide else _LETTERING
    overlay = Overlay(poses, events=(event,) if event else (), lettering=lettering)
    if plan is not None:
        overlay = replace(
            overlay, states=plan.states, modes=plan.modes, mode_scores=plan.mode_scores
        )
    picture = Markup(inline_svg(scene_picture(scene, overlay)))
    if not wide and not camera_note:
        camera = camera_view(scene, None, 0)
    return _Shown(picture, camera, camera_note, wide=wide)
