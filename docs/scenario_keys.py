"""Write the key tables of docs/scenarios.md anew from the schema.

Run from the repository root: python docs/scenario_keys.py
"""

from __future__ import annotations

from pathlib import Path

from drivelab.sim.scenario.key_tables import key_tables

FILE = Path(__file__).parent / "scenarios.md"
BEGIN, END = "<!-- keys -->\n", "<!-- end of keys -->"


def renewed(text: str) -> str:
    """The page with new tables between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{key_tables()}\n\n{END}{after}"


if __name__ == "__main__":
    FILE.write_text(renewed(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    print(FILE)
