"""The comparison of a run is read back from its record as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare.runs import compared, score, seeded, shifted, side, single, stored
from report.test_golden import COMPARISON, RUN

from harness import compare as comparisons
from harness.compare import Comparison
from harness.errors import UsageError
from harness.store.record import Run
from harness.store.record_file import to_json


def kept(folder: Path, run: Run, comparison: Comparison) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps({**to_json(run), "comparison": comparison.to_json()}))
    return folder


def test_every_part_of_it_comes_back(tmp_path: Path) -> None:
    assert comparisons.stored(kept(tmp_path, RUN, COMPARISON), RUN) == COMPARISON
    assert COMPARISON.findings


def test_a_real_one_comes_back(tmp_path: Path) -> None:
    candidate, before = seeded(shifted([-0.2] * 5)), side(score(single(0.8)))
    for baseline in (before, None, seeded(shifted([0.0] * 5))):
        found = compared(candidate, baseline)
        assert comparisons.stored(kept(tmp_path, candidate.run, found), candidate.run) == found


def test_a_run_that_was_compared_with_nothing_has_none(tmp_path: Path) -> None:
    assert comparisons.stored(stored(tmp_path / "run", RUN), RUN) is None


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    folder = kept(tmp_path, RUN, COMPARISON)
    body = json.loads((folder / "run.json").read_text())
    for spoilt in ({**body["comparison"], "findings": [{}]}, {}, []):
        (folder / "run.json").write_text(json.dumps({**body, "comparison": spoilt}))
        with pytest.raises(UsageError, match=r"run\.json: damaged comparison"):
            comparisons.stored(folder, RUN)
