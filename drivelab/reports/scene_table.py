"""All rows of a run as compact JSON for the page's own table script."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from drivelab.reports.gallery import reason_of
from drivelab.reports.meanings import meaning_of
from drivelab.reports.run_record import Row, RunRecord, is_number

MOST_ROWS = 20_000  # beyond this the page keeps the lowest scores and says so


def table_data(record: RunRecord, anchors: Mapping[str, str]) -> tuple[Markup, int]:
    """JSON of columns and rows, safe inside a script element; and how many rows were left out.

    `anchors` maps drawn scenes to the element that shows them.
    """
    rows = list(record.rows)
    if len(rows) > MOST_ROWS:
        rows = sorted(rows, key=_failed_then_lowest)[:MOST_ROWS]
    columns = [
        {"name": "scene", "kind": "text"},
        {"name": "family", "kind": "text"},
        {"name": "status", "kind": "text"},
        {"name": "score", "kind": "number"},
        *(
            {"name": meaning_of(name).short, "title": meaning_of(name).name, "kind": "number"}
            for name in record.subscores
        ),
        {"name": "first infraction", "kind": "text"},
    ]
    cells = [_cells(row, record.subscores) for row in rows]
    links = {
        str(index): anchors[str(row["scene"])]
        for index, row in enumerate(rows)
        if str(row["scene"]) in anchors
    }
    data = {"columns": columns, "rows": cells, "links": links}
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


def _cells(row: Row, subscores: Sequence[str]) -> list[Any]:
    failed = not is_number(row.get("score"))
    reason = str(row.get("error") or "") if failed else reason_of(row, subscores)
    numbers = [_rounded(row.get(name)) for name in ("score", *subscores)]
    head = [str(row.get(name) or "") for name in ("scene", "family", "status")]
    return [*head, *numbers, "" if reason.startswith("no infraction") else reason[:300]]


def _rounded(value: object) -> float | None:
    return round(float(value), 4) if isinstance(value, int | float) and is_number(value) else None
