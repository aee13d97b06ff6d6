"""What a large run costs beside its stages: looking up, recording and comparing 10,000 scores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare.runs import repeats, run, score
from pytest_benchmark.fixture import BenchmarkFixture

from harness.compare import Comparison, Verdict
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.store.artifacts import Store
from harness.store.entries import Entry, Result
from harness.store.record import Run
from harness.store.record_file import from_json, to_json

POINTS = 10_000
MADE = 500
"""Entries that are really committed; each is looked up so often that 10,000 look-ups result."""


@pytest.fixture(scope="module")
def large() -> Run:
    """10,000 points of three repeats, with settings and a protocol as wide as those of a real suite."""
    shared = {f"node{n}.field{f}": n * f for n in range(5) for f in range(10)}
    return run(
        *(
            score(
                repeats([0.8 + (i * r % 7) / 100 for r in range(3)]),
                {"m.k": i},
                settings={**shared, "m.k": i},
                protocol={"m.use": "m@1", "m.k": i},
            )
            for i in range(POINTS)
        )
    )


def test_looking_up_10000_entries(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    store = Store(tmp_path / "store")
    keys = [f"{i:064x}" for i in range(MADE)]
    for key in keys:
        work = store.begin(key)
        (work / "entry" / "items.parquet").write_bytes(b"rows")
        store.commit(Entry(key, "toy.measure", {}, Result({"error": 0.5}, {}, {}, True), 0.1, {}, {}))
    found = benchmark.pedantic(
        lambda: [store.get(k) for _ in range(POINTS // MADE) for k in keys], rounds=3, warmup_rounds=1
    )
    assert len(found) == POINTS
    assert all(found)


def test_comparing_10000_scores(large: Run, benchmark: BenchmarkFixture) -> None:
    comparison: Comparison = benchmark.pedantic(
        lambda: compare(Side(large), Side(large), large.gates), rounds=3, warmup_rounds=1
    )
    (finding,) = comparison.findings
    assert finding.points == POINTS
    assert finding.verdict is Verdict.UNCHANGED


def test_comparing_10000_scores_within_a_run(large: Run, benchmark: BenchmarkFixture) -> None:
    """Every point against a reference, which is a finding for each."""
    against = Run(**{**vars(large), "reference": {"m.k": 0}})
    comparison: Comparison = benchmark.pedantic(
        lambda: compare(Side(against), None, against.gates), rounds=3, warmup_rounds=1
    )
    assert len(comparison.findings) == POINTS


def test_writing_10000_scores(large: Run, benchmark: BenchmarkFixture) -> None:
    text: str = benchmark.pedantic(lambda: json.dumps(to_json(large)), rounds=3, warmup_rounds=1)
    benchmark.extra_info["megabytes"] = round(len(text) / 1e6, 1)


def test_reading_10000_scores(large: Run, benchmark: BenchmarkFixture) -> None:
    text = json.dumps(to_json(large))
    read: Run = benchmark.pedantic(lambda: from_json(json.loads(text), "run"), rounds=3, warmup_rounds=1)
    assert read == large
