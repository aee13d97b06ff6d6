"""``harness export``: what a stage made, copied out of the store."""

from __future__ import annotations

import pytest
from command_line import Project
from copies import Copies
from toy_suites import changed, write_suite

SUITE = "suites/suite.yaml"


def run_toy(project: Project) -> None:
    write_suite(project.folder)
    assert project.harness("run", SUITE).code == 4


@pytest.fixture
def ran(project: Project, copies: Copies) -> Project:
    copies.fill(project, run_toy)
    return project


def test_an_artifact_is_copied_as_it_was_stored(ran: Project) -> None:
    said = ran.harness("export", "toy/centre", "numbers", "--to", "out/numbers")
    assert said.code == 0, said.err
    assert said.out.strip() == "exported: out/numbers"
    stored = [
        p for p in (ran.folder / ".harness" / "objects").glob("*/*/out") if (p / "numbers.json").exists()
    ]
    assert (ran.folder / "out" / "numbers" / "numbers.json").read_bytes() in [
        (p / "numbers.json").read_bytes() for p in stored
    ]
    assert stored


def test_an_output_and_a_point_are_named(ran: Project) -> None:
    assert ran.harness("export", "toy/centre", "parts.test", "--to", "test").code == 0
    at = "model.loss=absolute,model.rate=0.2,model.seed=1"
    assert ran.harness("export", "toy/centre", "model", "--at", at, "--to", "model").code == 0
    assert any((ran.folder / "model").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("modle",), "no stage 'modle' in the run of toy/centre; did you mean 'model'?"),
        (("parts",), "parts: no such output; it has parts.test, parts.train"),
        (
            ("fit", "--at", "model.loss=square,model.rate=0.1,model.seed=0"),
            "fit: no such output; it has none",
        ),
        (
            ("model",),
            "model: 12 of 12 tasks fit; --at one of: model.loss=square,model.rate=0.1,model.seed=0;",
        ),
        (("model", "--at", "model.rate=7"), "model: none of 12 tasks fit; --at one of: "),
        (("model", "--at", "seven"), "--at: expected axis=value,…, not 'seven'"),
    ],
)
def test_mistakes_are_one_line(ran: Project, arguments: tuple[str, ...], message: str) -> None:
    said = ran.harness("export", "toy/centre", *arguments, "--to", "out")
    assert said.code == 2
    assert said.error.startswith(message)
    assert not (ran.folder / "out").exists()


def test_nothing_is_overwritten_and_nothing_lost_is_invented(ran: Project) -> None:
    (ran.folder / "here").mkdir()
    assert "here: cannot be written" in ran.harness("export", "toy/centre", "numbers", "--to", "here").error
    for file in (ran.folder / ".harness" / "objects").glob("*/*/out/numbers.json"):
        file.chmod(0o644)
        file.write_bytes(bytes(len(file.read_bytes())))
    said = ran.harness("export", "toy/centre", "numbers", "--to", "out")
    assert (
        said.error == "numbers: its files in the store are damaged; run the suite again with --fresh numbers"
    )


def test_seeds_that_move_together_are_told_apart_by_one_of_them(project: Project) -> None:
    together = changed(
        ("mean: 2.5, seed: 7", "mean: 2.5"),
        ("  model.seed: [0, 1, 2]", "  numbers.seed: [3, 4]\n  model.seed: [0, 1]"),
    )
    write_suite(project.folder, together)
    assert project.harness("run", SUITE).code == 4
    for stage, choices in (
        ("numbers", "2 of 2 tasks fit; --at one of: numbers.seed=3; numbers.seed=4"),
        ("parts", "2 of 2 tasks fit; --at one of: numbers.seed=3; numbers.seed=4"),
        ("model --at model.rate=0.1,model.loss=square", "2 of 8 tasks fit"),
    ):
        said = project.harness("export", "toy/centre", *stage.split(), "--to", "out")
        assert choices in said.error
        assert ",numbers.seed" not in said.error
