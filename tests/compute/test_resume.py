"""A training's state in one file: whole or not at all, and back to where it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.compute.arithmetic import is_out_of_memory
from harness.compute.resume import Resume, mixed

pytestmark = pytest.mark.numeric


def parts(seed: int) -> dict[str, torch.nn.Linear]:
    torch.manual_seed(seed)
    return {"one": torch.nn.Linear(2, 3), "two": torch.nn.Linear(3, 1)}


def weights(of: dict[str, torch.nn.Linear]) -> list[torch.Tensor]:
    return [p.detach().clone() for part in of.values() for p in part.parameters()]


def test_there_is_nothing_to_restore_at_first(tmp_path: Path) -> None:
    fresh = parts(0)
    before = weights(fresh)
    resume = Resume(tmp_path)
    resume.restore(fresh)
    assert resume.told == {}
    assert all(torch.equal(a, b) for a, b in zip(before, weights(fresh), strict=True))


def test_parts_come_back_with_what_was_told(tmp_path: Path) -> None:
    saved, other = parts(0), parts(1)
    Resume(tmp_path).save_if_due(saved, {"step": 3, "history": [{"loss": 0.5}]})
    resume = Resume(tmp_path)
    resume.restore(other)
    assert resume.told == {"step": 3, "history": [{"loss": 0.5}]}
    assert all(torch.equal(a, b) for a, b in zip(weights(saved), weights(other), strict=True))


def test_saving_takes_a_small_share_of_the_time(tmp_path: Path) -> None:
    """The first save is always due; the next one only after ten times as long as it took."""
    resume, saved = Resume(tmp_path), parts(0)
    for step in range(1, 50):
        resume.save_if_due(saved, {"step": step})
    last = Resume(tmp_path).told["step"]
    assert isinstance(last, int)
    assert 1 <= last < 49


def test_a_torn_save_does_not_hide_the_one_before(tmp_path: Path) -> None:
    Resume(tmp_path).save_if_due(parts(0), {"step": 1})
    (tmp_path / "training.torn").write_bytes(b"half")
    assert Resume(tmp_path).told == {"step": 1}


@given(st.tuples(st.integers(), st.integers()), st.tuples(st.integers(), st.integers()))
def test_different_numbers_give_different_seeds(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (mixed(*one) == mixed(*other)) == (one == other)
    assert 0 <= mixed(*one) < 2**63


def test_what_full_devices_say_is_understood() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert is_out_of_memory(RuntimeError("could not create a primitive"))  # all that oneDNN says
    assert not is_out_of_memory(RuntimeError("could not create a primitive descriptor for a convolution"))
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
