from __future__ import annotations

import math

import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import student

DFS = [1.0, 1.5, 2.0, 4.7, 29.3, 199.0, 201.0, 1e4, 1e6]
BAD = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("df", DFS)
def test_student_cdf_is_scipys(df: float) -> None:
    for t in [-300.0, -40.0, -8.0, -3.0, -1.75, -1.73, -0.5, -1e-3, 0.0, 1e-3, 0.3, 1.0, 1.74, 5.0, 30.0]:
        expected = scipy.stats.t.cdf(t, df)
        if expected > 1e-280:
            assert student.student_cdf(t, df) == pytest.approx(expected, rel=1e-10, abs=0.0)


@pytest.mark.parametrize("df", DFS)
def test_student_quantile_is_scipys(df: float) -> None:
    for p in [1e-15, 1e-5, 0.025, 0.05, 0.2, 0.45, 0.5, 0.6, 0.8, 0.9, 0.95, 0.975, 0.9999, 1 - 1e-9]:
        expected = scipy.stats.t.ppf(p, df)
        assert student.student_quantile(p, df) == pytest.approx(expected, rel=1e-10, abs=1e-15)


def test_student_has_the_closed_forms_of_one_and_two_degrees_of_freedom() -> None:
    assert student.student_quantile(0.5 + 1e-9, 1.0) == pytest.approx(math.pi * 1e-9, rel=1e-6)
    assert student.student_cdf(-1e100, 1.0) == pytest.approx(1 / (math.pi * 1e100), rel=1e-12)
    for t in (-5.0, -1.0, 0.25, 3.0):
        assert student.student_cdf(t, 1.0) == pytest.approx(0.5 + math.atan(t) / math.pi, rel=1e-12)
        assert student.student_cdf(t, 2.0) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), rel=1e-12)


@given(st.floats(1e-12, 1 - 1e-12), st.floats(1, 1e6))
def test_student_quantile_undoes_the_cdf_and_is_odd(p: float, df: float) -> None:
    t = student.student_quantile(p, df)
    assert student.student_cdf(t, df) == pytest.approx(p, rel=1e-9)
    assert student.student_quantile(1 - p, df) == pytest.approx(-t, rel=1e-3, abs=1e-15)


@pytest.mark.parametrize("df", [0.0, 0.5, -3.0, 1e10, *BAD])
def test_student_refuses_degrees_of_freedom_out_of_range(df: float) -> None:
    with pytest.raises(ValueError, match="df must be between 1 and"):
        student.student_cdf(1.0, df)
    with pytest.raises(ValueError, match="df must be between 1 and"):
        student.student_quantile(0.9, df)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, *BAD])
def test_a_probability_out_of_range_and_a_t_that_is_no_number_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p must lie strictly between"):
        student.student_quantile(p, 4.0)
    with pytest.raises(ValueError, match="t must be a number"):
        student.student_cdf(math.nan, 4.0)
