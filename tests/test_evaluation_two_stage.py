"""A two-stage run end to end, held against the aggregate written out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from drivelab.errors import ConfigError
from drivelab.evaluation.evaluate import evaluate
from drivelab.evaluation.monitor import Silent
from drivelab.evaluation.run_folder import load_rollout
from drivelab.evaluation.settings import EvalSettings
from drivelab.evaluation.summary import read_summary
from drivelab.metrics.navsim.extended_comfort import two_frame_comfort

TOYS = Path(__file__).parent / "toys"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvalSettings:
    monkeypatch.syspath_prepend(TOYS)
    return EvalSettings(
        agent={"_target_": "drivelab.agents.idm:Idm"},
        agent_name="idm",
        bench={"_target_": "two_stage_toys:TwoStageBench"},
        bench_name="two_stage_toy",
        runs_root=tmp_path / "runs",
    )


def test_the_score_of_a_two_stage_run_is_the_official_aggregate(settings: EvalSettings) -> None:
    result = evaluate(settings, Silent())
    summary = read_summary(result.folder / "summary.json")
    assert summary.metric == "epdms_v2.2_two_stage"
    assert summary.final
    rows = {row["scene"]: row for row in pq.read_table(result.folder / "rows.parquet").to_pylist()}
    before, now, *rest = rows
    halves = []
    for stage_one, follow_ups in ((now, rest[1::2]), (before, rest[::2])):
        end = np.array([rows[stage_one]["end_x"], rows[stage_one]["end_y"]])
        starts = np.array([[rows[n]["start_x"], rows[n]["start_y"]] for n in follow_ups])
        weights = np.exp(-((starts - end) ** 2).sum(1) / 0.2)
        if weights.sum() < 1e-8:
            weights[:] = 1.0
        weights /= weights.sum()
        assert [rows[name]["weight"] for name in follow_ups] == pytest.approx(list(weights))
        second = sum(w * rows[n]["score"] for w, n in zip(weights, follow_ups, strict=True))
        halves.append(rows[stage_one]["score"] * second)
    assert summary.score == pytest.approx(sum(halves) / 2, abs=1e-12)
    states = {n: load_rollout(result.folder / "rollouts" / f"{n}.npz")["states"] for n in rows}
    want = two_frame_comfort(states[before], states[now], 0.5)
    assert rows[now]["two_frame_extended_comfort"] == want
    assert rows[before]["two_frame_extended_comfort"] == want  # given to both members


def test_a_part_of_a_two_stage_split_has_no_score(settings: EvalSettings) -> None:
    result = evaluate(replace(settings, limit=3), Silent())
    assert read_summary(result.folder / "summary.json").score is None


def test_pdms_refuses_a_two_stage_split(settings: EvalSettings) -> None:
    bench = {**settings.bench, "metric": "pdms_v1.1"}
    with pytest.raises(ConfigError, match="two-stage"):
        evaluate(replace(settings, bench=bench), Silent())
