"""All rows of a run as compact JSON for the page's own table script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from drivelab.reports.cards import reason_of
from drivelab.reports.meanings import meaning_of, scale_of
from drivelab.reports.run_record import Row, RunRecord, is_number
from drivelab.reports.scale import HIGH, Scale

MOST_ROWS = 20_000  # beyond this the page keeps the lowest scores and says so


def table_data(record: RunRecord, anchors: Mapping[str, str]) -> tuple[Markup, int]:
    """JSON of columns and rows, safe inside a script element; and how many rows were left out.

    `anchors` maps drawn scenes to the element that shows them.
    """
    rows = list(record.rows)
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=_failed_then_lowest)[:MOST_ROWS]
    cells = [_cells(row, record) for row in rows]
    links = {
        str(index): anchors[str(row["scene"])]
        for index, row in enumerate(rows)
        if str(row["scene"]) in anchors
    }
    data = {"columns": _columns(record), "rows": cells, "links": links}
    return script_json(data), len(record.rows) - len(rows)


def script_json(data: Any) -> Markup:
    """JSON that cannot leave its script element, whatever its strings hold."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)


def _failed_then_lowest(row: Row) -> float:
    score = row.get("score")
    return float(score) if score is not None and is_number(score) else -1.0


def _columns(record: RunRecord) -> list[dict[str, Any]]:
    """Head of each column; `worst` is the value that is painted as such, on which side of it."""
    score = scale_of(record.metric)
    columns: list[dict[str, Any]] = [
        *({"name": name, "kind": "text"} for name in ("scene", "family", "status")),
        {"name": "score", "kind": "number", **_painted(score), "top": score.top},
    ]
    for name in record.subscores:
        meaning = meaning_of(name, record.metric)
        unit = f" [{meaning.scale.unit}]" if meaning.scale.unit else ""
        title = f"{meaning.name}{unit}, {meaning.scale.better} is better"
        columns.append(
            {"name": meaning.short, "title": title, "kind": "number", **_painted(meaning.scale)}
        )
    ended = [{"name": "ended", "kind": "text"}] if record.closed_loop else []
    return [*columns, *ended, {"name": "first infraction", "kind": "text"}]


def _painted(scale: Scale) -> dict[str, Any]:
    """The worst value of a scale that has one."""
    if scale.top is None:
        return {}
    return {"worst": 0.0 if scale.better == HIGH else scale.top}


def _cells(row: Row, record: RunRecord) -> list[Any]:
    failed = not is_number(row.get("score"))
    error = str(row.get("error") or "")
    reason = error if failed else reason_of(row, record.subscores, record.metric)
    numbers = [_rounded(row.get(name)) for name in ("score", *record.subscores)]
    head = [str(row.get(name) or "") for name in ("scene", "family", "status")]
    ended = [str(row.get("ended") or "")] if record.closed_loop else []
    return [*head, *numbers, *ended, "" if reason.startswith("no infraction") else reason[:300]]


def _rounded(value: object) -> float | None:
    return round(float(value), 4) if isinstance(value, int | float) and is_number(value) else None
