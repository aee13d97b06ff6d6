"""Whatever stands in a record in the place of what should stand there: a verdict or one line, and never a crash."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from command_line import Project
from copies import Copies
from toy_suites import write_suite

from harness.store import record_file

USES = (
    ("compare", "spoiled"),
    ("compare", "toy/centre", "--baseline", "spoiled"),
    ("compare", "spoiled", "--against", "model.rate=0.2"),
    ("explain", "spoiled", "fit"),
    ("leaderboard", "spoiled", "toy/centre", "--to", "board"),
    ("export", "spoiled", "numbers", "--to", "numbers"),
    ("review", "make", "spoiled"),
    ("accept", "spoiled", "--reason", "x", "--label", "spoiled"),
)
FREE = ("distributions", "declaration", "environments", "provenance")
"""Of these, any JSON will do."""
ROUNDS = 150
MEANT = {0, 2, 4, 5, 6}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    10**30,
    -1e300,
    0.5,
    "",
    "x",
    "\x1b[31m\u202e",
    [],
    [[]],
    {},
    {"": {"": None}},
    [None],
]


def accept_toy(project: Project) -> None:
    write_suite(project.folder)
    project.harness("run", "suites/suite.yaml")
    project.accept()


@pytest.fixture
def recorded(project: Project, copies: Copies) -> tuple[Project, Any]:
    """A project with a baseline, and the record of its run."""
    copies.fill(project, accept_toy)
    body = project.latest
    (project.folder / "spoiled").mkdir()
    for name in ("items.parquet",):
        (project.folder / "spoiled" / name).write_bytes((project.runs[-1] / name).read_bytes())
    return project, body


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a record, but one of many that are alike."""
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    )
    for name, each in inner:
        yield (*at, name)
        yield from places(each, (*at, name))


def spoil(body: Any, at: tuple[Any, ...], odd: Any) -> None:
    for name in at[:-1]:
        body = body[name]
    body[at[-1]] = odd


def test_one_odd_value_anywhere_in_a_record(recorded: tuple[Project, Any]) -> None:
    project, body = recorded
    draw = random.Random(0)
    whole = {name: value for name, value in body.items() if name not in ("digest", "comparison")}
    every = list(places({name: value for name, value in whole.items() if name not in FREE}))
    codes = set()
    for _ in range(ROUNDS):
        at, odd, use = draw.choice(every), draw.choice(ODD), draw.choice(USES)
        spoiled = copy.deepcopy(whole)
        spoil(spoiled, at, odd)
        text = json.dumps(record_file.sealed(spoiled))
        (project.folder / "spoiled" / "run.json").write_text(text)
        said = project.harness(*use)
        assert said.code in MEANT, (at, odd, use, said.err)
        codes.add(said.code)
    assert codes > {0, 2}


@pytest.mark.parametrize(
    ("at", "odd", "says"),
    [
        (("scores", 0, "repeats"), [], "no repeats"),
        (("declaration", "seeds"), {"model.seed": 1.5}, "declaration.seeds"),
        (("declaration", "matrix"), {"model.loss": True}, "declaration.matrix"),
        (("environments", "HERE", "distributions"), {}, "environments."),
        (("environments", "HERE", "torch"), ["a", None], "environments."),
    ],
)
def test_what_a_comparison_would_stumble_over_is_refused(
    recorded: tuple[Project, Any], at: tuple[Any, ...], odd: Any, says: str
) -> None:
    project, body = recorded
    spoiled = copy.deepcopy({n: v for n, v in body.items() if n not in ("digest", "comparison")})
    inner = spoiled
    for name in at[:-1]:
        inner = inner[body["environment"] if name == "HERE" else name]
    inner[at[-1]] = odd
    (project.folder / "spoiled" / "run.json").write_text(json.dumps(record_file.sealed(spoiled)))
    said = project.harness("compare", "spoiled")
    assert (said.code, "damaged record" in said.error, says in said.error) == (2, True, True)
