"""`drivelab eval`: run an agent on a bench."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.cli.run import run_verb

USAGE = """usage: drivelab eval [agent=NAME|package.module:Class] [bench=NAME] [key=value ...]

  agent.KEY=VALUE      an option of the agent        bench.KEY=VALUE  an option of the bench
  data=auto|real|embedded   split=navtest|navmini|navtrain|FILE.yaml   data.root=DIR
  launcher=local|ray   workers=N     processes or actors, one thread each
  limit=N              only the first N scenes       scenes=[a,b]     only these
  seed=N  batch=N  device=cpu|cuda  quiet=true  report=html|none
  run.dir=DIR          this folder: new, or resumed  run.root=DIR     where new ones are made
  -m KEY=A,B           one run for each value        --cfg job        print the config

`drivelab list` names agents, benches and metrics. The same command again resumes an unfinished
run. Exit codes: 0 done and final, 2 usage or data error, 3 failed or missing scenes,
130 interrupted."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    return run_verb("eval", words)
