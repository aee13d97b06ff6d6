from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Project
from compare.runs import accepted, gate, repeats, run, score
from git_repository import git

from harness.artifact import Json
from harness.store.record import Run


def made(value: float, n: int = 10, **settings: Json) -> Run:
    fields: dict[str, Json] = {"m.use": "m@1", "m.n": n}
    one = score(
        repeats([value, value + 0.01, value - 0.01]),
        settings={**fields, **{f"train.{k}": v for k, v in settings.items()}},
        protocol=fields,
    )
    other = score(repeats([value * 2, value * 2, value * 2]), metric="other")
    return run(one, other, id=f"20260304-101500-{int(value * 100):04}", gates=(gate(0.02),))


@pytest.fixture
def grown(project: Project) -> Project:
    """Four accepted runs: better, worse, other N; the last is not committed."""
    git(Path(), "init")
    for reason, one in (
        ("first figures", made(0.5, epochs=1)),
        ("trained longer", made(0.7, epochs=2)),
        ("a worse library", made(0.6, epochs=2)),
        ("more items", made(0.6, n=20, epochs=2)),
    ):
        accepted(project.folder, one, reason=reason, new_protocol=True)
        if reason != "more items":
            git(Path(), "add", "baselines")
            git(Path(), "commit", "-m", f"Accept: {reason}")
    return project


def test_every_step_has_its_mean_its_change_and_its_verdict(grown: Project) -> None:
    said = grown.harness("history", "smoke/toy", "--label", "cpu")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0].strip() == "m.score (higher is better)"
    first, second, third, fourth = (line.split() for line in lines[2:6])
    assert first[3:] == ["0.500", "[0.483,", "0.517]", "3", "seeds"]
    assert second[3] == "0.700"
    assert second[-1] == "improved"
    assert third[-1] == "regressed"
    assert fourth[-1] == "incomparable"
    assert "(not committed)" in lines[5]


def test_what_caused_a_step_is_told_in_words(grown: Project) -> None:
    told = grown.harness("history", "smoke/toy", "--label", "cpu").out
    told = told[told.index("what was accepted for smoke/toy as cpu") :]
    assert "trained longer" in told
    assert "Accept: trained longer" in told
    assert "subject and settings: train.epochs: 1 → 2" in told
    assert "protocol: m.n: 10 → 20" in told
    assert (
        "nothing that both records name has changed: chance, or code that the older one does not note" in told
    )


def test_another_metric_can_be_asked_for(grown: Project) -> None:
    for name in ("other", "other.score"):
        said = grown.harness("history", "smoke/toy", "--label", "cpu", "--metric", name)
        assert said.out.splitlines()[0].strip() == "other.score (higher is better)"
        assert "not gated" in said.out


def test_a_suite_is_named_by_its_file_too(grown: Project) -> None:
    Path("suites/toy.yaml").write_text("suite: smoke/toy\nabout: A toy.\n")
    assert grown.harness("history", "suites/toy.yaml", "--label", "cpu").code == 0


def test_as_json_it_is_whole(grown: Project) -> None:
    body = grown.harness("history", "smoke/toy", "--label", "cpu", "--json").json
    assert (body["schema"], body["suite"], body["label"], body["notes"]) == (
        "harness.history/1",
        "smoke/toy",
        "cpu",
        [],
    )
    steps = body["steps"]
    assert [s["accepted"]["reason"] for s in steps] == [
        "first figures",
        "trained longer",
        "a worse library",
        "more items",
    ]
    assert [bool(s["commit"]) for s in steps] == [True, True, True, False]
    verdicts = [s["findings"]["m.score"] and s["findings"]["m.score"]["verdict"] for s in steps]
    assert verdicts == [None, "improved", "regressed", "incomparable"]
    assert steps[1]["settings"] == [{"field": "train.epochs", "before": 1, "after": 2}]
    assert steps[1]["figures"]["m.score"]["mean"] == pytest.approx(0.7)


def test_a_version_that_cannot_be_read_is_a_note(grown: Project) -> None:
    file = Path("baselines/smoke/toy/cpu.json")
    file.write_text(file.read_text().replace("harness.run/2", "harness.run/0"))
    said = grown.harness("history", "smoke/toy", "--label", "cpu")
    assert said.code == 0
    assert (
        "note: left out: baselines/smoke/toy/cpu.json: written by another version (harness.run/0)" in said.out
    )


def test_where_no_version_can_be_read_nothing_else_is_offered(project: Project) -> None:
    accepted(project.folder, made(0.5))
    Path("baselines/smoke/toy/cpu.json").write_text("{")
    said = project.harness("history", "smoke/toy", "--label", "cpu")
    assert said.code == 2
    assert said.error.startswith("nothing that was accepted for smoke/toy as 'cpu' can be read (")
    assert "did you mean" not in said.error


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["smoke/toi", "--label", "cpu"], "did you mean 'smoke/toy'?"),
        (["smoke/toy", "--label", "cpus"], "its labels are cpu; did you mean 'cpu'?"),
        (["smoke/toy", "--label", "cpu", "--metric", "othr"], "did you mean 'other'?"),
        (["none.yaml"], "none.yaml: cannot be read"),
        (["../elsewhere", "--label", "cpu"], "not a name that a baseline can be kept under"),
    ],
)
def test_a_name_that_is_none_is_one_line(grown: Project, arguments: list[str], problem: str) -> None:
    said = grown.harness("history", *arguments)
    assert said.code == 2
    assert problem in said.error


def test_reasons_from_outside_cannot_steer_the_terminal(project: Project) -> None:
    accepted(project.folder, made(0.5), reason="a \x1b[31mred\x1b[0m reason \u202e[bold]")
    said = project.harness("history", "smoke/toy", "--label", "cpu")
    assert said.code == 0
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    assert r"a \x1b[31mred\x1b[0m reason \u202e[bold]" in " ".join(said.out.split())


def test_seeds_that_were_added_are_named(project: Project) -> None:
    for seeds in ([0, 1, 2], [0, 1, 2, 3]):
        one = made(0.5)
        accepted(
            project.folder, run(*one.scores, declaration={"seeds": {"train.seed": seeds}}), reason=str(seeds)
        )
        git(Path(), "init")
        git(Path(), "add", "baselines")
        git(Path(), "commit", "-m", "accept")
    said = project.harness("history", "smoke/toy", "--label", "cpu")
    assert "suite: seeds.train.seed: [0, 1, 2] → [0, 1, 2, 3]" in said.out
