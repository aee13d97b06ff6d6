"""What stages warn of stands in every rendering, escaped, and each sentence once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report.html.contexts import context
from report.test_golden import EMPTY, NASTY, RUN
from rich.console import Console

from harness.report.facts import warned
from harness.report.html import render
from harness.report.html.sections.tasks import warnings
from harness.report.markdown import render as markdown
from harness.report.terminal import print_comparison
from harness.store.record import Run, TaskInfo

CUT = "8 of 250 different prompts have more than 77 tokens and are cut"


def run(*told: dict[str, object]) -> Run:
    tasks = (
        TaskInfo("drawn", f"{i:064d}", {}, {"drawn.seed": i}, "cached", 0.0, facts=facts)  # type: ignore[arg-type]
        for i, facts in enumerate(told)
    )
    return replace(RUN, tasks=tuple(tasks))


def test_a_sentence_stands_once_with_the_tasks_that_say_it() -> None:
    odd = run({"warnings": [CUT]}, {"count": 3}, {"train.warnings": [CUT, "more"]}, {"warnings": "no list"})
    assert [(w.who, w.sentence) for w in warned(odd)] == [
        ("drawn (seed=0), drawn (seed=2)", CUT),
        ("drawn (seed=2)", "more"),
    ]


def test_every_rendering_has_it(tmp_path: Path) -> None:
    some, none = run({"warnings": [CUT, NASTY]}), run({"count": 3})
    console = Console(width=200, record=True, file=(tmp_path / "log").open("w"))
    print_comparison(console, some, EMPTY)
    text = console.export_text()
    assert "2 warnings\n! drawn (seed=0): " + CUT in text
    assert "2 warnings" in markdown(some, EMPTY)
    assert CUT in markdown(some, EMPTY)
    assert CUT in render(context(tmp_path, EMPTY, some)).text
    assert warnings(context(tmp_path, EMPTY, none)) is None
    assert "warning" not in markdown(none, EMPTY)
