"""What a run of reinforcement learning came to, as one self-contained page.

The weights before and after reinforcement on the same unseen clips, by metric and by family, the
curve of the run, and the first clips that went wrong.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivelab.reports.meanings import meaning_of
from drivelab.reports.report import environment, page_parts, write_page
from drivelab.reports.scale import Meaning

_SCORE = Meaning("NE", "No event", "Share of clips that no event ends.")
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class _Part:
    """Clips of one family that ended in events, by one policy."""

    count: int
    told: str


@dataclass(frozen=True, slots=True)
class _Family:
    """A line of the table of families."""

    name: str
    clips: int
    parts: tuple[_Part, ...]


def write_reinforcement_report(
    summary: Mapping[str, Any],
    rows: Mapping[str, Rows],
    pictures: Mapping[str, Path],
    path: Path,
) -> Path:
    """Write the page.

    Args:
        summary: of the run, `results` with the intervals `ci95` of each policy among it, and of
            later ones the `difference` from the first.
        rows: of the tested clips by policy, with clip, family, score and event.
        pictures: PNG files by title; those that are missing are left out.
        path: where the page goes.
    """
    results = summary["results"]
    names = [name for name in next(iter(results.values()))["ci95"] if name != "score"]
    metric = summary["metric"]
    html = (
        environment()
        .get_template("reinforcement.html.j2")
        .render(
            **page_parts(with_script=False),
            summary=summary,
            results=results,
            metrics=[("score", _SCORE), *((name, meaning_of(name, metric)) for name in names)],
            both=compared(rows),
            families=_families(list(rows.values())),
            pictures=[
                {"title": title, "source": _source(file)}
                for title, file in pictures.items()
                if file.is_file()
            ],
        )
    )
    return write_page(path, html)


def compared(rows: Mapping[str, Rows]) -> dict[str, Any] | None:
    """How many clips went well with both policies, one of them, or neither; None for a single one.

    The second of `rows` gains or loses what the first one did not or did.
    """
    if len(rows) != 2:
        return None
    before, after = ({row["clip"]: bool(row["score"]) for row in part} for part in rows.values())
    pairs = Counter((before[clip], after[clip]) for clip in before if clip in after)
    first, second = rows
    return {
        "first": first, "second": second, "kept": pairs[True, True], "gained": pairs[False, True],
        "lost": pairs[True, False], "neither": pairs[False, False],
    }  # fmt: skip


def _families(policies: Sequence[Rows]) -> list[_Family]:
    names = sorted({row["family"] for row in policies[0]})
    return [
        _Family(
            name,
            sum(row["family"] == name for row in policies[0]),
            tuple(_part([row for row in rows if row["family"] == name]) for rows in policies),
        )
        for name in names
    ]


def _part(rows: Rows) -> _Part:
    events = Counter(str(row["event"]).replace("_", " ") for row in rows if row["event"])
    told = ", ".join(f"{count} {kind}" for kind, count in events.most_common())
    return _Part(sum(events.values()), told)


def _source(file: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
