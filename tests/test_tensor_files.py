"""Safetensors files: whole or as before, readable by others, and full disks told as such."""

from __future__ import annotations

import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra nn")

from safetensors import safe_open  # noqa: E402

from drivelab.agents.learned.checkpoint import save_network  # noqa: E402
from drivelab.agents.learned.tensor_file import write_tensors  # noqa: E402
from drivelab.bridges.export.formats import write_pt2  # noqa: E402
from drivelab.training.checkpoint import load_facts, save_checkpoint  # noqa: E402


@contextmanager
def full_disk(most: int = 1000) -> Iterator[None]:
    """No file grows beyond so many bytes, as on a disk with no more left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_an_error_of_the_system_and_the_old_file_stays(tmp_path: Path):
    file = tmp_path / "model.safetensors"
    write_tensors({"a": torch.ones(3)}, file, {"note": "first"})
    before = file.read_bytes()
    with full_disk(), pytest.raises(OSError, match="too large") as told:
        write_tensors({"a": torch.ones(999)}, file, {})
    assert told.value.filename == str(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


LETTERS = st.characters(exclude_categories=["Cs"])  # halves of letters cannot be written


@given(texts=st.dictionaries(st.text(LETTERS), st.text(LETTERS)))
def test_the_same_tensors_and_texts_make_the_same_bytes(tmp_path_factory, texts: dict[str, str]):
    first, second = (tmp_path_factory.getbasetemp() / name for name in ("a.bin", "b.bin"))
    tensors = {"w": torch.arange(3.0), "b": torch.ones(2)}
    write_tensors(tensors, first, texts)
    write_tensors(dict(reversed(tensors.items())), second, dict(reversed(texts.items())))
    assert first.read_bytes() == second.read_bytes()
    with safe_open(second, "pt") as file:
        assert (file.metadata() or {}) == texts
        assert all(torch.equal(file.get_tensor(name), one) for name, one in tensors.items())


def test_a_folder_that_is_none_is_told(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="none"):
        save_network(torch.nn.Linear(2, 2), tmp_path / "none" / "a.safetensors")


def test_others_may_read_what_the_folder_lets_them_read(tmp_path: Path):
    (tmp_path / "plain").touch()
    wanted = stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    save_network(torch.nn.Linear(2, 2), tmp_path / "a.safetensors")
    save_checkpoint(tmp_path, torch.nn.Linear(2, 2), {"updates": 3})
    for name in ("a.safetensors", "model.safetensors"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == wanted


def test_a_checkpoint_survives_a_full_disk(tmp_path: Path):
    save_checkpoint(tmp_path, torch.nn.Linear(2, 2), {"updates": 3})
    with full_disk(), pytest.raises(OSError, match="too large"):
        save_checkpoint(tmp_path, torch.nn.Linear(50, 50), {"updates": 4})
    assert load_facts(tmp_path) == {"updates": 3}


def test_an_export_to_a_full_disk_ends_in_an_error_and_not_the_process(tmp_path: Path):
    example = {"x": torch.ones(1, 2)}
    with full_disk(), pytest.raises(OSError, match="too large"):
        write_pt2(torch.nn.Linear(2, 2), example, ["y"], tmp_path / "a.pt2")
