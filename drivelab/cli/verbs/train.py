"""`drivelab train`: let an algorithm learn in an environment."""

from __future__ import annotations

from collections.abc import Sequence

USAGE = """usage: drivelab train [algo=NAME] [env=NAME] [key=value ...]

  algo=sb3_ppo         PPO of Stable-Baselines3 (pip install 'drivelab[rl]')
  algo.KEY=VALUE       an option of the algorithm    env.KEY=VALUE    one of the environment
  env.episodes=[a,b]   training families, or a scenario file
  minutes=15           of learning by the clock      steps=N          or by environment steps
  every=60             seconds between two looks     trials=100       unseen episodes at the end
  seed=N  threads=N  device=cpu|cuda  quiet=true
  run.dir=DIR          this folder: new, or resumed  run.root=DIR     where new ones are made

The run folder holds progress.jsonl, curve.png, policy/ (the best weights), checkpoint/ (to go on
from), summary.json with the policy beside a random one and `idm` on unseen seeds, and a video.
The same command with the run's run.dir resumes it. Exit codes: 0 done, 2 usage or data error,
130 interrupted."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    from drivelab.cli.compose import compose, sweep
    from drivelab.cli.overrides import read_request
    from drivelab.cli.run import one_thread
    from drivelab.cli.train_run import train_config

    one_thread()
    request = read_request("train", words)
    if request.flags:
        return sweep("train", request, train_config)
    return train_config(compose("train", request))
