"""Prompt checks by writer and class, and the prompts that fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from compare.runs import apart, run, score
from report.html.sections.compared_runs import of, rows, written
from report.test_golden import NASTY

from harness.artifact import Json
from harness.compare.sample import Side
from harness.report.html.parts import Table
from harness.report.html.sections.checks import EACH, checks
from harness.store.record import GateInfo, MetricInfo, Score

HIGHER = {"better": "higher", "floor": 0.0}
FIELDS = ("passed", "fits", "supported")


def details(fits: float, applies: int, text: str = "a bare field") -> dict[str, Json]:
    """As ``prompts.checks`` leaves them."""
    return {
        "checks": [
            {"check": "fits", "threshold": "at most 77", "applies_to": 10, "failed": round(10 * (1 - fits))},
            {"check": "supported", "threshold": "at least 0.5", "applies_to": applies, "failed": 0},
        ],
        "per_class": [
            {
                "class": "bare",
                "n": 5,
                "passed": fits,
                "fits": {"passed": 2 * fits - 1, "score": 90.0},
                "supported": None,
            },
            {
                "class": "crop",
                "n": 5,
                "passed": 1.0,
                "fits": {"passed": 1.0, "score": 9.0},
                "supported": None,
            },
        ],
        "failing": {
            "fits": [
                {
                    "prompt": f"bare-{i}",
                    "class": "bare",
                    "text": text,
                    "score": 90.0,
                    "evidence": ["90 tokens"],
                }
                for i in range(EACH + 2 if fits < 1 else 0)
            ],
            "supported": [],
        },
    }


def scored(writer: str, fits: float, applies: int = 0, text: str = "a bare field") -> Score:
    values: Mapping[str, float] = {"passed": fits, "fits": fits, "supported": 0.0}
    shown = details(fits, applies, text)
    given = tuple(
        replace(r, values=values, details=shown, steps=dict.fromkeys(values, 0.001)) for r in apart([0.0] * 3)
    )
    return score(given, {"written.prompts": writer}, "checks")


def asked(*scores: Score) -> Side:
    info = MetricInfo("prompts.checks@1", dict.fromkeys(FIELDS, HIGHER), ("train.seed",))
    gate = GateInfo("checks", "fits", 0.05, False, {}, False)
    return Side(run(*scores, metrics={"checks": info}, gates=(gate,)))


def tables(candidate: Side, baseline: Side | None, folder: Path) -> list[Table]:
    section = checks(of(candidate, baseline, folder))
    assert section is not None
    return [b for b in section.blocks if isinstance(b, Table)]


def test_shares_by_writer_with_threshold_and_verdict(tmp_path: Path) -> None:
    before = asked(scored("people", 0.9), scored("grounded", 0.9, 10))
    shares, _, _ = tables(asked(scored("people", 0.9), scored("grounded", 0.6, 10)), before, tmp_path)
    assert shares.columns == ("check", "threshold", "prompts=people", "prompts=grounded", "verdict")
    assert rows(shares) == [
        ["passed", "every check", "90.0%", "60.0%", ""],
        ["fits", "at most 77", "90.0%", "60.0%", "regressed"],
        ["supported", "at least 0.5", "–", "0.0%", ""],
    ]
    people, grounded = shares.rows[1][2:4]
    assert (people.note, grounded.note) == ("", "baseline 90.0%")
    assert grounded.heat == 0.4


def judged(people: float, grounded: float, *gates: GateInfo) -> Side:
    """Three writers of whom the templates are the reference."""
    at = {"templates": 0.9, "people": people, "grounded": grounded}
    made = asked(*(scored(writer, fits, 10) for writer, fits in at.items()))
    return Side(replace(made.run, gates=gates, reference={"written.prompts": "templates"}))


def gate_at(writer: str, field: str = "fits", margin: float = 0.05) -> GateInfo:
    return GateInfo("checks", field, margin, False, {"written.prompts": writer}, False)


def test_a_gate_at_one_writer_has_its_verdict_with_the_place_worst_first(tmp_path: Path) -> None:
    one, both = (gate_at("grounded"),), (gate_at("people"), gate_at("grounded"))
    for gates, note in ((one, "prompts=grounded"), (both, "prompts=grounded; unchanged: prompts=people")):
        shares, *_ = tables(judged(0.9, 0.6, *gates), judged(0.9, 0.9, *gates), tmp_path)
        verdict = shares.rows[1][-1]
        assert (verdict.text, verdict.tone, verdict.note) == ("regressed", "regressed", note)
        assert shares.rows[0][-1].text == ""
    assert shares.caption.endswith("the verdict is against the baseline")


def test_a_share_says_where_it_is_not_as_at_the_reference(tmp_path: Path) -> None:
    gate = GateInfo("checks", "fits", 0.05, False, {}, False)
    shares, *_ = tables(judged(1.0, 0.6, gate), judged(1.0, 0.7, gate), tmp_path)
    templates, people, grounded = (cell.note for cell in shares.rows[1][2:5])
    assert (templates, people) == ("", "✓ improved against templates")
    assert grounded == "baseline 70.0%; ✗ regressed against templates"
    assert not any("against" in cell.note for row in (shares.rows[0], shares.rows[2]) for cell in row)


def test_what_the_reference_was_not_asked_is_not_compared_with_it(tmp_path: Path) -> None:
    gates = (gate_at("grounded", "supported"), gate_at("grounded"))
    found = {}
    for applies in (0, 10):
        templates = scored("templates", 0.9, applies)
        better = scored("grounded", 1.0, 10)
        better = replace(
            better, repeats=tuple(replace(r, values={**r.values, "supported": 0.5}) for r in better.repeats)
        )
        made = replace(asked(templates, better).run, gates=gates, reference={"written.prompts": "templates"})
        shares, *_ = tables(Side(made), None, tmp_path)
        found[applies] = (shares.rows[1][3].note, shares.rows[2][3].note)
    assert found[10] == ("✓ improved against templates", "✓ improved against templates")
    assert found[0] == ("✓ improved against templates", "")


def test_classes_and_prompts_are_those_of_the_writer_that_fails_most(tmp_path: Path) -> None:
    _, classes, failing = tables(asked(scored("people", 0.9), scored("grounded", 0.6)), None, tmp_path)
    assert classes.caption.startswith("checks (prompts=grounded) by class")
    assert classes.columns == ("check", "bare", "crop")
    assert rows(classes)[0] == ["fits", "20%", "100%"]
    assert rows(failing) == [["fits", "a bare field", "bare", "90 tokens"]] * EACH


def test_where_all_pass_there_is_only_the_first_table(tmp_path: Path) -> None:
    (shares,) = tables(asked(scored("people", 1.0)), None, tmp_path)
    assert rows(shares)[1][2] == "100.0%"
    assert checks(of(Side(run()), None, tmp_path)) is None


def test_details_of_another_shape_are_no_checks(tmp_path: Path) -> None:
    odd = replace(scored("people", 0.9).repeats[0], details={"checks": [1, {"check": "fits"}]})
    assert checks(of(asked(replace(scored("people", 0.9), repeats=(odd,))), None, tmp_path)) is None


def test_a_hostile_prompt_is_text(tmp_path: Path) -> None:
    assert "صحراء" in written(checks(of(asked(scored("people", 0.6, text=NASTY)), None, tmp_path)))
