"""Write the tables of docs/scenario_library.md anew from the library and the map templates.

Run from the repository root: python docs/library_tables.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from drivelab.sim.scenario.acts import act_name
from drivelab.sim.scenario.files import families, load_scenario
from drivelab.sim.scenario.templates import TEMPLATES
from drivelab.sim.scenario.templates.catalogue import allowed, resolve

FILE = Path(__file__).parent / "scenario_library.md"


def scenario_tables() -> Iterator[str]:
    """One table a family."""
    for family, names in families().items():
        yield f"### {family}"
        yield ""
        yield "| scenario | map | behaviours | purpose |"
        yield "|---|---|---|---|"
        for name in names:
            scenario = load_scenario(name).scenario
            choice = scenario.map if isinstance(scenario.map, str) else scenario.map.template
            acts = [act_name(act) for actor in scenario.actors for act in actor.acts]
            words = ", ".join(f"`{act}`" for act in dict.fromkeys(acts)) or "none"
            yield f"| `{name}` | `{resolve(choice)[0].name}` | {words} | {scenario.purpose} |"
        yield ""


def template_tables() -> Iterator[str]:
    """Every template with its parameters."""
    for kind in TEMPLATES.values():
        yield f"### {kind.name}"
        yield ""
        yield f"{kind.summary[0].upper()}{kind.summary[1:]}."
        yield ""
        yield "| parameter | value | default | meaning |"
        yield "|---|---|---|---|"
        for key, parameter in kind.parameters.items():
            span = allowed(parameter).replace("|", "or")
            default = parameter.default
            shown = f"{default:g}" if isinstance(default, float) else str(default)
            yield f"| `{key}` | {span} | {shown} | {parameter.meaning} |"
        yield ""


def renewed(text: str) -> str:
    """The page with new tables between its marks."""
    for mark, lines in (("scenarios", scenario_tables()), ("templates", template_tables())):
        begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        before, _, rest = text.partition(begin)
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"
    return text


if __name__ == "__main__":
    FILE.write_text(renewed(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    print(FILE)
