"""The package as a stranger gets it: a wheel, one import name, data inside, quick answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
SOURCE_FOLDERS = ("agents", "sim", "kernels", "conf", "scenarios", "benchmarks", "tests")
HEAVY = ("numba", "pyarrow", "hydra", "matplotlib", "torch", "ray", "scipy")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tracked files, so that nothing lying around gets in."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        source, target = CHECKOUT / name, copy / name
        if name.startswith("tests/golden/") or not (source.is_file() or source.is_symlink()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        else:
            target.write_bytes(source.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, copy],
        check=True,
    )
    return next(folder.glob("*.whl"))


@pytest.mark.install
def test_wheel_holds_one_import_name_and_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"drivelab"}
    for needed in (
        "drivelab/py.typed",
        "drivelab/conf/eval.yaml",
        "drivelab/conf/agent/pdm_closed.yaml",
        "drivelab/scenarios/labmini.npz",
        "drivelab/agents/pdm_closed/README.md",
        "drivelab/kernels/tracker.py",
    ):
        assert needed in names
    tracked = subprocess.run(
        ["git", "ls-files", "drivelab", *SOURCE_FOLDERS[:5]],
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()
    modules = {name for name in tracked if name.endswith(".py")}
    packed = {name.removeprefix("drivelab/") for name in names if name.endswith(".py")}
    assert packed == {name.removeprefix("drivelab/") for name in modules}


@pytest.mark.install
def test_wheel_evaluates_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(target)
    program = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import drivelab; "
        f"assert drivelab.__file__.startswith({str(target)!r}), drivelab.__file__; "
        "from drivelab.cli import main; sys.exit(main())"
    )
    words = ["eval", "agent=constant_velocity", "bench=navsim", "data=embedded", "limit=4"]
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *words, "quiet=true"],
        cwd=tmp_path,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},  # compiling all kernels takes 30 s
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "4 / 0 / 4" in done.stdout
    assert "labmini (embedded, not NAVSIM)" in done.stdout
    assert len(list(tmp_path.glob("runs/*labmini*/report.html"))) == 1


@pytest.mark.install
def test_kernels_of_a_wheel_compile_and_are_kept(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import numpy as np; "
        "from drivelab.kernels.boxes import box_gap; box_gap(np.zeros(6), np.ones(6))"
    )
    subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, check=True)
    assert list(tmp_path.rglob("boxes.box_gap-*.nbc"))


@pytest.fixture(scope="module")
def stranger(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment: drivelab and the example package as wheels.

    Third-party packages are borrowed from the environment of the tests instead of installed again;
    paths named in a .pth file do not have their own .pth files read, so no editable install leaks.
    """
    home = tmp_path_factory.mktemp("stranger")
    venv.create(home / "env", with_pip=False, symlinks=True)
    site = next((home / "env").glob("lib/python*/site-packages"))
    package = CHECKOUT / "examples" / "plugin_package"
    shutil.copytree(package, home / "package", ignore=shutil.ignore_patterns("*.egg-info", "build"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--wheel-dir",
            str(home),
            str(home / "package"),
        ],
        check=True,
    )
    for built in (wheel, *home.glob("*.whl")):
        zipfile.ZipFile(built).extractall(site)
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return home / "env" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.install
@pytest.mark.parametrize("agent", ["my_agent:MyAgent", "lane_follow", "lane_follow_slow"])
def test_examples_run_in_a_fresh_environment(stranger: Path, agent: str, tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "examples" / "my_agent.py", tmp_path)
    program = (
        "import sys, drivelab; from drivelab.cli import main; "
        "print(drivelab.__file__); sys.exit(main())"
    )
    words = ["eval", f"agent={agent}", "bench=navsim", "data=embedded", "limit=2", "quiet=true"]
    done = subprocess.run(
        [stranger, "-P", "-c", program, *words], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(stranger.parents[1]))
    assert "2 / 0 / 2" in done.stdout


def test_no_generic_name_leaks(tmp_path: Path) -> None:
    names = f"[name for name in {SOURCE_FOLDERS} if find_spec(name)]"
    ask = f"from importlib.util import find_spec; print({names})"
    done = subprocess.run(
        [sys.executable, "-P", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["--help"], ["list"], ["eval", "agnt=x"], ["nothing"]])
def test_quick_verbs_import_nothing_heavy(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from drivelab.cli import main; main()", *words],
        capture_output=True,
        text=True,
    )
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "drivelab.cli" in imported
    assert not imported.intersection(HEAVY)
