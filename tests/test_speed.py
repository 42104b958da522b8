"""`drivelab bench`: what it measures, prints and keeps."""

from __future__ import annotations

import json
from itertools import count

import pytest

torch = pytest.importorskip("torch")

from drivelab.cli import main  # noqa: E402
from drivelab.errors import RunError  # noqa: E402
from drivelab.speed import clock, encoders, kernel_jobs, kernels, table  # noqa: E402
from drivelab.speed.clock import cpu_mb, cpu_ms  # noqa: E402
from drivelab.speed.encoders import comparisons  # noqa: E402
from drivelab.speed.row import Row  # noqa: E402

pytestmark = pytest.mark.nn


@pytest.fixture
def hasty(monkeypatch):
    """What is measured is asked for, not how well: few calls, and no collection before each."""
    monkeypatch.setitem(cpu_ms.__kwdefaults__, "seconds", 0.0)
    monkeypatch.setattr(clock.gc, "collect", lambda: 0)


@pytest.mark.usefixtures("hasty")
def test_kernels_beside_attention(tmp_path, capsys):
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


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("op", kernels.OPS)
def test_each_op_runs_beside_its_peers(op, monkeypatch):
    monkeypatch.setattr(kernels, "EXACT", 8)  # of the longer one gradients meet plain torch's
    rows = list(kernels.measure([op], [8, 20], "cpu", torch.float32, heads=2, width=8))
    ours = {"drivelab numba", "drivelab torch"}
    peers = {row.runner for row in rows} - ours
    assert peers == (set() if op == "selective_scan" else {kernels_peer(op)})
    assert len(rows) == 4 * (2 + len(peers))
    assert {kernels.op_of(row) for row in rows} == {op}
    for row in rows:
        assert (row.error is not None) == (row.runner in ours)
        assert row.error is None or row.error < 1e-4
        assert row.limit is None


def kernels_peer(op: str) -> str:
    return "torch's own" if op.startswith(("causal_conv", "rmsnorm")) else "SDPA"


@pytest.mark.parametrize("op", ["causal_conv1d", "rmsnorm", "rmsnorm_gated"])
def test_torchs_own_function_is_the_same(op):
    job = kernel_jobs.make_job(op, 2, 4, 9, "cpu", torch.float64)
    torch.testing.assert_close(job.peers["torch's own"](job.inputs), job.ours("ref")(job.inputs))


def test_attention_beside_ssd_has_its_shapes_and_is_causal():
    job = kernel_jobs.make_job("ssd", 2, 4, 9, "cpu", torch.float64)
    seen = job.peers["SDPA"](job.inputs)
    assert seen.shape == job.ours("ref")(job.inputs).shape
    torch.testing.assert_close(seen[:, 0], job.inputs[0][:, 0])  # the first token sees itself


def test_what_was_asked_stands_only_beside_the_sizes_it_was_asked_for(monkeypatch):
    monkeypatch.setattr(
        kernels, "_row", lambda job, tokens, runner, *_: Row(job.op, 196, runner, 1)
    )

    def asked(op: str, dtype: torch.dtype = torch.float32, **sizes: int) -> set[float | None]:
        return {row.limit for row in kernels.measure([op], [196], "cpu", dtype, **sizes)}

    assert asked("gla") == {None, 0.30, 1.2}
    assert asked("ssd") == {None, 0.8 * 0.30, 0.8 * 1.2}
    assert asked("rmsnorm") == asked("gla", heads=2) == asked("gla", torch.float64) == {None}


@pytest.mark.usefixtures("hasty")
def test_sizes_are_kept_and_the_chart_is_of_the_first_op_alone(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(table, "draw_rows", lambda rows, jobs, *_: drawn.extend(jobs))
    words = ["ops=gla,gla_bidirectional", "lengths=8", "heads=2", "width=8", f"out={tmp_path}"]
    assert main(["bench", "kernels", *words]) == 0
    assert drawn == ["gla forward", "gla forward+backward"]
    facts = json.loads((tmp_path / "bench-kernels.json").read_text())["machine"]
    assert (facts["heads"], facts["width"], facts["dtype"]) == (2, 8, "float32")


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [(KeyboardInterrupt(), 130, "interrupted"), (RunError("vig_t ended"), 2, "vig_t ended")],
)
def test_what_was_measured_before_the_end_is_kept(end, code, told, tmp_path, capsys, monkeypatch):
    def measure(*_, **__):
        yield Row("gla forward", 8, "drivelab numba", 1.0, mb=2.0)
        raise end

    monkeypatch.setattr(kernels, "measure", measure)
    assert main(["bench", "kernels", f"out={tmp_path / 'new'}"]) == code
    rows = json.loads((tmp_path / "new" / "bench-kernels.json").read_text())["rows"]
    assert [row["runner"] for row in rows] == ["drivelab numba"]
    err = capsys.readouterr().err
    assert "stopped; the 1 rows above are all so far" in err
    assert told in err


def test_an_end_before_the_first_row_leaves_no_file(tmp_path, monkeypatch):
    def measure(*_, **__):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(kernels, "measure", measure)
    assert main(["bench", "kernels", f"out={tmp_path}"]) == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("action", ["kernels", "encoders"])
def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_measured(
    action, tmp_path, capsys, monkeypatch
):
    for module in (kernels, encoders):
        monkeypatch.setattr(module, "measure", lambda *_, **__: pytest.fail("measured"))
    (tmp_path / "file").write_text("")
    assert main(["bench", action, f"out={tmp_path / 'file' / 'x'}"]) == 2
    assert "file/x: cannot be made (Not a directory)" in capsys.readouterr().err


@pytest.mark.slow
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


def test_what_is_freed_during_single_calls_is_not_counted_against_them():
    older, calls = [torch.ones(8 * 2**20) for _ in range(4)], count()

    def hold() -> None:
        if next(calls) in (1, 2, 3, 5):  # all that are weighed but one
            older.pop()
        torch.ones(8 * 2**20)

    peak = cpu_mb(hold)
    assert peak is None or 30.0 < peak < 60.0


def test_time_is_of_this_process():
    assert 0.0 < cpu_ms(lambda: sum(range(1000)), seconds=0.01) < 10.0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["kernels", "ops=gal"], "ops=gal: expected some of gla, "),
        (["kernels", "lengths=0"], "lengths=0: expected whole numbers"),
        (["kernels", "lengths=²"], "lengths=²: expected whole numbers"),
        (["kernels", "lengths=" + 5000 * "9"], "expected whole numbers"),
        (["kernels", "heads=0"], "heads=0: expected a whole number"),
        (["kernels", "width=²"], "width=²: expected a whole number"),
        (["kernels", "threads=²"], "threads=²: expected a whole number"),
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
