"""Plugs are found without importing them; broken ones are named; options are checked."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivelab.errors import ConfigError
from drivelab.registry import build, find_plugs, load_object


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with one good and one broken agent."""
    info = tmp_path / "toyplug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toyplug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[drivelab.agents]\ngood = toyplug.agent:Good\nbad = toyplug_gone.agent:Bad\n"
    )
    package = tmp_path / "toyplug"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "agent.py").write_text("raise RuntimeError('imported too early')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_plugs_are_found_and_broken_ones_named(plugin: Path) -> None:
    found = find_plugs("drivelab.agents")
    assert found.plugs["good"].target == "toyplug.agent:Good"
    assert found.plugs["good"].origin == "toyplug"
    assert "bad" not in found.plugs
    assert "toyplug_gone" in found.broken["bad"]
    assert "toyplug.agent" not in sys.modules


def test_a_plug_that_fails_at_import_is_told_by_name(plugin: Path) -> None:
    with pytest.raises(ConfigError, match=r"toyplug\.agent.*imported too early"):
        load_object("toyplug.agent:Good")


def test_both_spellings_load_the_same() -> None:
    assert load_object("drivelab.types:Plan") is load_object("drivelab.types.Plan")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("Plan", r"names no class: expected package\.module:Class"),
        ("no_such_package.mod:Plan", "no module 'no_such_package'"),
        ("drivelab.types:Plam", r"no 'Plam'; did you mean 'Plan'\?"),
    ],
)
def test_wrong_targets_say_what_is_wrong(target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_object(target)


def test_inner_nodes_are_built_first_and_extras_only_where_known() -> None:
    spec = {
        "_target_": "types:SimpleNamespace",
        "rig": {"_target_": "drivelab.types:SensorRig", "history": 2},
        "plain": {"a": [1, 2]},
    }
    made = build(spec)
    assert made.rig.history == 2
    assert made.plain == {"a": [1, 2]}
    rig = build(spec["rig"], device="cpu", lidar=True)
    assert rig.lidar
    assert not hasattr(rig, "device")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise RuntimeError('no weights')", r"RuntimeError: no weights \(.*made\.py, line 3\)"),
        ("raise SystemExit(0)", r"SystemExit: 0 \(.*made\.py, line 3\)"),
    ],
)
def test_what_others_raise_is_told_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str
) -> None:
    (tmp_path / "made.py").write_text(f"class Agent:\n    def __init__(self):\n        {body}\n")
    (tmp_path / "exits.py").write_text("import sys\n\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "made", raising=False)
    with pytest.raises(ConfigError, match=f"made:Agent cannot be made: {message}"):
        build({"_target_": "made:Agent"})
    with pytest.raises(ConfigError, match=r"exits cannot be imported: SystemExit: 0 \(.*line 3\)"):
        load_object("exits:Agent")


def test_an_unknown_option_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no option 'histori'; did you mean 'history'\?"):
        build({"_target_": "drivelab.types:SensorRig", "histori": 2})


@dataclass(frozen=True)
class Options:
    count: int = 1
    share: float = 0.5
    name: str | None = None
    fast: bool = False
    hidden: tuple[int, ...] = (1,)
    late: int = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"count": 1.5}, r"count=1.5: .*Options expects a whole number"),
        ({"count": True}, "count=True: .* expects a whole number"),
        ({"share": "abc"}, "share='abc': .* expects a number"),
        ({"name": 3}, "name=3: .* expects text or null"),
        ({"fast": "yes"}, "fast='yes': .* expects true or false"),
    ],
)
def test_an_option_of_another_type_is_refused(options: dict[str, object], told: str) -> None:
    sys.modules.setdefault("options_of_tests", sys.modules[__name__])
    with pytest.raises(ConfigError, match=told):
        build({"_target_": "options_of_tests:Options", **options})


def test_whole_numbers_are_numbers_and_defaults_always_pass() -> None:
    sys.modules.setdefault("options_of_tests", sys.modules[__name__])
    fine = {"share": 1, "name": "x", "fast": True, "hidden": [3], "late": None}
    assert build({"_target_": "options_of_tests:Options", **fine}).share == 1
