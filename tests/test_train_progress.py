"""The lines of a run's progress: what a crash or a stranger left among them is passed over."""

from __future__ import annotations

from pathlib import Path

from drivelab.training.run_folder import PROGRESS, add_progress, keep_progress, read_progress


def test_lines_that_are_none_are_passed_over(tmp_path: Path) -> None:
    assert read_progress(tmp_path) == []
    for updates in (1, 2, 3):
        add_progress(tmp_path, {"updates": updates})
    add_progress(tmp_path, {"steps": 4})  # of a learner that counts otherwise
    with (tmp_path / PROGRESS).open("ab") as stream:
        stream.write(b'[1, 2]\n7\nnull\n\xff\xfe\n{"updates": 4')
    assert read_progress(tmp_path) == [{"updates": n} for n in (1, 2, 3)] + [{"steps": 4}]
    keep_progress(tmp_path, 2)
    assert (tmp_path / PROGRESS).read_text() == '{"updates": 1}\n{"updates": 2}\n'
