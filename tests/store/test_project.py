"""The order of runs is the order in which the project has seen them, whatever the clock says."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.store.project import KEPT, NUMBERS, folders, new_id, order

NOW = datetime(2026, 3, 4, 10, 15, tzinfo=UTC)


def made(reports: Path, moment: datetime) -> str:
    name = new_id(reports, moment)
    (reports / "toy" / name).mkdir(parents=True)
    (reports / "toy" / name / "run.json").write_text("{}")
    return name


def are_of_their_own(ids: list[str]) -> bool:
    """Whether every id has a number, and no two the same. A number may be left out if its thread was slow."""
    numbers = {order(name)[0] for name in ids}
    return len(numbers) == len(ids) and min(numbers) > 0


def test_a_clock_that_goes_back_changes_no_order(tmp_path: Path) -> None:
    ids = [made(tmp_path, NOW - timedelta(hours=n)) for n in range(4)]
    assert [f.name for f in folders(tmp_path)] == ids
    assert sorted(ids) != ids, "the clock alone would say otherwise"


def test_the_order_goes_on_without_the_folder_of_numbers(tmp_path: Path) -> None:
    ids = [made(tmp_path, NOW) for _ in range(3)]
    shutil.rmtree(tmp_path / NUMBERS)
    ids.append(made(tmp_path, NOW - timedelta(days=1)))
    assert [f.name for f in folders(tmp_path)] == ids


def test_runs_of_one_instant_have_numbers_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: new_id(tmp_path, NOW), range(300)))
    assert are_of_their_own(ids)


@pytest.mark.parametrize("kept", [KEPT, 2])
def test_no_number_is_given_twice_while_others_remove_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """A number that was found too old may be gone before its own thread removes it."""
    monkeypatch.setattr("harness.store.project.KEPT", kept)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads change places within a handful of instructions
    try:
        for n in range(5):
            with ThreadPoolExecutor(8) as pool:
                ids = list(pool.map(lambda _, place=tmp_path / str(n): new_id(place, NOW), range(200)))
            assert are_of_their_own(ids)
    finally:
        sys.setswitchinterval(before)


def test_a_run_without_a_number_is_older(tmp_path: Path) -> None:
    assert order("20990101-000000-ab12") < order(new_id(tmp_path, NOW))


def test_a_place_that_cannot_be_written_leaves_the_clock(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert new_id(tmp_path / "file", NOW).startswith("20260304-101500-0000-")
