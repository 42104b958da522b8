"""Split and filter files: tokens stay text, wrong keys and tokens are told by place."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivelab.data.navsim.scene_filter import SceneFilter, read_split
from drivelab.data.navsim.splits import SPLITS, find_split
from drivelab.errors import ConfigError, DataError
from drivelab.types import StageEntry

A, B = "97e1000000000000", "1001304290285954"
SYNTHETIC = [f"{i:017x}" for i in range(4)]


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_unquoted_tokens_stay_what_they_are(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.yaml", f"tokens:\n  - {A}\n  - {B}\n  - '0000000000000017'\n")
    assert read_split(file).filter.tokens == (A, B, "0000000000000017")


@pytest.mark.parametrize("token", ["abc", "1.0e5", "ABCDEF0123456789", "g" * 16, "0" * 18, "~"])
def test_other_tokens_are_refused_by_place(tmp_path: Path, token: str) -> None:
    file = write(tmp_path, "mine.yaml", f"tokens:\n  - '{A}'\n  - '{token}'\n")
    with pytest.raises(DataError, match=r"mine\.yaml, tokens\[1\]: .* is not a token"):
        read_split(file)


def test_nulls_are_all(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.yaml", "tokens: null\nlog_names: ~\nframe_interval:\n")
    assert read_split(file).filter == SceneFilter()


def test_a_split_file_takes_its_filter_from_the_folder_beside(tmp_path: Path) -> None:
    write(tmp_path, "scene_filter/dense.yaml", "frame_interval: 1\nmax_scenes: 7\n_convert_: all\n")
    file = write(tmp_path, "mine.yaml", "defaults:\n  - scene_filter: dense\ndata_split: mini\n")
    split = read_split(file)
    assert split.data_split == "mini"
    assert split.filter == SceneFilter(frame_interval=1, max_scenes=7)


def test_a_two_stage_mapping_is_read_in_order(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "two.yaml",
        "data_split: test\nreactive_all_mapping:\n"
        f"- [{A}, {B}, [[{SYNTHETIC[0]}, {SYNTHETIC[1]}], [{SYNTHETIC[2]}, {SYNTHETIC[3]}]]]\n"
        f"- ['{B}', '{A}', []]\n",
    )
    pairs = ((SYNTHETIC[0], SYNTHETIC[1]), (SYNTHETIC[2], SYNTHETIC[3]))
    assert read_split(file).reactive_all_mapping == (
        StageEntry(A, B, pairs),
        StageEntry(B, A, ()),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame_intervall: 1", r"frame_intervall: unknown key"),
        ("frame_interval: 1.5", r"frame_interval: '1\.5' is not a whole number"),
        ("has_route: maybe", r"has_route: 'maybe' is neither true nor false"),
        ("tokens: 5", r"tokens: expected a list"),
        ("log_names: {a: b}", r"log_names: expected a list"),
        ("data_split: ../../etc", r"data_split: .* is not a folder name"),
        ("defaults: [scene_filter: ../x]", r"defaults: '\.\./x' is not a filter name"),
        ("defaults: [scene_filter: none_there]", r"its scene filter is missing; expected .*none_"),
        (f"reactive_all_mapping: [[{A}, {B}]]", r"reactive_all_mapping\[0\]: expected \[now"),
        (f"reactive_all_mapping: [[{A}, x, []]]", r"reactive_all_mapping\[0\]: 'x' is not a tok"),
        (f"reactive_all_mapping: [[{A}, {B}, [[{A}]]]]", r"\[0\]\[2\]\[0\]: expected \[now"),
        ("- 1", r"holds list, expected keys and values"),
        ("a: [", r"is not YAML"),
    ],
)
def test_wrong_content_is_told_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"mine\.yaml.*{message}"):
        read_split(write(tmp_path, "mine.yaml", text + "\n"))


def test_yaml_tags_make_no_objects(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    file = write(
        tmp_path, "mine.yaml", f"max_scenes: !!python/object/apply:os.mkdir ['{marker}']\n"
    )
    with pytest.raises(DataError):
        read_split(file)
    assert not marker.exists()


@pytest.mark.parametrize("key", ["num_history_frames", "frame_interval", "max_scenes"])
def test_counts_below_one_are_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"{key} is 0"):
        SceneFilter(**{key: 0})


def test_the_interval_defaults_to_the_window() -> None:
    assert SceneFilter(3, 5).interval == 8
    assert SceneFilter(3, 5, 2).interval == 2


@pytest.mark.parametrize("name", SPLITS)
def test_official_names_resolve_without_a_file(tmp_path: Path, name: str) -> None:
    split = find_split(tmp_path, name)
    assert split.folder == SPLITS[name].folder
    assert not split.listed


def test_a_file_without_folder_needs_one(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.yaml", f"tokens: ['{A}']\n")
    with pytest.raises(DataError, match="does not name the folder of its logs"):
        find_split(tmp_path, file)
    assert find_split(tmp_path, file, folder="mini").folder == "mini"
    assert find_split(tmp_path, write(tmp_path, "navtest.yaml", "{}")).folder == "test"
