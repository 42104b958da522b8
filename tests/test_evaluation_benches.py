"""Which data a bench uses: never guessed in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivelab.errors import ConfigError, DrivelabError
from drivelab.evaluation.benches.navsim import MAPS_VARIABLE, OPENSCENE_VARIABLE, NavsimBench
from drivelab.evaluation.benches.nuplan_closed_loop import NuplanClosedLoopBench
from drivelab.evaluation.benches.reallogs import ROOT_VARIABLE, ReallogsBench
from drivelab.evaluation.benches.scenarios import ScenariosBench


@pytest.fixture(autouse=True)
def no_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OPENSCENE_VARIABLE, MAPS_VARIABLE, ROOT_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def test_auto_without_roots_is_the_embedded_split() -> None:
    bench = NavsimBench()
    source = bench.source()
    assert (source.data, bench.split_name(source)) == ("embedded", "labmini")
    assert source.label == "labmini (embedded, not NAVSIM)"


@pytest.mark.parametrize(
    ("present", "missing"),
    [(OPENSCENE_VARIABLE, MAPS_VARIABLE), (MAPS_VARIABLE, OPENSCENE_VARIABLE)],
)
@pytest.mark.parametrize("data", ["auto", "real"])
def test_one_root_alone_is_an_error(
    present: str, missing: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(present, str(tmp_path))
    with pytest.raises(ConfigError, match=rf"{present}.* is .*, but {missing} .* is not set"):
        NavsimBench(data=data).source()


def test_real_never_falls_back() -> None:
    with pytest.raises(ConfigError, match=f"{OPENSCENE_VARIABLE}.*{MAPS_VARIABLE}.*are not set"):
        NavsimBench(data="real").source()


@pytest.mark.parametrize("data", ["auto", "real"])
def test_roots_without_the_split_are_an_error(data: str, tmp_path: Path) -> None:
    bench = NavsimBench(data=data, openscene_root=str(tmp_path), maps_root=str(tmp_path))
    with pytest.raises(DrivelabError):
        bench.source().scene_ids()


def test_one_folder_can_hold_both_roots() -> None:
    assert NavsimBench(root="/d").roots({}) == ("/d", "/d/maps")
    environment = {OPENSCENE_VARIABLE: "/o", MAPS_VARIABLE: "/m"}
    assert NavsimBench().roots(environment) == ("/o", "/m")
    assert NavsimBench(maps_root="/x").roots(environment) == ("/o", "/x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "navtset"}, r"did you mean 'navtest'\?"),
        ({"split": "labmini"}, "chosen by data=embedded"),
        ({"data": "embeded"}, r"did you mean 'embedded'\?"),
    ],
)
def test_misspelt_choices_offer_the_nearest(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NavsimBench(**options)


def test_reallogs_without_a_root_says_how_to_name_one() -> None:
    with pytest.raises(ConfigError, match=r"data\.root=DIR"):
        ReallogsBench().source()


@pytest.mark.parametrize("seeds", [0, 1.5, True, "3"])
def test_seeds_are_counted_in_whole_numbers(seeds: object) -> None:
    with pytest.raises(ConfigError, match="expected a whole number, 1 or more"):
        ScenariosBench(seeds=seeds)  # type: ignore[arg-type]


GOOD = "id: {}\nmap: straight_3lane\nduration: 4\nego: {{lane: 1, s: 20, speed: 12}}\n"


def test_all_files_that_are_no_scenario_are_told_before_anything_is_driven(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD.format("a"))
    (tmp_path / "config.yaml").write_text("lr: 0.1\nid: config\n")
    (tmp_path / "later.yaml").write_text(GOOD.format("later").replace("speed", "sped"))
    (tmp_path / "torn.yaml").write_bytes(b"id: \xff")
    with pytest.raises(ConfigError) as refused:
        ScenariosBench(files=str(tmp_path)).source()
    first, *told = str(refused.value).splitlines()
    assert first.startswith(f"files={tmp_path}: 3 of 4 files are no scenario")
    for name in ("config.yaml:1: $.lr", "later.yaml:4: $.ego.sped", "torn.yaml"):
        assert any(name in line for line in told), name
    assert not any("a.yaml" in line for line in told)
    for name in ("config", "later", "torn"):
        (tmp_path / f"{name}.yaml").unlink()
    assert ScenariosBench(files=str(tmp_path), seeds=2).source().scene_ids() == ("a-0", "a-1")


def test_a_single_file_that_is_no_scenario_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    with pytest.raises(ConfigError, match=r"1 of 1 file is no scenario(.|\n)*notes\.txt"):
        ScenariosBench(files=str(tmp_path / "notes.txt")).source()


def test_a_score_of_the_other_traffic_is_refused() -> None:
    with pytest.raises(ConfigError, match="of reactive traffic the score is nuplan_cls_r"):
        NuplanClosedLoopBench(traffic="reactive", metric="nuplan_cls_nr_v1.2")
    assert NuplanClosedLoopBench(traffic="reactive").metric == "nuplan_cls_r_v1.2"
    assert NuplanClosedLoopBench(traffic="reactive", metric="rad9_v2").metric == "rad9_v2"
