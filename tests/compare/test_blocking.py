"""Which outcomes block: the usual words give the exit codes of ``harness run``, each other word its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.test_golden import COMPARISON, EMPTY, EXAMPLES, FINDINGS, NO_BASELINE

from harness.compare import Verdict
from harness.compare.blocking import CODES, USUAL, exit_code, parse, present
from harness.errors import Exit, UsageError

PROPOSED = EXAMPLES["proposed"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_usual_words_give_the_exit_codes_of_a_run(example: str) -> None:
    comparison = EXAMPLES[example]
    assert exit_code(comparison, USUAL) is comparison.exit()
    assert exit_code(comparison, (*USUAL, "inconclusive")) is replace(comparison, strict=True).exit()


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_blocks_where_its_word_is_named(verdict: Verdict) -> None:
    comparison = replace(EMPTY, findings=(replace(FINDINGS[2], verdict=verdict),))
    words = [str(verdict)] if verdict in CODES else []
    assert present(comparison) == words
    for word in CODES:
        expected = CODES[word] if word in words else Exit.OK
        assert exit_code(comparison, [word]) is expected, word


def test_each_finding_counts_and_not_the_worst_alone() -> None:
    findings = tuple(
        replace(FINDINGS[2], verdict=verdict) for verdict in (Verdict.REGRESSED, Verdict.INCONCLUSIVE)
    )
    comparison = replace(EMPTY, findings=findings)
    assert exit_code(comparison, ["inconclusive"]) is Exit.INCONCLUSIVE
    assert exit_code(comparison, ["inconclusive", "regressed"]) is Exit.REGRESSED


def test_a_failed_task_blocks_whatever_the_words_are() -> None:
    assert COMPARISON.failures
    assert exit_code(COMPARISON, ()) is Exit.FAILED


def test_no_baseline_and_a_missing_score_have_words_of_their_own() -> None:
    assert present(NO_BASELINE) == ["no-baseline"]
    assert exit_code(NO_BASELINE, ["incomparable"]) is Exit.OK
    missing = replace(EMPTY, missing=COMPARISON.missing)
    assert present(missing) == ["missing"]


def test_a_proposal_excuses_the_findings_unless_proposals_block() -> None:
    assert PROPOSED.proposal is not None
    worse = replace(PROPOSED, proposal=replace(PROPOSED.proposal, worse=("fit.error",), open=()))
    assert exit_code(worse, USUAL) is Exit.OK
    assert exit_code(worse, ["worse"]) is Exit.REGRESSED
    better = replace(PROPOSED, proposal=replace(PROPOSED.proposal, worse=(), open=()))
    assert exit_code(better, ["worse"]) is Exit.OK
    assert exit_code(better, ["proposed"]) is Exit.INCOMPARABLE
    withheld = replace(PROPOSED, proposal=replace(PROPOSED.proposal, withheld=("it is of another run",)))
    assert "proposed" not in present(withheld)


def test_words_are_read_however_they_are_separated() -> None:
    assert parse("regressed, inconclusive\n failed") == ("regressed", "inconclusive")
    assert parse("none") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("regresed", "did you mean 'regressed'?"),
        ("everything", "expected one of: regressed, worse"),
        ("none, regressed", "expected 'none', or some of"),
        (" ", "expected 'none', or some of"),
    ],
)
def test_other_words_are_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match="--fail-on") as refused:
        parse(text)
    assert told in str(refused.value)
