"""report.html: what it says, what it escapes, what it refuses."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports_runs import HOSTILE, failed_row, golden_rows, golden_run, load_golden, write_run

from drivelab.errors import ConfigError, DataError, RunError
from drivelab.reports.charts import bin_counts
from drivelab.reports.compare import read_comparable, write_comparison
from drivelab.reports.gallery import pick_scenes
from drivelab.reports.report import write_report
from drivelab.reports.scene_table import script_json
from drivelab.types import Scene

LIMIT = 5_000_000


class Outline(HTMLParser):
    """Elements with their attributes, ids and the text of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.elements if name == tag]


def table_of(html: str) -> dict[str, list]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = golden_run(tmp_path_factory.mktemp("run"), [failed_row("bad" + HOSTILE, HOSTILE)])
    return write_report(folder, load_golden).read_text("utf-8")


def test_it_is_one_small_file_without_network(report: str) -> None:
    assert len(report.encode()) < LIMIT
    outline = Outline(report)
    assert not outline.all("link")
    assert not outline.all("img")
    assert all("src" not in attrs for attrs in outline.all("script"))
    assert all(not str(attrs["href"]).startswith(("http", "//")) for attrs in outline.all("a"))
    assert "url(" not in report
    assert "@import" not in report


def test_head_names_label_score_interval_and_what_is_missing(report: str) -> None:
    rows = golden_rows()
    score = np.mean([row["score"] for row in rows])
    body = report[report.index("<body>") :]
    assert body.index("NOT FINAL") < body.index("<main>") < body.index(f">{score:.3f}<")
    assert f"{len(rows)} of {len(rows) + 1} scenes have a score" in " ".join(body.split())
    assert "labmini (embedded, not NAVSIM)" in body
    assert f"95 % interval {score - 0.05:.3f} to {score + 0.05:.3f}" in body
    title = report[report.index("<title>") : report.index("</title>")]
    assert "NOT FINAL" in title
    assert "labmini (embedded, not NAVSIM)" in title
    assert "drivelab eval agent=pdm_closed bench=navsim data=embedded" in body


def test_a_final_run_has_no_banner(tmp_path: Path) -> None:
    text = write_report(write_run(tmp_path, golden_rows())).read_text()
    assert "NOT FINAL" not in text
    assert 'id="failed"' not in text


def test_missing_scenes_are_counted(tmp_path: Path) -> None:
    rows = golden_rows()
    folder = write_run(tmp_path, rows, expected=len(rows) + 7)
    assert "7 are missing" in write_report(folder).read_text()


def test_foreign_text_cannot_become_markup(report: str) -> None:
    outline = Outline(report)
    scripts = outline.all("script")
    assert [attrs.get("type") for attrs in scripts] == ["application/json", None]
    assert "document.title='owned'</script>" not in report
    assert any(HOSTILE in str(cell) for row in table_of(report)["rows"] for cell in row)


def test_table_holds_every_row(report: str) -> None:
    table = table_of(report)
    expected = {row["scene"]: row["score"] for row in golden_rows()}
    stored = {row[0]: row[3] for row in table["rows"] if row[2] == "ok"}
    assert stored.keys() == expected.keys()
    assert all(abs(stored[scene] - expected[scene]) <= 5e-5 for scene in expected)


def test_worst_median_and_best_are_drawn_with_reasons(report: str) -> None:
    outline = Outline(report)
    cards = [attrs for attrs in outline.all("article")]
    pictures = [a for a in outline.all("svg") if str(a.get("aria-label", "")).startswith("Bird")]
    assert len(cards) == len(pictures) == 12
    assert len({attrs["id"] for attrs in cards}) == len(cards)
    picked = pick_scenes(golden_rows())
    worst = max(row["score"] for row in picked["worst"])
    best = min(row["score"] for row in picked["best"])
    assert worst <= min(row["score"] for row in picked["median"])
    assert max(row["score"] for row in picked["median"]) <= best
    assert best == max(row["score"] for row in golden_rows())


def test_charts_and_tables_are_described(report: str) -> None:
    outline = Outline(report)
    for attrs in outline.all("svg"):
        assert attrs.get("aria-hidden") == "true" or attrs.get("aria-label")
    assert len(outline.all("caption")) == len(outline.all("table"))
    assert outline.all("html")[0]["lang"] == "en"


def test_a_scene_that_cannot_be_loaded_is_told_and_the_report_stands(tmp_path: Path) -> None:
    def load(scene_id: str) -> Scene | None:
        raise DataError("no such frame", file="a.pkl", where=f"scene {scene_id}<b>")

    text = write_report(golden_run(tmp_path), load).read_text()
    assert "Not drawn: a.pkl, scene dev_000&lt;b&gt;: no such frame" in text or "&lt;b&gt;" in text
    assert "<b>" not in text


def test_a_run_without_any_score_still_has_its_report(tmp_path: Path) -> None:
    folder = write_run(tmp_path, [failed_row("a", "agent raised"), failed_row("b", "agent raised")])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"subscores": {}}))
    text = write_report(folder, load_golden).read_text()
    assert "0 of 2 scenes have a score" in " ".join(text.split())
    assert text.count("agent raised") == 2 + 2  # list of failures and table


def test_long_and_odd_scene_ids_find_their_rollouts(tmp_path: Path) -> None:
    import hashlib
    from urllib.parse import quote

    from drivelab.reports.run_record import read_run

    odd, long = "a/../b é", "x" * 300
    row = golden_rows()[0]
    folder = write_run(tmp_path, [row | {"scene": odd}, row | {"scene": long}])
    (folder / "rollouts").mkdir()
    digest = hashlib.sha256(long.encode()).hexdigest()[:32]
    for name, value in ((quote(odd, safe=" "), 1.0), (f"{long[:80]}-{digest}", 2.0)):
        content = {"states": np.full((41, 11), value), "plan": np.zeros((8, 3))}
        np.savez(folder / "rollouts" / f"{name}.npz", **content)
    record = read_run(folder)
    assert record.plan(odd).states[0, 0] == 1.0
    assert record.plan(long).states[0, 0] == 2.0
    assert record.plan("other") is None


@pytest.mark.parametrize("name", ["summary.json", "env.json", "rows.parquet"])
def test_a_torn_file_is_named(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path, golden_rows()[:2])
    (folder / name).write_bytes(b"{torn")
    with pytest.raises(RunError, match=re.escape(name)):
        write_report(folder)
    (folder / name).unlink()
    with pytest.raises(RunError, match=re.escape(name)):
        write_report(folder)


def test_a_summary_without_its_keys_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", golden_rows()[:2])
    (folder / "summary.json").write_text('{"schema": 1}')
    with pytest.raises(RunError, match=r"summary\.json: has no 'agent'"):
        write_report(folder)


def test_a_summary_of_another_schema_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path, golden_rows()[:2], schema=9)
    with pytest.raises(RunError, match="schema is 9, expected 1"):
        write_report(folder)


@given(st.recursive(st.text() | st.floats(0, 1), lambda inner: st.lists(inner, max_size=3)))
def test_script_json_never_leaves_its_element(value: object) -> None:
    text = script_json({"value": value, "fixed": "</script><!--"})
    assert "<" not in text
    assert json.loads(text)["value"] == value


@given(st.lists(st.floats(-0.5, 1.5), max_size=50), st.integers(1, 30))
def test_every_value_falls_into_one_bin(values: list[float], bins: int) -> None:
    assert bin_counts(values, bins).sum() == len(values)


def test_few_scenes_are_shown_once_each() -> None:
    for count in range(8):
        rows = golden_rows()[:count]
        shown = [row["scene"] for shelf in pick_scenes(rows).values() for row in shelf]
        assert sorted(shown) == sorted(row["scene"] for row in rows)


def test_comparison_orders_runs_and_refuses_unlike_ones(tmp_path: Path) -> None:
    rows = golden_rows()[:4]
    low = write_run(tmp_path / "low", rows, agent="low", score=0.2)
    high = write_run(tmp_path / "high", rows, agent="high", score=0.8, expected=6, n_failed=1)
    html = write_comparison([low, high], tmp_path / "table.html").read_text()
    assert html.index(">high<") < html.index(">low<")
    assert "NOT FINAL</strong>: 1 failed, 1 missing" in html
    assert html.count("<td>also map and boxes</td>") == 2
    assert [run["agent"] for run in read_comparable([low, high])] == ["low", "high"]
    for field, value in (("metric_version", "1.2"), ("scene_set_sha256", "cd" * 32)):
        other = write_run(tmp_path / field, rows, **{field: value})
        with pytest.raises(ConfigError, match=rf"low and .*{field} differ .*{value}"):
            read_comparable([low, other])
    with pytest.raises(ConfigError, match="no runs"):
        read_comparable([])
