"""Leaderboard files: read, written again, and equal to those the official program took."""

from __future__ import annotations

import json
import os
import pickle
import pickletools
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivelab.data.proposals import read_plans, require_tokens
from drivelab.data.submission import Team, write_submission
from drivelab.data.unpickle import load_restricted
from drivelab.errors import ConfigError, DataError

ROOT = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "nuplan_format"
FILES = {
    "v1.1": ROOT / "expected" / "submission_v11.pkl",
    "v2.2": ROOT / "expected" / "submission_v22.pkl",
}
KEYS = {
    "v1.1": ("predictions",),
    "v2.2": ("first_stage_predictions", "second_stage_predictions"),
}
SCENES = json.loads((ROOT / "expected" / "pdms_v11_expected.json").read_text())["scenes"]
HUMAN = {scene["token"]: np.array(scene["human"]["poses"]) for scene in SCENES}


def plain(content: dict[str, Any]) -> dict[str, Any]:
    """The file as comparable values."""
    out = {}
    for key, value in content.items():
        if isinstance(value, list):
            value = [{t: unfolded(r.fields) for t, r in run.items()} for run in value]
        out[key] = value
    return out


def unfolded(fields: dict[str, Any]) -> dict[str, Any]:
    poses = fields["poses"]
    sampling = fields["trajectory_sampling"].fields
    return {"poses": poses.tolist(), "dtype": str(poses.dtype), "sampling": sampling}


def team_of(content: dict[str, Any]) -> Team:
    keys = ("team_name", "authors", "email", "institution", "country / region")
    return Team(*(content[key] for key in keys))


def rewritten(version: str, folder: Path) -> Path:
    content = load_restricted(FILES[version])
    stages = [
        {token: record.fields["poses"] for token, record in content[key][0].items()}
        for key in KEYS[version]
    ]
    return write_submission(
        folder / "submission.pkl",
        stages[0],
        team_of(content),
        version=version,
        second_stage=stages[1] if len(stages) > 1 else None,
    )


def names_in(file: Path) -> set[tuple[str, ...]]:
    found, texts, memo = set(), [], []
    for opcode, argument, _ in pickletools.genops(file.read_bytes()):
        if "UNICODE" in opcode.name:
            texts.append(argument)
        elif opcode.name == "MEMOIZE":
            memo.append(texts[-1] if texts else "")
        elif opcode.name == "BINGET":
            texts.append(memo[argument])
        elif opcode.name == "STACK_GLOBAL":
            found.add(tuple(texts[-2:]))
    return found


@pytest.mark.parametrize("version", FILES)
def test_plans_of_the_file_are_the_human_plans(version: str) -> None:
    plans = read_plans(FILES[version])
    assert set(HUMAN) <= set(plans)
    for token, poses in HUMAN.items():
        assert plans[token].dtype == np.float64
        np.testing.assert_array_equal(plans[token], poses.astype(np.float32))


@pytest.mark.parametrize("version", FILES)
def test_written_file_has_the_content_of_the_official_one(version: str, tmp_path: Path) -> None:
    written = rewritten(version, tmp_path)
    assert plain(load_restricted(written)) == plain(load_restricted(FILES[version]))


@pytest.mark.parametrize("version", FILES)
def test_written_file_names_the_classes_of_the_official_one(version: str, tmp_path: Path) -> None:
    assert names_in(rewritten(version, tmp_path)) == names_in(FILES[version])


@pytest.mark.filterwarnings("ignore:numpy.core:DeprecationWarning")
def test_plain_pickle_makes_the_official_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With classes of the official names importable, the standard reader builds those."""
    names = {
        "navsim.common.dataclasses": "Trajectory",
        "nuplan.planning.simulation.trajectory.trajectory_sampling": "TrajectorySampling",
    }
    for module, name in names.items():
        parts = module.split(".")
        for end in range(1, len(parts) + 1):
            monkeypatch.setitem(
                sys.modules, ".".join(parts[:end]), types.ModuleType(".".join(parts[:end]))
            )
        setattr(sys.modules[module], name, type(name, (), {"__module__": module}))
    content = pickle.loads(rewritten("v1.1", tmp_path).read_bytes())
    for token, trajectory in content["predictions"][0].items():
        assert type(trajectory).__name__ == "Trajectory"
        assert trajectory.poses.dtype == np.float32
        np.testing.assert_array_equal(trajectory.poses, HUMAN[token].astype(np.float32))
        assert trajectory.trajectory_sampling.interval_length == 0.5


def test_file_name_version_and_team_are_checked(tmp_path: Path) -> None:
    team = Team("a", "b", "c@example.org", "d", "e")
    with pytest.raises(ConfigError, match=r"only submission\.pkl"):
        write_submission(tmp_path / "mine.pkl", HUMAN, team)
    with pytest.raises(ConfigError, match="v9"):
        write_submission(tmp_path / "submission.pkl", HUMAN, team, version="v9")
    with pytest.raises(ConfigError, match="institution"):
        write_submission(tmp_path / "submission.pkl", HUMAN, Team("a", "b", "c", " ", "e"))
    assert not list(tmp_path.iterdir())


def test_missing_and_strange_tokens_are_told() -> None:
    tokens = list(HUMAN)
    require_tokens(HUMAN, tokens, file="plans.npz")
    with pytest.raises(DataError, match=f"1 of {len(tokens)} scenes have no plan.*{tokens[0]}"):
        require_tokens({t: HUMAN[t] for t in tokens[1:]}, tokens, file="plans.npz")
    with pytest.raises(DataError, match=f"1 plans are for scenes outside.*{tokens[0]}"):
        require_tokens(HUMAN, tokens[1:], file="plans.npz")
