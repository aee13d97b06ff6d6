from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.store.upkeep import age_s, size


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (99_949, "99.9 kB"), (999_999, "1.00 MB"), (12_345_678, "12.3 MB"),
     (5_000_000_000, "5.00 GB"), (10**15, "1000 TB")],
)  # fmt: skip
def test_sizes_are_told_in_three_digits(count: int, told: str) -> None:
    assert size(count) == told


@given(st.integers(0, 10**15))
def test_a_size_is_within_half_a_per_cent_of_what_is_told(count: int) -> None:
    figure, unit = size(count).split()
    factor = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    assert abs(float(figure) * factor - count) <= 0.00501 * count


@pytest.mark.parametrize(
    ("text", "s"), [("0", 0), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("2d", 172_800)]
)
def test_an_age_is_read(text: str, s: float) -> None:
    assert age_s(text) == s


@pytest.mark.parametrize("text", ["", "5", "d", "1 day", "-1d", "nan", "1e3s"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--age"):
        age_s(text)
