"""The training loop on the smallest learner there is: its rows, its looks, its file, and going on after a kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Json
from harness.compute.training import LOOKS, ROWS, Optimisation, Resume, Stateful, Trainable, train
from harness.errors import StageError

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


OPTIMISATION = Optimisation(
    epochs=3,
    max_steps=None,
    batch_size=2,
    accumulate=2,
    lr=0.1,
    weight_decay=0.0,
    schedule="linear",
    warm_up=2,
    max_norm=1.0,
    precision="fp32",
    gradient_checkpointing=False,
    seed=5,
)


class Line:
    """Learns one number; the loss of a step is its distance from the step's own target."""

    def __init__(
        self, steps: int, precision: Literal["fp32", "bf16"] = "fp32", wild: int | None = None
    ) -> None:
        self.steps, self.precision, self.wild = steps, precision, wild
        self.layer = torch.nn.Linear(1, 1, bias=False)
        torch.nn.init.zeros_(self.layer.weight)
        self.optimizer = torch.optim.SGD(self.layer.parameters(), lr=0.1, momentum=0.9)
        self.looked: list[Json] = []

    @property
    def parts(self) -> Mapping[str, Stateful]:
        return {"weights": Trainable.among(self.layer.named_parameters()), "optimizer": self.optimizer}

    def step(self, step: int) -> tuple[float, int]:
        if step == self.wild:
            return float("nan"), 1
        loss = (self.layer.weight - step).square().sum()
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return 3 * float(loss.detach()), 3

    def note(self, row: dict[str, Json], look: bool) -> None:
        row["weight"] = float(self.layer.weight.detach())
        if look:
            self.looked.append(row["step"])


def quiet(done: int, total: int, what: str) -> None:
    assert done <= total
    assert what == "steps"


@pytest.mark.parametrize("steps", [1, 7, 10, 100, 230])
def test_a_history_has_a_hundred_rows_and_ten_looks_at_most(tmp_path: Path, steps: int) -> None:
    line = Line(steps)
    rows = [row["step"] for row in train(line, tmp_path, quiet)]
    assert len(rows) <= ROWS
    assert len(line.looked) == min(steps, LOOKS)
    assert rows[-1] == line.looked[-1] == steps


class KilledError(Exception):
    """Stands for a kill: raised between two steps."""


@pytest.mark.parametrize("at", [1, 100, 101, 250])
def test_a_killed_training_goes_on_exactly(tmp_path: Path, at: int) -> None:
    """In the middle of a row, too: the losses since the last row are saved with the weights."""

    def kill(done: int, total: int, what: str) -> None:
        if done == at:
            raise KilledError

    whole = train(Line(250), tmp_path, quiet, saves=False)
    with pytest.raises(KilledError):
        train(Line(250), tmp_path, kill)
    assert train(Line(250), tmp_path, quiet) == whole


def test_a_process_that_does_not_save_leaves_no_file(tmp_path: Path) -> None:
    train(Line(3), tmp_path, quiet, saves=False)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_is_not_finite_ends_it_with_what_helps(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"^the training loss became nan at step 3; lower lr$"):
        train(Line(5, wild=2), tmp_path / "a", quiet, saves=False)
    with pytest.raises(StageError, match=r"at step 3; lower lr, or use precision: fp32$"):
        train(Line(5, "bf16", wild=2), tmp_path / "b", quiet, saves=False)


@given(st.integers(1, 30), st.integers(0, 200), st.integers(1, 90))
def test_draws_are_a_part_of_shuffled_passes(rows: int, start: int, count: int) -> None:
    passes = OPTIMISATION.drawn(rows, range((start + count + rows) // rows * rows))
    assert OPTIMISATION.drawn(rows, range(start, start + count)) == passes[start : start + count]
    for first in range(0, len(passes), rows):
        assert Counter(passes[first : first + rows]) == Counter(range(rows))


def test_the_rate_rises_and_falls() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=OPTIMISATION.lr)
    rate = OPTIMISATION.rate(optimizer, 6)
    rates = []
    for _ in range(6):
        rates.append(rate.get_last_lr()[0])
        optimizer.step()
        rate.step()
    assert rates == pytest.approx([0, 0.05, 0.1, 0.075, 0.05, 0.025])
