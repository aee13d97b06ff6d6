from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

from report.html.contexts import BASELINE, context
from report.test_golden import COMPARISON, FINDINGS, RUN, estimate, finding

from harness.compare import Claim, Verdict
from harness.report.html.context import Context
from harness.report.html.top import top
from harness.store.record import MetricInfo, Run


def said(given: Context) -> str:
    """The words of the first screen, tags dropped."""
    text = unescape(re.sub(r"<[^>]+>", " ", top(given).replace("<wbr>", "")))
    return " ".join(text.split())


def retuned(epochs: int) -> Run:
    train = {
        "use": "land_cover.train",
        "inputs": {"data": ["scenes.train"]},
        "parameters": {"epochs": epochs},
    }
    return replace(RUN, declaration={"stages": {"train": train}, "seeds": {"train.seed": [0, 1]}})


def test_the_worst_gated_findings_stand_with_their_figures(tmp_path: Path) -> None:
    text = said(context(tmp_path))
    worst = (
        "scores.overall_accuracy 0.812 → 0.781 ✗ regressed 0.812 → 0.781 -0.0310 [-0.0500, -0.0120] 0.0200"
    )
    assert worst in text, "a phone shows the values below the name"
    assert text.count("not re-executed") == 1
    assert "kid.distance mean over 15 points 0.0412 → 0.0429 ? inconclusive" in text
    assert "1 failed" not in text
    assert text.index("regressed 0.8") < text.index("≠ incomparable") < text.index("? inconclusive 0.0")


def test_what_changed_in_the_suite_is_named_before_what_changed_around_it(tmp_path: Path) -> None:
    given = context(tmp_path, run=retuned(1), baseline=replace(BASELINE, declaration=retuned(2).declaration))
    text = said(given)
    assert "train.epochs: 2 → 1" in text
    assert text.index("train.epochs: 2 → 1") < text.index("torch: 2.14.0 → 2.15.0")
    assert "commit 0a1b2c3d4e5f → 4f0c2d9e8b7a" in text


def test_equal_suites_are_said_to_be_equal(tmp_path: Path) -> None:
    assert re.search(
        r"suite [0-9a-f]{12}, as the baseline protocol [0-9a-f]{12}, as the baseline", said(context(tmp_path))
    )
    given = context(tmp_path, run=retuned(1), baseline=replace(BASELINE, declaration=retuned(2).declaration))
    assert re.search(r"suite [0-9a-f]{12}, the baseline [0-9a-f]{12}", said(given))


def test_where_nothing_differs_it_says_so(tmp_path: Path) -> None:
    clean = replace(RUN, provenance={"commit": "4f0c", "dirty": False})
    same = replace(
        COMPARISON,
        findings=(finding("m.v", Verdict.UNCHANGED, estimate=estimate(1.0, 0.0, 0.1)),),
        failures=(),
    )
    text = said(context(tmp_path, same, run=clean, baseline=replace(BASELINE, provenance=clean.provenance)))
    assert "nothing that the record knows of" in text
    assert "changes that were not committed" in said(context(tmp_path, same))


def test_the_strip_names_what_ran_on_what(tmp_path: Path) -> None:
    gpu = {"gpu": "NVIDIA H100", "gpus": 2, "driver": "580.1", "image": "sha256:0123", "cpu": "Example CPU"}
    text = said(context(tmp_path, run=replace(RUN, environments={"e1": gpu}, only={"images.steps": [10]})))
    for told in (
        "commit 4f0c2d9e8b7a with uncommitted changes", "image sha256:0123", "hardware 2 × NVIDIA H100",
        "driver 580.1", "tasks 3, 1 cached", 'only {"images.steps":[10]}',
    ):  # fmt: skip
        assert told in text


def test_more_findings_than_fit_are_counted(tmp_path: Path) -> None:
    twelve = replace(
        COMPARISON,
        findings=tuple(
            finding(f"m.v{i}", Verdict.UNCHANGED, estimate=estimate(1.0, 0.0, 0.1)) for i in range(12)
        ),
    )
    assert "and 4 more" in said(context(tmp_path, twelve))


def test_many_checks_of_one_thing_do_not_hide_the_rest(tmp_path: Path) -> None:
    names = [*(f"checks.v{i}" for i in range(9)), "checks.passed", "kid.distance", "scores.loss"]
    calm = [finding(n, Verdict.UNCHANGED, estimate=estimate(1.0, 0.0, 0.1)) for n in names]
    bad = finding("checks.v10", Verdict.REGRESSED, estimate=estimate(1.0, -0.5, 0.1))
    good = finding("checks.v11", Verdict.IMPROVED, estimate=estimate(1.0, 0.5, 0.1))
    info = MetricInfo("prompts.checks", {"passed": {"better": "higher"}, "v0": {"better": "higher"}}, ())
    run = replace(RUN, metrics={**RUN.metrics, "checks": info})
    text = said(context(tmp_path, replace(COMPARISON, findings=(*calm, good, bad)), run))
    first = ["checks.v10", "checks.passed", "scores.loss", "kid.distance", "checks.v0"]
    places = [text.index(f"{name} ") for name in first]
    assert places[0] == min(places)
    assert places[1] < places[4]
    assert max(places[2:4]) < places[4]
    assert "checks.v11" not in text


def test_an_exact_comparison_claims_no_interval(tmp_path: Path) -> None:
    exact = replace(
        COMPARISON, findings=(finding("m.v", Verdict.UNCHANGED, estimate=estimate(1.0, 0.0, 0.0)),)
    )
    text = said(context(tmp_path, exact))
    assert "How sure exact values" in text
    assert "intervals over" not in text


def test_not_sure_says_what_it_would_take(tmp_path: Path) -> None:
    unsure = replace(COMPARISON, findings=tuple(f for f in FINDINGS if f.verdict is Verdict.INCONCLUSIVE))
    assert (
        "kid.distance: smallest effect that these repeats could have shown: 0.00310; 6 more repeats needed"
        in said(context(tmp_path, unsure))
    )


def test_what_the_store_has_lost_is_said(tmp_path: Path) -> None:
    given = context(tmp_path)
    assert "store 2 of 2 artifacts are gone: what would show them is left out" in said(given)
    for task in RUN.tasks:
        given.store.folder(task.key).mkdir(parents=True)
    assert "artifacts are gone" not in said(given)


def test_a_gate_without_figures_says_why_and_claims_nothing(tmp_path: Path) -> None:
    gone = replace(
        finding("fid.distance", Verdict.INCOMPARABLE, reason="the run has no such score"), estimate=None
    )
    there = finding("m.v", Verdict.UNCHANGED, estimate=estimate(1.0, 0.0, 0.1))
    text = said(
        context(
            tmp_path,
            replace(COMPARISON, findings=(gone, replace(there, claim=Claim("the recipe of `train`")))),
        )
    )
    assert "fid.distance the run has no such score ≠ incomparable" in text
    assert "verdicts are about the recipe of `train` Since when" in text
