"""`drivelab train`: learning in an environment, of recorded drivers, or of both in closed loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

USAGE = """usage: drivelab train [algo=NAME] [env=NAME] [key=value ...]
       drivelab train agent=NAME [data=NAME] [key=value ...]
       drivelab train recipe=rad|vadv2|diffusiondrive [mode=il|rl|rl_il] [key=value ...]
       drivelab train anchors [data=NAME] [modes=20] [out=FILE.npy]
       drivelab train vocabulary [data=NAME] [entries=256] [out=FILE.npy]

By reinforcement, in an environment:
  algo=sb3_ppo         PPO of Stable-Baselines3 (pip install 'drivelab[rl]')
  algo.KEY=VALUE       an option of the algorithm    env.KEY=VALUE    one of the environment
  env.episodes=[a,b]   training families, or a scenario file
  minutes=15           of learning by the clock      steps=N          or by environment steps
  every=60             seconds between two looks     trials=100       unseen episodes at the end
The run folder holds progress.jsonl, curve.png, policy/ (the best weights), checkpoint/ (to go on
from), summary.json with the policy beside a random one and `idm` on unseen seeds, and a video.

By imitation, of recorded drivers (pip install 'drivelab[nn]'):
  agent=diffusiondrive|transfuser|ego_mlp|vadv2      preset=mini|full
  data=labmini         generated scenes, sensors drawn; data=navsim data.root=DIR: real logs
  epochs=24 batch=8 learning_rate=1.5e-3 precision=fp32|bf16 patience=N
  minutes=N            pause after N minutes         limit=N          only the first N scenes
  cache=DIR            of features                   builders=2       processes that build them
  launcher=ray workers=2                             share each batch through Ray Train
The run folder holds progress.jsonl, curve.png, anchors.npy, best.safetensors (the weights that
drive: agent.checkpoint=), checkpoint/ (to go on from) and summary.json.
`train anchors` clusters the recorded trajectories for networks that plan from anchors (anchors=).
`train vocabulary` takes the furthest of them, for networks that choose one (agent.vocabulary=).

By imitation and reinforcement together, in closed loop (pip install 'drivelab[nn]'):
  recipe=rad           RAD on clips of radlab        preset=mini|full
  recipe=vadv2         VADv2's vocabulary as actions recipe.entries=256
  recipe=diffusiondrive obs=sensors                  its modes as actions, from the shipped weights
  mode=rl_il           il: imitation only; rl: reinforcement after it; rl_il: both in turn, 4:1
  clips=3900           training clips                pretraining=300  rounds of imitation first
  rounds=900           rounds after that             trials=300       unseen clips at the end
  start=FILE           weights to begin with         minutes=N        pause after N minutes
  These sizes are RAD's on numbers; obs= and recipe= bring their own, `--cfg job` shows them.
  recipe.KEY=VALUE     weights and clip ranges of the objective
  curves=tensorboard   the numbers by round go there too
  obs=images           recipe=rad: three small front cameras instead of numbers; pictures.KEY=VALUE
  launcher=ray         workers=N drive (at most harvest / environments of them), ahead=true while
                       the learner learns; launcher.address=auto joins a cluster that runs
The run folder holds progress.jsonl, curve.png, best.safetensors (agent=rad agent.checkpoint=),
imitation.safetensors (before reinforcement), checkpoint/ (to go on from), failures/ (the first
clips of each look that went wrong), summary.json with RAD's metrics on unseen clips, report.html.

All: seed=N threads=N device=cpu|cuda quiet=true
  run.dir=DIR          this folder: new, or resumed  run.root=DIR     where new ones are made
The same command with the run's run.dir resumes it. Exit codes: 0 done, 2 usage or data error,
130 interrupted."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    from drivelab.cli.compose import compose, sweep
    from drivelab.cli.overrides import read_request
    from drivelab.cli.run import one_thread

    one_thread()
    config, job, rest = _kind(words)
    request = read_request(config, rest)
    if request.flags:
        return sweep(config, request, job)
    return job(compose(config, request))


def _kind(words: Sequence[str]) -> tuple[str, Callable[[Mapping[str, Any]], int], Sequence[str]]:
    """Name of the config, what runs it, and the words that are its options."""
    if words and words[0] == "anchors":
        from drivelab.cli.anchors_run import anchors_config

        return "anchors", anchors_config, words[1:]
    if words and words[0] == "vocabulary":
        from drivelab.cli.vocabulary_run import vocabulary_config

        return "vocabulary", vocabulary_config, words[1:]
    if any(word.startswith("agent=") for word in words):
        from drivelab.cli.imitation_run import imitate_config

        return "imitate", imitate_config, words
    if any(word.startswith("recipe=") for word in words):
        from drivelab.cli.reinforcement_run import reinforce_config

        return "reinforce", reinforce_config, words
    from drivelab.cli.train_run import train_config

    return "train", train_config, words
