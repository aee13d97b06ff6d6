"""Intervals over rows keep what they promise: a few cases of the table in ``docs/statistics.md``."""

import pytest
from interval_coverage import CASES, coverage

QUICK = {"70 items, small classes", "100 images, D = 16, duller", "20 prompts of a class"}
FAST = [c for c in CASES if c.what in QUICK and "divergence" not in c.fields]


@pytest.mark.parametrize("case", FAST, ids=lambda c: c.what)
def test_ninety_percent_intervals_cover_at_least_85(case):
    """Of 60 draws; 85 % of them is 1.3 standard deviations below 90 %."""
    assert case.fields
    for field, (held, ratio) in coverage(case, 60).items():
        assert held >= 0.85, field
        assert 0.85 < ratio < 2.6, field
