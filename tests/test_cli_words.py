"""The command line before any work: help and wrong words answer at once and say what is right."""

from __future__ import annotations

import errno
import subprocess
import sys

import pytest

from drivelab.cli import VERBS, main
from drivelab.cli.overrides import read_request
from drivelab.cli.verbs import doctor
from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

HEAVY = ("numpy", "hydra", "numba", "shapely", "pyarrow", "matplotlib", "torch", "ray", "rich")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["eval", "--help"],
        ["list", "agents"],
        ["list", "benches"],
        ["eval", "agnt=idm"],
        ["eval", "agent=pdm_close"],
        ["eval", "bench=navsim", "bench.splt=x"],
        ["evla"],
    ],
)
def test_light_paths_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom drivelab.cli import main\n"
        f"main({words!r})\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_help_names_every_verb_and_each_has_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in VERBS:
        assert f"\n  {verb}" in text
        assert main([verb, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"usage: drivelab {verb}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evl"], "no verb 'evl'; did you mean 'eval'?"),
        (["eval", "agnt=idm"], "no option 'agnt'; did you mean 'agent'?"),
        (["eval", "agent=pdm_close"], "did you mean 'pdm_closed'?"),
        (["eval", "bench=navsm"], "did you mean 'navsim'?"),
        (["eval", "limt=3"], "did you mean 'limit'?"),
        (["eval", "run.dri=x"], "did you mean 'run.dir'?"),
        (["eval", "bench.splt=navmini"], "did you mean 'split'?"),
        (["eval", "agent=pdm_closed", "agent.rule=v2.2"], "did you mean 'rules'?"),
        (["eval", "agent"], "'agent': expected key=value"),
        (["eval", "agent=no_such_module:Agent"], "no module 'no_such_module'"),
        (["eval", "limit=x"], "limit='x': expected a whole number"),
        (["eval", "limit=0"], "limit=0: expected a whole number, 1 or more"),
        (["eval", "limit=-1"], "limit=-1: expected a whole number, 1 or more"),
        (["eval", "quiet=banana"], "quiet=banana: expected true or false"),
        (["eval", "-m", "agent=idm,pdm_close"], "did you mean 'pdm_closed'?"),
        (["eval", "-m", "agent=idm,mine:Agent"], "agent=mine:Agent: a sweep takes names only"),
        (["eval", "-m", "agent=idm", "limit=choice("], "choice("),
        (["eval", "workers=0"], "workers=0: expected a whole number, 1 or more"),
        (["score"], "score needs a file"),
        (["score", "proposals=missing.npz"], "missing.npz: no such file"),
        (["report", "no/such/run"], "no/such/run is no run folder"),
        (["rescore", "no/such/run"], "no/such/run is no run folder"),
        (["render", "run=no/such/run"], "no/such/run is no run folder"),
        (["list", "agent"], "did you mean 'agents'?"),
        (["data", "lst"], "did you mean 'list'?"),
        (["new", "agent", "My-Agent"], "is no module name"),
        (["new", "world", "x"], "expected: drivelab new agent NAME"),
        (["doctor", "x"], "'x' is not expected here"),
    ],
)
def test_wrong_words_exit_with_2_and_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full (No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y: Permission denied;"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(words: list[str]) -> int:
        raise error

    monkeypatch.setattr(doctor, "run", refuse)
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err.startswith(f"drivelab: {message}")


def test_short_forms_and_quoting() -> None:
    words = ["data=embedded", "split=navmini", "run.dir=/tmp/a b,c", "scenes=[0012,1e5,a.b]"]
    assert read_request("eval", words).overrides == (
        "bench.data=embedded",
        "bench.split='navmini'",
        "run.dir='/tmp/a b,c'",
        "scenes=['0012','1e5','a.b']",
    )
    root = read_request("eval", ["bench=reallogs", "data.root=/x"])
    assert root.overrides == ("bench=reallogs", "bench.root='/x'")


def test_a_class_of_ones_own_takes_any_option() -> None:
    request = read_request("eval", ["agent=pkg.mod:Kind", "agent.speed=2.0"])
    assert request.own_class
    assert request.overrides == (
        "agent=custom",
        "agent._target_='pkg.mod:Kind'",
        "+agent.speed=2.0",
    )


def test_plain_words_fill_places_and_keys() -> None:
    assert read_words(["a", "--dir", "b", "x=1"], ("dir", "x"), places=("NAME",)) == {
        "NAME": "a",
        "dir": "b",
        "x": "1",
    }
    with pytest.raises(ConfigError, match=r"no option 'dri'; did you mean 'dir'\?"):
        read_words(["dri=1"], ("dir",))
