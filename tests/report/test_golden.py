"""Every rendering of a few runs and comparisons is held against a golden file.

To accept changed renderings, look at the difference, then write the golden files anew:

    HARNESS_REGENERATE=1 .venv/bin/python -m pytest tests/report

Files are written and the tests *fail* in that run, so that nothing is accepted by accident.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.artifact import Json
from harness.compare import (
    Claim,
    Comparison,
    Difference,
    Estimate,
    Finding,
    Measured,
    Point,
    Proposal,
    Proposed,
    Verdict,
)
from harness.report import ci, markdown
from harness.report.terminal import print_comparison
from harness.store.record import Accepted, GateInfo, MetricInfo, Repeat, Run, Score, TaskInfo

GOLDEN = Path(__file__).parent / "golden"

NASTY = "<script>alert('|')</script> \u202e\x1b[31m @team 🛰️ **صحراء** | ]]>"
"""A name as it may come from a user's captions: HTML, a pipe, overrides, an escape code, emoji, Arabic."""


def check_golden(name: str, text: str) -> None:
    """Hold a rendering against its golden file, byte for byte."""
    file = GOLDEN / name
    if os.environ.get("HARNESS_REGENERATE"):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode())
        raise AssertionError(
            f"{name} was written anew: look at the difference, then run without the variable"
        )
    assert text.encode() == file.read_bytes(), f"{name} differs; {__file__} says how to accept it"


def estimate(baseline: float, change: float, half: float, **given: Any) -> Estimate:
    usual: dict[str, Any] = {"unit": "seeds" if half else "exact", "repeats": 5, "paired": bool(half)}
    low, high = change - half, change + half
    return Estimate(baseline, baseline + change, change, low, high, **{**usual, **given})


def finding(name: str, verdict: Verdict | None, **given: Any) -> Finding:
    metric, _, field = name.partition(".")
    usual: dict[str, Any] = {
        "better": "higher",
        "at": {},
        "points": 1,
        "against": None,
        "gated": verdict is not None,
        "reason": "",
        "estimate": None,
        "margin": 0.02 if verdict else None,
        "claim": Claim("the recipe of `train`", ("train",)),
    }
    return Finding(metric=metric, field=field, verdict=verdict, **{**usual, **given})


ACCEPTED = Accepted("cpu", "first baseline on two cores", "2026-03-01T12:00:00+00:00")

TORCH = Difference("torch", "2.14.0", "2.15.0")

FINDINGS = (
    finding("scores.loss", None, better="lower", estimate=estimate(1.555, 0.061, 0.02), executed=False),
    finding(
        "scores.average_accuracy",
        Verdict.UNCHANGED,
        estimate=estimate(0.4950, -0.0021, 0.0052),
        reason="at most 0.0073 worse, margin 0.0200",
        causes=(TORCH,),
    ),
    finding(
        "scores.overall_accuracy",
        Verdict.REGRESSED,
        estimate=estimate(0.8120, -0.0310, 0.0190),
        reason="worse by 0.0310 (90 % interval 0.0120 to 0.0500), margin 0.0200, 5 paired seeds",
        p=0.004,
        sees=0.0345,
        beside=(
            "`painter` was run once: no claim about the recipe of it; to repeat: seeds: {painter.seed: [0, 1, 2]}",
        ),
        causes=(TORCH, Difference("gpu", None, "NVIDIA H100")),
    ),
    finding(
        "fid.distance",
        Verdict.INCOMPARABLE,
        better="lower",
        at={"images.scheduler": "pndm", "images.steps": 50},
        reason="the protocols differ",
        margin=None,
        differences=(Difference("fid.n_generated", 250, 500), Difference("real.resize", "bilinear", None)),
    ),
    finding(
        "kid.distance",
        Verdict.INCONCLUSIVE,
        better="lower",
        points=15,
        margin=0.002,
        estimate=estimate(0.0412, 0.0017, 0.0021),
        reason="the interval -0.0004 to 0.0038 reaches beyond the margin 0.0020",
        detectable=0.0031,
        more_repeats=6,
    ),
    finding(
        "recall.coverage",
        Verdict.IMPROVED,
        estimate=estimate(0.50, 0.08, 0.0, unit="exact", repeats=1),
        reason="better by 0.0800, exact, margin 0.0200",
        executed=False,
    ),
    finding(
        "fid.distance",
        Verdict.REGRESSED,
        better="lower",
        gated=False,
        at={"images.scheduler": "euler", "images.steps": 10},
        against={"images.scheduler": "pndm", "images.steps": 50},
        estimate=estimate(245.3629, 41.2, 3.3, repeats=3),
        margin=4.9,
        reason="worse by 41.2 (90 % interval 37.9 to 44.5), margin 4.90, 3 paired seeds",
    ),
)

COMPARISON = Comparison(
    suite="smoke/land-cover",
    run="20260304-101500-ab12",
    baseline="cpu",
    accepted=ACCEPTED,
    note="",
    findings=FINDINGS,
    new=(Point("scores", {"images.steps": 25}),),
    missing=(Point("memorisation", {}),),
    not_run=(Point("scores", {"images.steps": 10}), Point("scores", {"images.steps": 5})),
    failures=(
        TaskInfo(
            "images",
            "k3",
            {"images.scheduler": "unipc"},
            {"images.seed": 2},
            "failed",
            0.0,
            error="the loss is not a number at step 120\nlog: step 119 loss 3.1\nlog: step 120 loss nan",
        ),
    ),
)

DETAILS: Mapping[str, Json] = {
    "per_class": {
        "Bare Land": {"precision": 0.81, "recall": 0.75, "support": 52},
        "Snow | Ice": {"precision": 1.0, "recall": 0.9655, "support": 58},
    },
    "confusion": {"classes": ["Bare Land", "Snow | Ice"], "matrix": [[39, 13], [2, 56]]},
    "worst": [{"item": NASTY, "loss": 12.5}],
    "averaging": "macro over the classes that occur",
}


def score(metric: str, values: list[Mapping[str, float]], **given: Any) -> Score:
    repeats = tuple(
        Repeat(
            {"train.seed": i}, f"{metric}{i}", v, details=DETAILS if metric == "scores" else {}, executed=True
        )
        for i, v in enumerate(values)
    )
    usual: dict[str, Any] = {
        "point": {},
        "settings": {},
        "protocol": {"scores.n": 110},
    }
    return Score(metric=metric, repeats=repeats, **{**usual, **given})


RUN = Run(
    id="20260304-101500-ab12",
    suite="smoke/land-cover",
    about="A classifier on embedded scenes.",
    started="2026-03-04T10:15:00+00:00",
    wall_s=71.24,
    declaration={},
    metrics={
        "scores": MetricInfo(
            "classification.scores",
            {
                "loss": {"better": "lower", "floor": 0.0},
                "overall_accuracy": {"better": "higher", "floor": 0.0},
                "average_accuracy": {"better": "higher", "floor": 0.0},
                "n_absent_classes": None,
            },
            ("train.seed",),
        )
    },
    gates=(GateInfo("scores", "overall_accuracy", 0.02, False, {}, False),),
    reference={},
    defaults={},
    scores=(
        score(
            "scores",
            [
                {"loss": 1.6, "overall_accuracy": 0.78, "average_accuracy": 0.49, "n_absent_classes": 0.0},
                {"loss": 1.7, "overall_accuracy": 0.785, "average_accuracy": 0.50, "n_absent_classes": 1.0},
            ],
        ),
    ),
    tasks=(
        TaskInfo(
            "scenes", "k1", {}, {}, "cached", 4.0, {"count": 420, "unmapped": {"Airport": 12, "Bridge": 3}}
        ),
        TaskInfo("train", "k2", {}, {"train.seed": 0}, "executed", 31.5, {"epochs": 4}),
        *COMPARISON.failures,
    ),
    environments={"e1": {"torch": "2.15.0", "cpu": "Example CPU", "image": "sha256:0123456789abcdef"}},
    environment="e1",
    sources=({"reference": "arampacha/rsicd@unpinned", "digest": "sha256:77", "verified": False},),
    provenance={"commit": "4f0c2d9e8b7a6f5e4d3c2b1a09f8e7d6c5b4a392", "dirty": True},
)

NO_BASELINE = replace(
    COMPARISON,
    baseline=None,
    accepted=None,
    note="No baseline 'cpu' for smoke/land-cover. To make this run one:\n"
    "  harness accept .harness/runs/20260304-101500-ab12 --label cpu --reason '…'",
    findings=(),
    new=(),
    missing=(),
    not_run=(),
    failures=(),
)

EMPTY = replace(COMPARISON, findings=(), new=(), missing=(), not_run=(), failures=())

HOSTILE = replace(
    EMPTY,
    findings=(
        finding(
            f"scores.{NASTY}",
            Verdict.REGRESSED,
            at={"images.prompt": NASTY},
            reason=NASTY,
            estimate=estimate(1e-300, 1e300, 1e290),
            margin=1e-12,
            differences=(Difference(NASTY, NASTY, None),),
            causes=(Difference("gpu", NASTY, NASTY),),
        ),
        finding("tiny.value", Verdict.UNCHANGED, estimate=estimate(3.0e-7, 1e-12, 0.0), margin=1e-9),
    ),
    failures=(
        TaskInfo("images", "k", {"images.prompt": NASTY}, {}, "failed", 0.0, error=f"{NASTY}\n{NASTY}"),
    ),
)


def many(n: int) -> Comparison:
    """``n`` gated findings, every tenth regressed, each at a point of its own."""
    return replace(
        EMPTY,
        findings=tuple(
            finding(
                "kid.distance",
                Verdict.UNCHANGED if i % 10 else Verdict.REGRESSED,
                better="lower",
                at={"images.steps": i},
                estimate=estimate(0.04, 0.05 + i / n if i % 10 == 0 else 0.0001, 0.001),
                reason=f"worse by {0.05 + i / n:.3g}" if i % 10 == 0 else "within the margin",
            )
            for i in range(n)
        ),
    )


PROPOSAL = Proposal(
    replace(ACCEPTED, reason="A smaller encoder: a tenth of the cost", at="2026-03-03T12:00:00+00:00"),
    "Ada Lovelace (1a2b3c4)",
    (Proposed("scores", "overall_accuracy", {}, 0.812, 0.781), Proposed("kid", "distance", {}, None, 0.04)),
    ("gate added: kid.distance (margin 0.002)", "margin of scores.overall_accuracy: 0.02 → 0.03"),
    ("scores.overall_accuracy",),
)

FIRST = replace(
    NO_BASELINE,
    findings=(
        finding(
            "scores.overall_accuracy",
            None,
            gated=True,
            margin=0.02,
            sees=0.0345,
            measured=Measured(0.8120, 0.0123, 5, "seeds"),
        ),
        finding(
            "kid.distance", None, gated=True, better="lower", margin=0.1, reason="there is no baseline yet"
        ),
        *(
            finding(
                name,
                verdict,
                at={"images.scheduler": "euler", "images.steps": steps},
                against={"images.scheduler": "pndm", "images.steps": 50},
                estimate=estimate(0.5, change, 0.01, repeats=3),
            )
            for name, verdict, steps, change in (
                ("recall.coverage", Verdict.UNCHANGED, 20, 0.001),
                ("scores.overall_accuracy", Verdict.UNCHANGED, 20, 0.002),
                ("recall.coverage", Verdict.REGRESSED, 10, -0.1),
                ("scores.overall_accuracy", Verdict.INCONCLUSIVE, 10, 0.0),
            )
        ),
    ),
)

EXAMPLES = {
    "first": FIRST,
    "proposed": replace(COMPARISON, failures=(), proposal=replace(PROPOSAL, worse=())),
    "proposed-worse": replace(COMPARISON, failures=(), proposal=PROPOSAL),
    "proposed-in-vain": replace(
        COMPARISON,
        failures=(),
        proposal=replace(PROPOSAL, withheld=("it was accepted with other gates than the suite has now",)),
    ),
    "full": COMPARISON,
    "no-baseline": NO_BASELINE,
    "empty": EMPTY,
    "hostile": HOSTILE,
    "many": many(10_000),
}


def printed(comparison: Comparison, width: int = 80, run: Run = RUN, **console: Any) -> str:
    """What a terminal of this width shows, without colour unless ``console`` says so."""
    usual: dict[str, Any] = {"color_system": None, "_environ": {}, "legacy_windows": False}
    file = StringIO()
    print_comparison(Console(file=file, width=width, **{**usual, **console}), run, comparison)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_terminal_shows_what_it_showed(example: str, width: int) -> None:
    check_golden(f"{example}.{width}.txt", printed(EXAMPLES[example], width))


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e != "many"])
def test_the_markdown_report_reads_as_it_read(example: str) -> None:
    check_golden(f"{example}.md", markdown.render(RUN, EXAMPLES[example]))


def test_a_cut_markdown_report_reads_as_it_read() -> None:
    check_golden("many.md", markdown.render(RUN, EXAMPLES["many"], limit_bytes=markdown.LEAST_BYTES))


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e != "many"])
def test_the_junit_file_reads_as_it_read(example: str) -> None:
    check_golden(f"{example}.xml", ci.junit(EXAMPLES[example]))


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_annotations_read_as_they_read(example: str) -> None:
    check_golden(f"{example}.github.txt", ci.workflow_commands(EXAMPLES[example]))


@pytest.mark.parametrize("example", [e for e in EXAMPLES if e != "many"])
def test_the_comparison_in_the_record_is_what_it_was(example: str) -> None:
    text = json.dumps(EXAMPLES[example].to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    check_golden(f"{example}.json", text + "\n")
