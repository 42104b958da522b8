"""`drivelab submit`: write the file that NAVSIM's leaderboard takes."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.errors import ConfigError

USAGE = """usage: drivelab submit agent=NAME|run=RUN|proposals=FILE [bench=navsim|navsim_v2] WHO
                       [out=DIR/submission.pkl] [key=value ...]

WHO is what the leaderboard asks for, all of it:
  team_name=TEXT authors=TEXT email=TEXT institution=TEXT country=TEXT

  agent=...       ask this agent about every scene of the split (options as in `drivelab eval`)
  run=RUN         take the plans of a finished run; the bench is the run's
  proposals=FILE  take plans made elsewhere: parquet, npz or pickle
  split=private_test_e2e   data.root=DIR   seed=N  batch=N  device=cpu|cuda  quiet=true

bench=navsim writes a file of NAVSIM v1.1, bench=navsim_v2 one of v2.2 with both stages. The file is
written only when every scene of the split has 8 finite poses, and it is read back first."""

WAYS = ("agent", "run", "proposals")


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    ways = [way for way in WAYS if any(word.startswith(f"{way}=") for word in words)]
    if len(ways) != 1:
        told = " and ".join(f"{way}=" for way in ways) or "none of them"
        raise ConfigError(
            f"submit takes one of agent=NAME, run=RUN, proposals=FILE; there is {told}"
        )
    from drivelab.cli.submit_run import run_submit

    return run_submit(ways[0], words)
