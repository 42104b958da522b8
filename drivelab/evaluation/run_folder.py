"""A run folder: where each file stands, how a run is opened, refused or resumed.

config.yaml  env.json  rows.jsonl (journal)  rows.parquet  summary.json  report.html
rollouts/SCENE.npz (states, plan, plan_dt, events, of some agents modes and mode_scores; of a closed
loop: a whole rollout)  tracebacks/SCENE.txt
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from jaxtyping import Float

from drivelab.data.rollout_log import write_rollout
from drivelab.errors import RunError
from drivelab.evaluation import fingerprint
from drivelab.evaluation.atomic import write_atomic, write_text
from drivelab.evaluation.journal import append_rows, plain, read_rows
from drivelab.evaluation.tasks import FAILED, OK, Outcome

MODES = ("modes", "mode_scores")  # what a rollout of a single plan may hold beside it
LONGEST_NAME = 120  # of a file for one scene, before its ending


def file_name(scene: str) -> str:
    """A file name for a scene id that may hold anything: no separators, no hidden files."""
    name = quote(scene, safe="-_+=,@ ").replace(".", "%2E") if scene.startswith(".") else None
    name = name or quote(scene, safe="-_+=,@ .")
    if len(name) > LONGEST_NAME:
        name = f"{name[:80]}-{hashlib.sha256(scene.encode()).hexdigest()[:32]}"
    return name


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk; `identity` is what its rows depend on."""

    path: Path
    identity: Mapping[str, Any]

    @property
    def hash(self) -> str:
        """Digest of the identity."""
        return fingerprint.digest(self.identity)

    @property
    def journal(self) -> Path:
        """Finished rows in the order in which they came."""
        return self.path / "rows.jsonl"

    @property
    def rows(self) -> Path:
        """The table of rows, in scene order."""
        return self.path / "rows.parquet"

    @property
    def summary(self) -> Path:
        """The summary that table tools read."""
        return self.path / "summary.json"

    def rollout(self, scene: str) -> Path:
        """Simulated states and plan of a scene."""
        return self.path / "rollouts" / f"{file_name(scene)}.npz"

    def trace(self, scene: str) -> Path:
        """Traceback of a failed scene."""
        return self.path / "tracebacks" / f"{file_name(scene)}.txt"

    def create(self, config: str, environment: Mapping[str, Any]) -> None:
        """Make the folder; the journal's place is valid once env.json stands."""
        for folder in (self.path / "rollouts", self.path / "tracebacks"):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(self.path / "config.yaml", config)
        environment = {**environment, "identity": self.identity}
        write_text(self.path / "env.json", json.dumps(environment, indent=1, default=str) + "\n")

    def record(self, outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
        """Keep finished scenes: their files first, then their rows in one durable write."""
        key, rows = self.hash, {}
        for outcome in outcomes:
            row = {name: plain(value) for name, value in outcome.row.items()}
            if outcome.traceback:
                trace = self.trace(outcome.scene)
                write_text(trace, outcome.traceback)
                row["traceback"] = str(trace.relative_to(self.path))
            if outcome.rollout is not None:
                write_rollout(outcome.rollout, self.rollout(outcome.scene))
            elif outcome.states is not None and outcome.plan is not None:
                save_rollout(self.rollout(outcome.scene), outcome)
            rows[outcome.scene] = row
        append_rows(
            self.journal,
            [{**row, "hash": fingerprint.row_hash(key, scene)} for scene, row in rows.items()],
        )
        return rows

    def finished(self, scenes: Sequence[str], *, retry_failed: bool) -> dict[str, dict[str, Any]]:
        """Rows of this very run whose files are whole, by scene id."""
        key, rows = self.hash, read_rows(self.journal)
        kept = {}
        for scene in scenes:
            row = rows.get(scene)
            if row is None or row.pop("hash", None) != fingerprint.row_hash(key, scene):
                continue
            if row["status"] == FAILED and retry_failed:
                continue
            if row["status"] != OK or _readable(self.rollout(scene)):
                kept[scene] = row
        return kept


@contextlib.contextmanager
def run_lock(path: Path) -> Iterator[None]:
    """Hold a run folder; a second process on the same folder is refused. Death lets go."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{path} is in use by another process: wait for it, or name another run.dir"
            ) from error
        yield


def save_rollout(path: Path, outcome: Outcome) -> None:
    """Write states and plan; a torn file is found by its checksum and evaluated again."""
    content: dict[str, Any] = {
        "states": outcome.states,
        "plan": outcome.plan,
        "plan_dt": outcome.plan_dt,
    }
    for name in MODES:
        found = getattr(outcome, name)
        if found is not None:
            content[name] = np.asarray(found, np.float32)
    events = [
        {"kind": str(event.kind), "step": int(event.step), "actor": str(event.actor),
         "detail": str(event.detail), "margin": float(event.margin)}
        for event in outcome.events
    ]  # fmt: skip
    content["events"] = json.dumps(events)
    write_atomic(path, lambda file: np.savez(file, **content), sync=False)


def load_rollout(path: Path) -> dict[str, Float[np.ndarray, "..."]]:
    """States (t, 11), plan (p, 3) and plan_dt of one scene, of open and closed loops alike.

    With them modes (k, t, 3) and mode_scores (k,), where the agent told any.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if "header" in stored:
                dt = np.array(json.loads(str(stored["header"]))["plan_dt"])
                return {"states": stored["ego"], "plan": stored["plan"], "plan_dt": dt}
            names = ["states", "plan", "plan_dt", *(name for name in MODES if name in stored)]
            return {name: stored[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"{path}: no stored rollout ({error}); run the same `drivelab eval` again to make it"
        ) from error


def open_existing(path: Path) -> RunFolder:
    """Open a run folder that is there."""
    try:
        environment = json.loads((path / "env.json").read_text())
        return RunFolder(path, environment["identity"])
    except FileNotFoundError as error:
        raise RunError(f"{path} is no run folder: it has no env.json") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path / 'env.json'} cannot be read: {error}") from error


def choose_folder(
    wanted: Path | None, root: Path, name: str, identity: Mapping[str, Any]
) -> tuple[RunFolder, bool]:
    """The folder for a run, and whether it is resumed.

    A folder named by the user is used, resumed or refused; without one the newest unfinished run of
    the same identity under `root` is resumed, else `root/name` is new.
    """
    if wanted is not None:
        return _named_folder(wanted, identity)
    key = fingerprint.digest(identity)
    for candidate in sorted(root.glob("*/env.json"), key=_age, reverse=True):
        folder = candidate.parent
        if _is_final(folder):
            continue
        try:
            found = open_existing(folder)
        except RunError:
            continue  # a folder of somebody else's, not ours to judge
        if found.hash == key and not _in_use(folder):
            return found, True
    path, count = root / name, 1
    while path.exists():
        count += 1
        path = root / f"{name}-{count}"
    return RunFolder(path, identity), False


def _named_folder(path: Path, identity: Mapping[str, Any]) -> tuple[RunFolder, bool]:
    if path.exists() and not path.is_dir():
        raise RunError(f"run.dir={path} is a file, expected a folder: name another one")
    if not path.exists() or not any(path.iterdir()):
        return RunFolder(path, identity), False
    if not (path / "env.json").exists():
        if (path / "config.yaml").exists():  # killed before the first row could be written
            return RunFolder(path, identity), False
        raise RunError(f"run.dir={path} is not empty and is no run folder: name another one")
    found = open_existing(path)
    if found.hash == fingerprint.digest(identity):
        return found, True
    changed = fingerprint.differences(found.identity, json.loads(json.dumps(identity, default=str)))
    raise RunError(
        f"run.dir={path} holds another run; what differs: {'; '.join(changed)}. "
        "Name another folder, or leave run.dir out"
    )


def _is_final(folder: Path) -> bool:
    """Whether every scene of the run has its row (failed ones are results too)."""
    try:
        summary = json.loads((folder / "summary.json").read_text())
        return bool(summary["n_done"] + summary["n_failed"] >= summary["n_expected"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _in_use(path: Path) -> bool:
    try:
        with run_lock(path):
            return False
    except RunError:
        return True


def _age(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def _readable(path: Path) -> bool:
    try:
        load_rollout(path)
    except RunError:
        return False
    return True
