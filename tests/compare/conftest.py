from __future__ import annotations

from pathlib import Path

import pytest
from compare.runs import itemised, stored

from harness.compare import acceptance
from harness.compare.sample import Side


@pytest.fixture
def with_items(tmp_path: Path) -> tuple[Path, Side]:
    """A project with an accepted baseline, and the run that it was."""
    made = itemised(tmp_path / "run", [{f"i{n}": n / 10 for n in range(10)}])
    stored(tmp_path / "run", made.run)
    acceptance.accept(made.run, tmp_path / "run", tmp_path, "cpu", "first figures")
    return tmp_path, made
