"""docs/environments.md says what the code does: indices, shapes, default weights."""

from __future__ import annotations

import re
from pathlib import Path

from drivelab.kernels.world.judge import TERMS
from drivelab.kernels.world.observe_ego import EGO_FLOATS
from drivelab.sim.envs.rewards import DEFAULT_WEIGHTS
from drivelab.sim.envs.vector_view import PARTS

PAGE = (Path(__file__).parent.parent / "docs" / "environments.md").read_text()


def test_the_table_of_indices_is_the_layout() -> None:
    for name, start, _, shape in PARTS:
        size = " x ".join(str(length) for length in shape)
        assert f"| `{name}` | {start} | {size} |" in PAGE, name
    assert f"{EGO_FLOATS} numbers" in PAGE


def test_the_table_of_rewards_has_every_term_with_its_default_weight() -> None:
    told: dict[str, float] = {}
    for line in PAGE[PAGE.index("## Rewards") : PAGE.index("## Ends")].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            told |= {name: float(cells[2]) for name in re.findall(r"`(\w+)`", cells[0])}
    assert told == {name: DEFAULT_WEIGHTS.get(name, 0.0) for name in TERMS}
