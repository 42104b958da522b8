"""`drivelab bench`: what it measures, prints and keeps."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from drivelab.cli import main  # noqa: E402
from drivelab.speed.clock import cpu_mb, cpu_ms  # noqa: E402
from drivelab.speed.encoders import comparisons  # noqa: E402
from drivelab.speed.row import Row  # noqa: E402

pytestmark = pytest.mark.nn


def test_kernels_beside_attention(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(cpu_ms.__kwdefaults__, "seconds", 0.02)  # what is measured, not how well
    assert main(["bench", "kernels", "ops=gla", "lengths=8,16", f"out={tmp_path}"]) == 0
    told = capsys.readouterr().out
    kept = json.loads((tmp_path / "bench-kernels.json").read_text())
    rows = {(row["job"], row["size"], row["runner"]): row for row in kept["rows"]}
    assert {runner for _, _, runner in rows} == {"drivelab numba", "drivelab torch", "SDPA"}
    assert {job for job, _, _ in rows} == {"gla forward", "gla forward+backward"}
    for (_, _, runner), row in rows.items():
        assert row["ms"] > 0
        assert (row["error"] is None) == (runner == "SDPA")
        assert row["error"] is None or row["error"] < 1e-5
    assert kept["machine"]["torch"] == torch.__version__
    assert "gla forward+backward" in told
    assert (tmp_path / "bench-kernels.png").read_bytes()[1:4] == b"PNG"


def test_an_encoder_in_its_own_process(tmp_path, capsys):
    words = ["bench", "encoders", "encoders=vig_t,vit_t", "pixels=32", f"out={tmp_path}"]
    assert main(words) == 0
    rows = json.loads((tmp_path / "bench-encoders.json").read_text())["rows"]
    assert [row["runner"] for row in rows] == ["vig_t", "vit_t"]
    assert all(row["ms"] > 0 and row["work"] > 0 for row in rows)
    assert "vig_t beside vit_t at 32 pixels" in capsys.readouterr().out


def test_comparisons_are_ratios():
    rows = [Row("one", 1024, "vig_t", 10.0, mb=5.0), Row("one", 1024, "vit_t", 25.0, mb=10.0)]
    told = "vig_t beside vit_t at 1024 pixels: 2.50 x as fast, 2.00 x less memory"
    assert comparisons(rows) == [f"{told} (asked: 2.2 x, 1 x)"]


def test_memory_counts_what_a_call_holds_at_once():
    def hold() -> None:
        torch.ones(8 * 2**20)  # 32 MB, all pages touched

    peak = cpu_mb(hold)
    assert peak is None or 30.0 < peak < 60.0


def test_time_is_of_this_process():
    assert 0.0 < cpu_ms(lambda: sum(range(1000)), seconds=0.01) < 10.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["kernels", "ops=gal"], "ops=gal: expected some of gla, "),
        (["kernels", "lengths=0"], "lengths=0: expected whole numbers"),
        (["kernels", "device=tpu"], "device=tpu: expected cpu or cuda"),
        (["kernels", "dtype=int8"], "dtype=int8: expected one of"),
        (["encoders", "encoders=vig_x"], "did you mean 'vig_"),
        (["encoders", "threads=none"], "threads=none: expected a whole number"),
        (["kernel"], "did you mean 'kernels'"),
    ],
)
def test_wrong_words(words, told, capsys):
    assert main(["bench", *words]) == 2
    assert told in capsys.readouterr().err
