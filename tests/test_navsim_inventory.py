"""Listing and verifying the NAVSIM and nuPlan roots."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from drivelab.data.navsim.inventory import list_navsim, plan_navsim, verify_navsim
from drivelab.data.navsim.splits import SPLITS

DATA = (
    Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden"))
    / "nuplan_format"
    / "data"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(DATA, tmp_path / "data")
    shutil.move(tmp_path / "data/navsim_logs/mini", tmp_path / "data/navsim_logs/own")
    return tmp_path / "data"


def test_everything_that_is_there_is_listed_with_its_size(root: Path) -> None:
    found = {(item.kind, item.name): item for item in list_navsim(root, root / "maps")}
    for kind, folder, pattern in (
        ("logs", "navsim_logs", "*.pkl"),
        ("database", "nuplan-v1.1/splits", "*.db"),
    ):
        for path in (root / folder).iterdir():
            files = list(path.glob(pattern))
            assert found[kind, path.name].files == len(files)
            assert found[kind, path.name].size == sum(file.stat().st_size for file in files)
    assert sum(item.files for item in found.values() if item.kind == "map") == len(
        list((root / "maps").glob("*/*/map.gpkg"))
    )


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert list_navsim(tmp_path, None) == []
    assert list_navsim(None, tmp_path) == []
    assert [f.problem for f in verify_navsim(tmp_path, None)] == [
        "nothing of NAVSIM or nuPlan is here"
    ]


def test_a_whole_tree_has_no_findings(root: Path) -> None:
    assert verify_navsim(root, root / "maps", deep=True) == []


def test_a_short_official_folder_is_told(root: Path) -> None:
    (root / "navsim_logs" / "own").rename(root / "navsim_logs" / "mini")
    problems = [finding.problem for finding in verify_navsim(root, root / "maps")]
    assert any("1 logs, the official release has 64" in problem for problem in problems)


@pytest.mark.parametrize("pattern", ["navsim_logs/*/*.pkl", "*/*/mini/*.db", "maps/sg*/*/map.gpkg"])
def test_cut_files_are_told(root: Path, pattern: str) -> None:
    files = sorted(root.glob(pattern))
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    findings = verify_navsim(root, root / "maps")
    assert sorted(finding.file for finding in findings) == [str(file) for file in files]


def test_a_missing_city_and_a_missing_split_are_told(root: Path) -> None:
    shutil.rmtree(next((root / "maps").glob("us-*")))
    findings = verify_navsim(root, root / "maps", split="navtest")
    assert any("cannot be opened: No such file" in f.problem for f in findings)
    assert any("needs the folder navsim_logs/test" in f.problem for f in findings)


def test_the_plan_counts_what_is_there(root: Path) -> None:
    (root / "navsim_logs" / "own").rename(root / "navsim_logs" / "mini")
    needs = {need.split: need for need in plan_navsim(root)}
    assert set(needs) == set(SPLITS)
    assert needs["navmini"].logs_there == len(list((root / "navsim_logs/mini").glob("*.pkl")))
    assert needs["navtrain"].logs_there == 0
    assert all(need.logs_there == 0 for need in plan_navsim(None))
