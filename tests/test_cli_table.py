"""The table on the terminal: every figure with its unit, as in the report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from drivelab.cli.result import number, print_table
from drivelab.evaluation.evaluate import evaluate
from drivelab.evaluation.monitor import Silent
from drivelab.evaluation.settings import EvalSettings

TOYS = Path(__file__).parent / "toys"


def shown(metric: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Lines of the table by their name."""
    settings = EvalSettings(
        agent={"_target_": "driving_toys:Keeper"},
        agent_name="keeper",
        bench={"_target_": "driving_toys:FamilyBench", "count": 2, "duration": 0.5},
        bench_name="families",
        metric=metric,
        runs_root=folder,
    )
    print_table(evaluate(settings, Silent()))
    rows = (line.split("│") for line in capsys.readouterr().out.splitlines() if "│" in line)
    return {cells[1].strip(): cells[2].strip() for cells in rows}


@pytest.mark.parametrize(
    ("metric", "units"),
    [
        (
            "rad9_v2",
            {"average_deviation_distance": " m", "lateral_jerk": " m/s³", "deviation_ratio": ""},
        ),
        ("neuroncap_v1", {"score (95 % interval)": " stars", "collision_rate": ""}),
        ("carla_ds_v1.0", {"score (95 % interval)": " %", "route_completion": " %"}),
    ],
)
def test_figures_carry_their_units(
    metric: str,
    units: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(TOYS)
    lines = shown(metric, tmp_path, capsys)
    for name, unit in units.items():
        figure = lines[name].partition("  [")[0]
        assert re.fullmatch(rf"\d+\.\d{{4}}{re.escape(unit)}", figure), (name, figure)


def test_what_no_scene_had_is_a_dash() -> None:
    assert [number(None, "m"), number(float("nan"), "m"), number(2.0, "m")] == [
        "-",
        "-",
        "2.0000 m",
    ]
