"""`report.html` of a run: one file that needs no network and explains the number it opens with."""

from __future__ import annotations

import base64
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from drivelab.reports.cards import Card
from drivelab.reports.charts import family_bars, histogram, spark_histogram
from drivelab.reports.drive_events import event_lines
from drivelab.reports.event_words import words_of
from drivelab.reports.gallery import LoadScene, Shelf, build_gallery
from drivelab.reports.meanings import meaning_of, scale_of
from drivelab.reports.palette import BEST_MODE, Theme, style_sheet
from drivelab.reports.run_record import Row, RunRecord, is_number, read_run
from drivelab.reports.scale import Meaning, Scale
from drivelab.reports.scene_table import table_data

_MOST_FAILED = 100  # failed scenes listed with their errors
_SEES = {
    "none": "ego status, command, sensors",
    "state": "also map and boxes",
    "future": "also the recorded future",
    "unknown": "unknown: plans from a file",
}
# Words of the drawings' legend: role, what it is.
PLAN_LEGEND = {
    "plan": "plan",
    "recorded": "recorded ego",
    "vehicle_future": "recorded future",
    "red_light": "red light",
}
MODES_LEGEND = {BEST_MODE: "plans it was chosen from, stronger with their score"}
DRIVE_LEGEND = {
    "plan": "plan of the moment",
    "ego_way": "route",
    "recorded": "recorded ego",
    "ghost": "ego afterwards",
    "vehicle_future": "others, next 3 s",
    "red_light": "red light",
}
_TIMING = {"time_load": "load a scene", "time_act": "agent", "time_score": "score"}


@dataclass(frozen=True, slots=True)
class SubscoreLine:
    """One line of the sub-score table."""

    key: str
    meaning: Meaning
    mean: float | None
    losses: int | None  # scenes with less than the best; None on a scale without an end
    chart: Markup | None  # None where there is nothing but zeros
    most: float  # right end of the chart


@dataclass(frozen=True, slots=True)
class TimingLine:
    """Median and 95th percentile of a stage [ms]."""

    name: str
    median: float
    high: float


def write_report(run_dir: Path, load_scene: LoadScene | None = None) -> Path:
    """Write `report.html` into a run folder and return its path.

    `load_scene` gives the scene of an id for the drawings (None: not available here). Scene ids
    and error texts are foreign text and are escaped wherever they stand.
    """
    record = read_run(run_dir)
    gallery = build_gallery(record, load_scene)
    html = environment().get_template("report.html.j2").render(report_context(record, gallery))
    return write_page(run_dir / "report.html", html)


def write_page(path: Path, html: str) -> Path:
    """Put a page in place in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(html, "utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def environment() -> jinja2.Environment:
    """Templates of this package with autoescape on."""
    templates = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["decimals"] = _decimals
    return templates


def page_parts(*, with_script: bool) -> dict[str, Any]:
    """Style, script and the policy that lets no other script run."""
    script = (_template("report.js") or "") if with_script else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    light, dark = style_sheet(Theme.LIGHT), style_sheet(Theme.DARK)
    bev = f"{light}\n@media (prefers-color-scheme:dark){{\n{dark}\n}}"
    return {
        "style": Markup((_template("report.css") or "") + bev),
        "script": Markup(script),
        "policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'",
    }


def report_context(record: RunRecord, gallery: Sequence[Shelf]) -> dict[str, Any]:
    """Everything the template shows."""
    cards = [card for shelf in gallery for card in shelf.cards]
    anchors = {card.scene: f"scene-{index}" for index, card in enumerate(cards)}
    data, left_out = table_data(record, anchors)
    return {
        **page_parts(with_script=True),
        "summary": record.summary,
        "label": run_label(record.summary, record.environment),
        "sees": sees(record.environment),
        "licence": _data_of(record.environment).get("licence", ""),
        "missing": missing_scenes(record.summary),
        "subscores": [_subscore_line(record, name) for name in record.subscores],
        **_score_parts(record),
        "infractions": _infractions(record.done),
        "endings": Counter(str(row["ended"]) for row in record.done if row.get("ended")),
        "gallery": gallery,
        "closed_loop": record.closed_loop,
        "legend": _legend(record, cards),
        "strips": any(card.wide for card in cards),
        "event_lines": event_lines,
        "anchors": anchors,
        "table": data,
        "left_out": left_out,
        "n_rows": len(record.rows),
        "failed": record.failed[:_MOST_FAILED],
        "n_failed": len(record.failed),
        "timing": _timing(record.rows),
        "command": record.environment.get("command", ""),
        "versions": record.environment.get("versions") or record.summary["versions"],
        "git": record.environment.get("git"),
        "host": record.environment.get("host") or {},
        "started": record.environment.get("started", ""),
        "config": record.config,
        "folder": record.folder.name,
    }


def _legend(record: RunRecord, cards: Sequence[Card]) -> dict[str, str]:
    if record.closed_loop:
        return DRIVE_LEGEND
    return PLAN_LEGEND | (MODES_LEGEND if any(card.n_modes for card in cards) else {})


def _score_parts(record: RunRecord) -> dict[str, Any]:
    """The scores as numbers and charts, on the scale of their metric."""
    scores = [float(row["score"]) for row in record.done]
    scale = scale_of(record.metric)
    most = _most(scale, scores)
    return {
        "score_unit": scale.unit,
        "score_digits": 3 if most <= 1.0 else 1,
        "score_most": most,
        "score_chart": histogram(scores, name="scores", most=most) if scores else None,
        "family_chart": _families(record.done, most),
    }


def sees(environment: Mapping[str, Any]) -> str:
    """What the agent saw besides its sensors, in words, as it must stand beside every score."""
    privilege = str(environment.get("privilege", ""))
    return _SEES.get(privilege, privilege)


def run_label(summary: Mapping[str, Any], environment: Mapping[str, Any]) -> str:
    """What the data was, as it must stand beside every number."""
    label = _data_of(environment).get("label")
    return str(label) if label else f"{summary['split']} ({summary['data']})"


def _data_of(environment: Mapping[str, Any]) -> Mapping[str, Any]:
    data = environment.get("data")
    return data if isinstance(data, Mapping) else {}


def missing_scenes(summary: Mapping[str, Any]) -> int:
    """Scenes that have no row yet."""
    return max(0, int(summary["n_expected"]) - int(summary["n_done"]) - int(summary["n_failed"]))


def _subscore_line(record: RunRecord, name: str) -> SubscoreLine:
    values = [float(row[name]) for row in record.done if is_number(row.get(name))]
    mean = record.summary["subscores"].get(name)
    meaning = meaning_of(name, record.metric)
    most = _most(meaning.scale, values)
    shown = meaning.scale.top is not None or any(values)
    return SubscoreLine(
        name,
        meaning,
        float(mean) if is_number(mean) else None,
        None if meaning.scale.top is None else sum(map(meaning.scale.is_loss, values)),
        spark_histogram(values, name=meaning.name, most=most) if shown else None,
        most,
    )


def _most(scale: Scale, values: Sequence[float]) -> float:
    """Right end of a chart: the scale's, or the largest value."""
    return scale.top or max((value for value in values if value > 0.0), default=1.0)


def _families(rows: Sequence[Row], most: float) -> Markup | None:
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(str(row.get("family") or "none"), []).append(float(row["score"]))
    return family_bars(groups, most=most) if len(groups) > 1 else None


def _infractions(rows: Sequence[Row]) -> list[tuple[str, int, float]]:
    """Kind of first infraction, number of scenes, median time [s]; the most frequent first."""
    kinds = Counter(str(row["first_kind"]) for row in rows if row.get("first_kind"))
    lines = []
    for kind, count in kinds.most_common():
        times = [row.get("first_time") for row in rows if row.get("first_kind") == kind]
        known = [float(time) for time in times if time is not None]
        lines.append((words_of(kind), count, float(np.median(known or [0.0]))))
    return lines


def _timing(rows: Sequence[Row]) -> list[TimingLine]:
    lines = []
    for column, name in _TIMING.items():
        values = [float(row[column]) for row in rows if is_number(row.get(column))]
        if values:
            middle, high = np.quantile(values, [0.5, 0.95])
            lines.append(TimingLine(name, float(middle), float(high)))
    return lines


def _decimals(value: object, digits: int = 3) -> str:
    """A number for the page; what is none becomes a dash."""
    return f"{value:.{digits}f}" if isinstance(value, int | float) and is_number(value) else "–"


def _template(name: str) -> str | None:
    file = files("drivelab.reports").joinpath("templates", name)
    return file.read_text("utf-8") if file.is_file() else None
