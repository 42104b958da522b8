"""`drivelab data`: what data is there, is it complete, how big, and how to get it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivelab.cli.words import Action, choose_action, read_words
from drivelab.errors import ConfigError, DataError
from drivelab.evaluation.benches.navsim import MAPS_VARIABLE, OPENSCENE_VARIABLE
from drivelab.evaluation.benches.reallogs import ROOT_VARIABLE

USAGE = f"""usage: drivelab data list|verify|plan [data.root=DIR]
       drivelab data import av2|nuscenes SRC DST     official folders -> what reallogs reads
       drivelab data make-labmini [out=FILE] [seed=N]

list: what is there. verify: read it, say what is broken (exit 2). plan: what each source needs.
Roots: data.root=, else {ROOT_VARIABLE}; {OPENSCENE_VARIABLE} and {MAPS_VARIABLE} (or
openscene_root= and maps_root=) for NAVSIM."""

ROOTS = ("data.root", "openscene_root", "maps_root")
MEGA = 1e6


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    actions: dict[str, Action] = {
        "list": _list,
        "verify": _verify,
        "plan": _plan,
        "import": _import,
        "make-labmini": _make_labmini,
    }
    return choose_action("data", words, actions)(words[1:])


def _roots(words: Sequence[str]) -> tuple[str | None, str | None, str | None]:
    """Roots of the logs of reallogs, of OpenScene and of the nuPlan maps."""
    found = read_words(words, ROOTS)
    environment: Mapping[str, str] = os.environ
    return (
        found.get("data.root", environment.get(ROOT_VARIABLE)),
        found.get("openscene_root", environment.get(OPENSCENE_VARIABLE)),
        found.get("maps_root", environment.get(MAPS_VARIABLE)),
    )


def _list(words: Sequence[str]) -> int:
    from drivelab.data.inventory import list_data
    from drivelab.data.labmini import LabminiSource
    from drivelab.data.navsim.inventory import list_navsim

    logs, openscene, maps = _roots(words)
    embedded = LabminiSource()
    print(f"embedded   {embedded.label}: {len(embedded.scene_ids())} scenes")
    if openscene or maps:
        for holding in list_navsim(openscene, maps):
            of = f" of {holding.expected}" if holding.expected else ""
            size = f"{holding.size / MEGA:.1f} MB"
            print(f"navsim     {holding.kind} {holding.name}: {holding.files}{of} files, {size}")
    if logs:
        for entry in list_data(logs):
            note = f"  {entry.problem}" if entry.problem else ""
            size = f"{entry.bytes / MEGA:.1f} MB"
            count = f"{entry.frames} frames, {entry.scenes} scenes, {size}"
            print(f"{entry.source:<11}{entry.name}: {count}{note}")
    if not (logs or openscene or maps):
        print("no other data root is set (see drivelab data --help, drivelab data plan)")
    return 0


def _verify(words: Sequence[str]) -> int:
    from drivelab.data.inventory import verify_data
    from drivelab.data.labmini import LabminiSource
    from drivelab.data.navsim.inventory import verify_navsim

    logs, openscene, maps = _roots(words)
    source = LabminiSource()
    ids = source.scene_ids()
    for scene in ids:
        source.load(scene)
    print(f"ok      embedded   {len(ids)} scenes read")
    broken = 0
    if logs:
        for check in verify_data(logs):
            broken += not check.ok
            mark = "ok" if check.ok else "BROKEN"
            print(f"{mark:<8}{check.source:<11}{check.name}: {check.detail}")
    if openscene or maps:
        findings = verify_navsim(openscene, maps)
        broken += len(findings)
        for finding in findings:
            print(f"BROKEN  navsim     {finding.file}: {finding.problem}")
        if not findings:
            print("ok      navsim     logs and maps are whole")
    if broken:
        raise DataError(f"{broken} files are missing or broken (listed above)")
    return 0


def _plan(words: Sequence[str]) -> int:
    from drivelab.data.inventory import plan_data
    from drivelab.data.navsim.inventory import plan_navsim

    logs, openscene, _ = _roots(words)
    print("embedded   labmini: shipped, nothing to get")
    for need in plan_navsim(openscene):
        wanted = f"{need.scenes or '?'} scenes in {need.logs or '?'} logs"
        print(f"navsim     {need.split} ({need.folder}): {wanted}, {need.logs_there} logs there")
    for row in plan_data(logs or Path("data")):
        there = f"{row.logs} logs, {row.bytes / MEGA:.1f} MB there" if row.present else "not there"
        print(f"{row.source:<11}{row.folder}/: {there}; {row.expected}; from {row.where}")
        print(f"           licence: {row.licence}")
    return 0


def _import(words: Sequence[str]) -> int:
    from drivelab.data.imports import import_av2, import_nuscenes

    kinds = {"av2": import_av2, "nuscenes": import_nuscenes}
    found = read_words(words, (), places=("kind", "SRC", "DST"))
    if len(found) < 3 or found["kind"] not in kinds:
        raise ConfigError("expected: drivelab data import av2|nuscenes SRC DST")
    logs = kinds[found["kind"]](found["SRC"], found["DST"], on_log=print)
    size = sum(log.bytes for log in logs) / MEGA
    print(f"{len(logs)} logs, {size:.1f} MB in {found['DST']}")
    print(f"next: drivelab eval agent=pdm_closed bench=reallogs data.root={found['DST']}")
    return 0


def _make_labmini(words: Sequence[str]) -> int:
    from drivelab.sim.labmini import SEED, make_labmini

    found = read_words(words, ("out", "seed"))
    out, seed = Path(found.get("out", "labmini.npz")), found.get("seed", str(SEED))
    if not seed.isdigit():
        raise ConfigError(f"seed={seed}: expected a whole number")
    count = make_labmini(out, int(seed))
    print(f"{out}: {count} scenes, {out.stat().st_size / MEGA:.2f} MB")
    return 0
