"""Plan files: three formats give the same plans; broken ones are told by token."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drivelab.data.proposals import read_plans
from drivelab.data.submission import Team, write_submission
from drivelab.errors import DataError, UnsafePickleError

TOKENS = [f"{i:016x}" for i in range(3)]
PLANS = {t: np.arange(24.0).reshape(8, 3) / 8 + i for i, t in enumerate(TOKENS)}  # float32 exact
TEAM = Team("a", "b", "c@example.org", "d", "e")


def parquet(file: Path, tokens: list[Any], poses: list[Any]) -> Path:
    pq.write_table(pa.table({"token": tokens, "poses": poses}), file)
    return file


def same(found: dict[str, np.ndarray]) -> bool:
    return list(found) == TOKENS and all(np.array_equal(found[t], PLANS[t]) for t in TOKENS)


def test_all_formats_give_the_same_plans(tmp_path: Path) -> None:
    nested = [PLANS[t].tolist() for t in TOKENS]
    flat = [PLANS[t].ravel().tolist() for t in TOKENS]
    assert same(read_plans(parquet(tmp_path / "nested.parquet", TOKENS, nested)))
    assert same(read_plans(parquet(tmp_path / "flat.parquet", TOKENS, flat)))
    np.savez(tmp_path / "plans.npz", **PLANS)
    assert same(read_plans(tmp_path / "plans.npz"))
    assert same(read_plans(write_submission(tmp_path / "submission.pkl", PLANS, TEAM)))


def test_both_stages_are_read_together(tmp_path: Path) -> None:
    later = {f"{9:017x}": PLANS[TOKENS[0]] + 1}
    file = write_submission(
        tmp_path / "submission.pkl", PLANS, TEAM, version="v2.2", second_stage=later
    )
    assert list(read_plans(file)) == [*TOKENS, *later]


@pytest.mark.parametrize(
    ("poses", "message"),
    [
        (np.zeros((4, 3)), r"poses have shape \(4, 3\), expected \(8, 3\)"),
        (np.zeros((8, 2)), r"poses have shape \(8, 2\)"),
        (np.where(np.arange(24).reshape(8, 3) == 7, np.nan, 0.0), "pose 2 is NaN or infinite"),
        (np.full((8, 3), np.inf), "pose 0 is NaN or infinite"),
    ],
)
def test_a_wrong_plan_is_told_by_token(tmp_path: Path, poses: np.ndarray, message: str) -> None:
    np.savez(tmp_path / "plans.npz", **(PLANS | {TOKENS[1]: poses}))
    with pytest.raises(DataError, match=rf"plans\.npz, token {TOKENS[1]}: {message}"):
        read_plans(tmp_path / "plans.npz")


def test_tokens_that_occur_twice_are_told(tmp_path: Path) -> None:
    nested = [PLANS[t].tolist() for t in TOKENS]
    file = parquet(tmp_path / "p.parquet", [TOKENS[0], TOKENS[1], TOKENS[0]], nested)
    with pytest.raises(DataError, match=f"token {TOKENS[0]} occurs twice"):
        read_plans(file)
    np.savez(tmp_path / "p.npz", **PLANS)
    with zipfile.ZipFile(tmp_path / "p.npz") as archive:
        member = archive.read(f"{TOKENS[0]}.npy")
    with (
        zipfile.ZipFile(tmp_path / "p.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr(f"{TOKENS[0]}.npy", member)
    with pytest.raises(DataError, match=f"token {TOKENS[0]} occurs twice"):
        read_plans(tmp_path / "p.npz")


def test_a_merged_file_needs_a_choice_of_seed(tmp_path: Path) -> None:
    first = write_submission(tmp_path / "submission.pkl", PLANS, TEAM).read_bytes()
    # The list of one run becomes a list of two: the run is appended once more from the memo.
    names = [op for op in _opcodes(first) if op[0] == "EMPTY_DICT"]
    assert names
    merged = tmp_path / "merged.pkl"
    end = first.rindex(b"as.") if first.endswith(b"as.") else first.rindex(b"au.")
    dict_memo = _memo_of_run(first)
    merged.write_bytes(first[:end] + b"ah" + bytes([dict_memo]) + first[end:])
    with pytest.raises(DataError, match="holds 2 training seeds; choose one"):
        read_plans(merged)
    assert same(read_plans(merged, seed=1))
    with pytest.raises(DataError, match="no seed 2, there are 2"):
        read_plans(merged, seed=2)


def _opcodes(data: bytes) -> list[tuple[str, Any]]:
    import pickletools

    return [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(data)]


def _memo_of_run(data: bytes) -> int:
    """Memo number of the dict of the first run: the second dict of the file."""
    memo, dicts, before = -1, [], ""
    for name, _ in _opcodes(data):
        if name == "MEMOIZE":
            memo += 1
            if before == "EMPTY_DICT":
                dicts.append(memo)
        before = name
    return dicts[1]


def test_files_of_another_kind_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"expected \.parquet, \.npz or \.pkl"):
        read_plans(tmp_path / "plans.csv")
    for name in ("a.npz", "a.parquet", "a.pkl"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DataError, match=name):
            read_plans(tmp_path / name)
        with pytest.raises(DataError, match="missing"):
            read_plans(tmp_path / "missing" / name)
    pq.write_table(pa.table({"token": TOKENS}), tmp_path / "b.parquet")
    with pytest.raises(DataError, match="no column poses; there are token"):
        read_plans(tmp_path / "b.parquet")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(DataError, match="holds no plan"):
        read_plans(tmp_path / "empty.npz")


def test_npz_with_objects_and_pickles_with_programs_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "o.npz", **{TOKENS[0]: np.array([{}], object)})
    with pytest.raises(DataError, match="npz of plain arrays"):
        read_plans(tmp_path / "o.npz")
    np.save(tmp_path / "one.npy", np.zeros((8, 3)))
    with pytest.raises(DataError, match="npz of plain arrays"):  # an npy under another name
        read_plans((tmp_path / "one.npy").rename(tmp_path / "one.npz"))
    (tmp_path / "o.pkl").write_bytes(pickle.dumps(eval))
    with pytest.raises(UnsafePickleError, match=r"builtins\.eval"):
        read_plans(tmp_path / "o.pkl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "holds list, expected a dict"),
        ({"predictions": {}}, "key predictions: expected a list of dicts"),
        ({}, "key first_stage_predictions: expected a list of dicts"),
        ({"predictions": [{TOKENS[0]: [1.0]}]}, f"token {TOKENS[0]}: holds list, expected a Traj"),
    ],
)
def test_leaderboard_files_of_another_shape_are_told(
    tmp_path: Path, content: Any, message: str
) -> None:
    (tmp_path / "p.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=message):
        read_plans(tmp_path / "p.pkl")
