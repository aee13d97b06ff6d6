from __future__ import annotations

from dataclasses import replace

from compare.runs import BASE, compared, gate, seeded, shifted

from harness.artifact import Json
from harness.compare import Comparison
from harness.compare.planning import advised, declare
from harness.report.finding_text import confidence, look, more_evidence
from harness.store.record import Accepted, Run

NOISY = shifted([0.05, -0.05, 0.04, -0.06, 0.02])
COMMAND: list[Json] = ["harness", "run", "suites/smoke/toy.yaml", "--set", "model.loss=a b"]


def ended(command: list[Json] = COMMAND, margin: float = 0.02, **changes: object) -> tuple[Run, Comparison]:
    """A run of five seeds and what it ended in, against a baseline that was accepted as ``cpu``."""
    declared = {"seeds": {"train.seed": [0, 1, 2, 3, 4]}}
    usual = {"declaration": declared, "provenance": {"command": command}, "gates": (gate(margin),)}
    candidate = seeded(NOISY, **{**usual, **changes})
    made = replace(compared(candidate, seeded(BASE)), baseline="cpu")
    return candidate.run, replace(
        made, accepted=Accepted("cpu", "first figures", "2026-03-01T12:00:00+00:00")
    )


def test_an_inconclusive_run_names_the_commands_that_would_decide_it() -> None:
    run, comparison = ended()
    (finding,) = comparison.findings
    assert finding.more_repeats
    most = advised(5, 5 + finding.more_repeats)
    assert most is not None
    assert most > 5 + finding.more_repeats  # looks cost some of the level
    assert more_evidence(run, comparison) == (
        f"harness extend smoke/toy/cpu --seeds {most}",
        f"harness run suites/smoke/toy.yaml --set 'model.loss=a b' --until-conclusive --max-seeds {most}",
    )


def test_what_the_command_said_of_looks_is_replaced() -> None:
    looks = declare(5, 10)
    run, comparison = ended([*COMMAND, "--until-conclusive", "--max-seeds", "10"], looks=looks)
    _, command = more_evidence(run, comparison)
    assert command.count("--until-conclusive") == command.count("--max-seeds") == 1
    assert int(command.rpartition(" ")[2]) > 10
    assert look(comparison).startswith("look 0 of 2 (declared: 5, 10 seeds)")


def test_a_baseline_that_is_a_file_or_a_run_is_named_as_it_was() -> None:
    run, comparison = ended()
    filed = more_evidence(run, replace(comparison, baseline="old ones/cpu.json"))
    assert filed[0].startswith("harness extend 'old ones/cpu.json' --seeds ")
    (alone,) = more_evidence(run, replace(comparison, accepted=None))
    assert alone.startswith("harness run ")


def test_a_run_that_was_made_from_python_is_named_by_its_ellipsis() -> None:
    run, comparison = ended([])
    assert more_evidence(run, comparison)[1].startswith("harness run … --until-conclusive --max-seeds ")


def test_nothing_is_named_where_seeds_would_not_decide() -> None:
    assert more_evidence(*ended(gates=())) == ()
    assert more_evidence(*ended(declaration={})) == ()
    assert more_evidence(*ended(margin=1.0)) == ()  # unchanged
    assert more_evidence(*ended(margin=1e-6)) == ()  # not with ten thousand seeds


def test_the_confidence_is_that_of_the_findings() -> None:
    _, plain = ended()
    _, looked = ended(looks=declare(5, 20))
    assert confidence(plain.findings) == "90 %"
    assert confidence(looked.findings) == "96.7 %"
    assert confidence(()) == "90 %"
    assert look(plain) == ""
