"""YAML texts: words as in YAML 1.2, lines of everything, nothing that runs or blows up."""

import pytest

from drivelab.sim.scenario.problems import ScenarioError
from drivelab.sim.scenario.reading import read_document, read_text


def refused(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read_text(text, "f.yaml")
    return list(caught.value.lines)


def test_words_are_read_as_yaml_1_2_reads_them() -> None:
    data = read_text("a: off\nb: 1e-3\nc: 8:30\nd: true\ne: ~\nf: 2020-01-01\ng: [1, -.5, +2]").data
    assert data == {
        "a": "off",
        "b": 0.001,
        "c": "8:30",
        "d": True,
        "e": None,
        "f": "2020-01-01",
        "g": [1, -0.5, 2],
    }


def test_keys_and_entries_know_their_lines() -> None:
    document = read_text("a:\n  - x: 1\n  -\n    y: 2\nb: 3")
    assert document.line(("a",)) == 1
    assert document.line(("a", 0, "x")) == 2
    assert document.line(("a", 1, "y")) == 4
    assert document.line(("a", 1, "missing", "below")) == 4  # the nearest line above it
    assert document.line(("b",)) == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: $.a: the key `a` stands here and on line 1; keep one"),
        ("a: .nan", "f.yaml:1: $.a: expected a finite number"),
        ("a:\n  b: -.inf", "f.yaml:2: $.a.b: expected a finite number"),
        ("{[1]: 2}", "f.yaml:1: $: a key on line 1 is no text"),
        ("", "f.yaml:1: the file is empty; expected a scenario"),
        ("a: &x [*x]", "f.yaml:1: an alias holds itself"),
        ("a: [1", "f.yaml:1: is no YAML"),
        ("a: !!python/name:os.system x", "f.yaml:1: $.a: the tag"),
        ("a: 123456789012345678901", "f.yaml:1: $.a: 123456789012345678901 is too large"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: str) -> None:
    assert refused(text)[0].startswith(line)


def test_a_list_under_a_foreign_tag_is_a_list_and_calls_nothing() -> None:
    assert read_text("a: !!python/object/apply:os.system [ls]").data == {"a": ["ls"]}


def test_alias_bombs_are_refused() -> None:
    text = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n"
    for k in range(1, 7):
        text += f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 8)}]\n"
    assert "values, aliases counted" in refused(text)[0]


def test_deep_nesting_is_refused() -> None:
    assert "nested deeper" in refused("[" * 60 + "]" * 60)[0]
    assert "no YAML" in refused("[" * 5000 + "]" * 5000)[0]


def test_files_that_are_no_text_are_refused(tmp_path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ScenarioError, match="no UTF-8"):
        read_document(file)
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_document(tmp_path / "missing.yaml")
