"""The command line: `drivelab VERB key=value ...`.

Nothing heavy is imported before a verb needs it, so that help, lists and wrong words answer at
once.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence

# Verb -> one line for the help; the code is drivelab.cli.verbs.VERB.
VERBS = {
    "eval": "run an agent on a bench: rows, summary, table, report",
    "train": "let an algorithm or a network learn: train env=native | train agent=diffusiondrive",
    "score": "score proposals from a file: proposals=FILE bench=navsim",
    "rescore": "score a run's stored plans again: rescore RUN [metric=NAME]",
    "submit": "write NAVSIM's leaderboard file: submit agent=NAME team_name=... [run=RUN]",
    "export": "a learned agent as a file: export agent=NAME format=onnx|pt2 out=FILE",
    "report": "write report.html of a run again: report RUN",
    "list": "what there is: list [agents|benches|metrics|scenes]",
    "scenario": "YAML scenarios: scenario check|show|run|sample|from-log|import|list FILE|NAME",
    "splat": "worlds of Gaussians: splat info FILE, splat render|view SOURCE, splat convert IN OUT",
    "reconstruct": "posed pictures to a world of Gaussians: reconstruct source=radlab:CLIP out=DIR",
    "show": "draw a scene from above: show bench=navsim scene=ID [out=FILE]",
    "render": "film a scored plan: render run=RUN scene=ID [out=FILE]",
    "data": "data list|verify|plan|import av2|import nuscenes|make-labmini",
    "bench": "time on this machine: bench kernels|encoders [device=cpu|cuda] [out=DIR]",
    "new": "start your own agent: new agent NAME [--dir DIR]",
    "doctor": "what is installed, what is missing and how to get it",
}
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done and final; 2 usage or data error; 3 finished with failed or missing scenes;
    130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    from drivelab.errors import ConfigError, DrivelabError, nearest_name

    if not words or words[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0 if words else 2
    if words[0] in ("-V", "--version", "version"):
        from drivelab import __version__

        print(f"drivelab {__version__}")
        return 0
    try:
        if words[0] not in VERBS:
            known = ", ".join(VERBS)
            hint = nearest_name(words[0], VERBS)
            raise ConfigError(f"no verb {words[0]!r}{hint} (there are: {known})")
        verb = importlib.import_module(f"drivelab.cli.verbs.{words[0]}")
        if any(word in ("-h", "--help") for word in words[1:]):
            print(verb.USAGE)
            return 0
        code: int = verb.run(words[1:])
    except BrokenPipeError:
        raise
    except DrivelabError as error:
        print(f"drivelab: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        print(f"drivelab: {_of_a_file(error) or _unexpected(error)}", file=sys.stderr)
        return 2
    return code


def help_text() -> str:
    """The text of `drivelab --help`."""
    verbs = "\n".join(f"  {verb:<13}{line}" for verb, line in VERBS.items())
    return (
        "drivelab: train and judge end-to-end driving policies in closed loop\n\n"
        "usage: drivelab VERB [key=value ...]      drivelab VERB --help      drivelab --version\n\n"
        f"{verbs}\n\n"
        "a first number, without any download:\n"
        "  drivelab eval agent=pdm_closed bench=navsim data=embedded\n"
        "your own agent:\n"
        "  drivelab eval agent=package.module:Class bench=navsim data=embedded\n"
    )


def _of_a_file(error: Exception) -> str:
    """What the system refused and where, if it is the user's to mend; else the empty string."""
    if not isinstance(error, OSError) or isinstance(error, ConnectionError | TimeoutError):
        return ""
    if error.errno in FULL:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}the disk is full ({error.strerror}): free some space and type it again"
    if error.filename is None:
        return ""
    return f"{error.filename}: {error.strerror}; check that path and what you may do there"


def _unexpected(error: Exception) -> str:
    """Keep the traceback in a file and say where: the terminal gets one clear line."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="drivelab-error-", suffix=".txt", delete=False
    ) as file:
        file.write(text)
    line = " ".join(str(error).split())[:300]
    return f"unexpected {type(error).__name__}: {line} (traceback: {file.name})"
