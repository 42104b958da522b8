"""Print how often each agent meets the expectations of every scenario of the library.

Run: `python benchmarks/scenario_library.py [--agents pdm_closed constant_velocity] [--seeds 10]
[--workers 2] [--only WORD ...]`. An agent fails a scenario where it meets the expectations in
fewer than half of the seeds. The figures that the library promises stand below the table: the
privileged planner passes at least 90 % of all drives, constant_velocity fails 30 scenarios or more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from drivelab.evaluation.closed_loop import drive
from drivelab.registry import build
from drivelab.sim.scenario.expect import judge
from drivelab.sim.scenario.files import library, load_scenario

AGENTS = {
    "pdm_closed": "drivelab.agents.pdm_closed:PdmClosed",
    "idm": "drivelab.agents.idm:Idm",
    "constant_velocity": "drivelab.agents.constant_velocity:ConstantVelocity",
}
FAILS_BELOW = 0.5  # share of the seeds

Job = tuple[str, str, int]  # scenario, agent, seeds


def failures(job: Job) -> list[str]:
    """What was not met, one entry per seed that fails."""
    name, agent, seeds = job
    source = load_scenario(name)
    found = []
    for seed in range(seeds):
        episode = source.episode(seed)
        rollout = drive(episode, build({"_target_": AGENTS[agent]}))
        verdicts = judge(source.scenario.expect, rollout, episode.vehicle)
        missed = [f"{verdict.name} {verdict.found}" for verdict in verdicts if not verdict.passed]
        if missed:
            found.append(f"seed {seed}: {'; '.join(missed)}")
    return found


def print_table(
    names: Sequence[str], agents: Sequence[str], seeds: int, missed: dict[Job, list[str]]
) -> None:
    print(f"| family | scenario | {' | '.join(agents)} |")
    print("|---|---|" + "---:|" * len(agents))
    for name in names:
        cells = [f"{seeds - len(missed[name, agent, seeds])}/{seeds}" for agent in agents]
        print(f"| {library()[name].parent.name} | `{name}` | {' | '.join(cells)} |")
    for agent in agents:
        passed = [1.0 - len(missed[name, agent, seeds]) / seeds for name in names]
        failed = sum(share < FAILS_BELOW for share in passed)
        share = 100.0 * sum(passed) / len(names)
        print(
            f"{agent}: {share:.1f} % of all drives pass; fails {failed} of {len(names)} scenarios"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", nargs="+", choices=AGENTS, default=list(AGENTS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], help="parts of scenario names")
    options = parser.parse_args()
    names = [name for name in library() if any(word in name for word in options.only)]
    jobs = [(name, agent, options.seeds) for name in names for agent in options.agents]
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        missed = {}
        for job, lines in zip(jobs, pool.map(failures, jobs), strict=True):
            missed[job] = lines
            name, agent, seeds = job
            print(f"{name} {agent} {seeds - len(lines)}/{seeds} {lines[:2]}", file=sys.stderr)
    print_table(names, options.agents, options.seeds, missed)
    for (name, agent, _), seeds in missed.items():
        for line in seeds if agent == "pdm_closed" else ():
            print(f"{name}, {agent}, {line}")


if __name__ == "__main__":
    main()
