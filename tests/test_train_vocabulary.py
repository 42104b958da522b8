"""`drivelab train vocabulary`: from the command line to a file that VADv2 takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra nn")

from drivelab.agents.vadv2.agent import VadV2
from drivelab.agents.vadv2.vocabulary import load_vocabulary, make_vocabulary, spacing
from drivelab.cli import main

pytestmark = pytest.mark.nn


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    cache = tmp_path_factory.mktemp("features")
    return ["train", "vocabulary", "limit=12", f"cache={cache}", "builders=0", "quiet=true"]


def test_the_furthest_drives_are_kept(words, tmp_path: Path, capsys):
    out = tmp_path / "new" / "vocabulary.npy"
    assert main([*words, "entries=5", f"out={out}"]) == 0
    told = capsys.readouterr().out
    made = load_vocabulary(out)
    assert f"5 entries, {spacing(made):.2f} m from one to the next (median); 12 drives: on" in told
    assert made.shape == (5, 8, 3)
    assert not made[0].any()
    assert main([*words, "entries=12", f"out={tmp_path / 'all.npy'}"]) == 0
    drives = load_vocabulary(tmp_path / "all.npy")[1:]
    np.testing.assert_array_equal(make_vocabulary(drives, 5), made)


def test_the_network_begins_with_the_entries_of_the_file(words, tmp_path: Path):
    out = tmp_path / "vocabulary.npy"
    assert main([*words, "entries=6", f"out={out}"]) == 0
    network = VadV2.trainee(entries=6, vocabulary=str(out)).network
    kept = network._planning_head.vocabulary
    np.testing.assert_allclose(kept.detach().numpy(), load_vocabulary(out), atol=1e-6)


def test_the_same_command_gives_the_same_bits(words, tmp_path: Path):
    files = [tmp_path / "first.npy", tmp_path / "second.npy"]
    for out in files:
        assert main([*words, "entries=7", "poses=4", "dt=1.0", f"out={out}"]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert load_vocabulary(files[0]).shape == (7, 4, 3)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["entries=1"], "entries=1: expected a whole number, 2 or more"),
        (["entries=2.5"], "entries=2.5: expected a whole number, 2 or more"),
        (["poses=0"], "poses=0: expected a whole number, 1 or more"),
        (["dt=-0.5"], "dt=-0.5: expected seconds above 0"),
        (["dt=nan"], "dt=nan: expected seconds above 0"),
        (["dt=inf"], "dt=inf: expected seconds above 0"),
        (["out=words.txt"], "out=words.txt: expected a file that ends in .npy"),
        (["entry=3"], "no option 'entry'; did you mean 'entries'?"),
        (["data=labmani"], "data=labmani: no such data; did you mean 'labmini'?"),
        (
            ["entries=40"],
            "only 12 recorded trajectories differ from each other and from standing still",
        ),
    ],
)
def test_what_cannot_be_is_told(words, more, told, tmp_path: Path, capsys):
    assert main([*words, f"out={tmp_path / 'vocabulary.npy'}", *more]) == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.glob("*.npy"))
