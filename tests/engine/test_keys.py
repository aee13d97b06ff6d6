"""A key says what would have to run again, and nothing else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import toy
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from toy_plans import all_keys, keys_of, planned, tasks_of, with_stage
from toy_suites import TOY, write_suite

from harness.engine import code_digest
from harness.engine.keys import chosen
from harness.engine.plan import make
from harness.errors import UsageError
from harness.suite import load

few = draws(25)


def test_a_key_is_the_hash_of_what_the_page_on_keys_says(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    numbers, parts = tasks_of(plan, "numbers")[0], tasks_of(plan, "parts")[0]
    body = {
        "function": "toy.split",
        "version": 1,
        "source": code_digest.digest(toy.split),
        "software": {},
        "parameters": {"held_out": 0.25},
        "inputs": {"numbers": [[numbers.key, ""]]},
    }
    spelled = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert parts.key == sha256(f"harness/task/1:{spelled}".encode()).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other.train"},
        {"version": 2},
        {"function": toy.pool},
        {"software": ("pytest",)},
    ],
    ids=["function", "version", "source", "software"],
)
def test_a_key_depends_on_the_stage(tmp_path: Path, changes: dict[str, Any]) -> None:
    suite = load(write_suite(tmp_path))
    before, after = make(suite), make(with_stage(suite, "model", **changes))
    assert set(keys_of(before, "model")).isdisjoint(keys_of(after, "model"))
    assert set(keys_of(before, "fit")).isdisjoint(keys_of(after, "fit")), "and what is made from it"
    assert keys_of(before, "parts") == keys_of(after, "parts"), "and not what it is made from"


def test_software_that_is_not_installed_is_named(tmp_path: Path) -> None:
    suite = with_stage(load(write_suite(tmp_path)), "model", software=("no-such-package",))
    with pytest.raises(UsageError, match=r"toy\.train needs the package 'no-such-package'"):
        make(suite)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs: 5", "epochs: 6"),
        ("epochs: 5", "epochs: 5, shuffle: false"),
        ("epochs: 5", "epochs: 5, batch_size: 8"),
        ("data: parts.train", "data: parts.test"),
        ("data: parts.train", "data: numbers"),
        ("seed: 7", "seed: 8"),
        ("held_out: 0.25", "held_out: 0.5"),
    ],
)
def test_a_key_depends_on_parameters_and_inputs(tmp_path: Path, old: str, new: str) -> None:
    before, after = planned(tmp_path), planned(tmp_path, (old, new))
    assert set(keys_of(before, "model")).isdisjoint(keys_of(after, "model"))


def test_an_optional_input_is_in_the_key_once_it_is_wired(tmp_path: Path) -> None:
    first = "  model: ", "  first: {use: toy.train, data: parts.train}\n  model: "
    before = planned(tmp_path)
    after = planned(tmp_path, first, ("data: parts.train, epochs", "data: parts.train, start: first, epochs"))
    assert set(keys_of(before, "model")).isdisjoint(keys_of(after, "model"))
    assert keys_of(planned(tmp_path, ("epochs: 5", "epochs: 5, start: null")), "model") == keys_of(
        before, "model"
    )


def test_the_order_of_a_list_of_inputs_is_in_the_key(tmp_path: Path) -> None:
    def pooled(order: str) -> list[str]:
        pool = "  both: {use: toy.pool, parts: [" + order + "]}\n  model: "
        return keys_of(planned(tmp_path, ("  model: ", pool), ("data: parts.train", "data: both")), "both")

    assert pooled("parts.train, parts.test") != pooled("parts.test, parts.train")


@pytest.mark.parametrize(
    "replacements",
    [
        [("suite: toy/centre", "suite: toy/other"), ("about: A centre", "about: Something")],
        [("epochs: 5", "epochs: 5, loss: square")],
        [("epochs: 5", "epochs: 5, batch_size: 4, window: [1, 1]")],
        [("seed: 7", "spread: 1, seed: 7")],
        [("fit: 0.1\n", "fit: 0.3\n"), ("subject: [model]", "subject: [model, parts]")],
        [("  numbers: {", "  numerals: {"), ("numbers: numbers", "numbers: numerals")],
    ],
    ids=["names", "a default", "defaults", "a whole number", "gate and subject", "node names"],
)
def test_keys_do_not_depend_on_what_changes_no_result(
    tmp_path: Path, replacements: list[tuple[str, str]]
) -> None:
    text = TOY
    for old, new in replacements:
        text = text.replace(old, new)
    assert text != TOY
    assert all_keys(make(load(write_suite(tmp_path, text)))) == all_keys(planned(tmp_path))


@few
@given(order=st.permutations(range(3)), shuffled=st.randoms(use_true_random=False))
def test_keys_do_not_depend_on_the_order_in_the_file(
    tmp_path: Path, order: list[int], shuffled: random.Random
) -> None:
    lines = TOY.splitlines()
    start = lines.index("stages:") + 1
    stages = [lines[start + i] for i in order]
    text = "\n".join([*lines[:start], *stages, *lines[start + 3 :]])
    fields = ["count: 40", "mean: 2.5", "seed: 7"]
    shuffled.shuffle(fields)
    text = text.replace("count: 40, mean: 2.5, seed: 7", ", ".join(fields))
    assert all_keys(make(load(write_suite(tmp_path, text)))) == all_keys(planned(tmp_path))


KEYS_ELSEWHERE = """\
import os, sys
from pathlib import Path
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from harness.engine.keys import chosen
from harness.engine.plan import make
from harness.suite import load
print(*make(load(Path(sys.argv[1]))).keys)
"""


def test_keys_are_the_same_in_another_process_folder_and_number_of_processors(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file = write_suite(elsewhere, name="renamed.yaml")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONHASHSEED": "17",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [sys.executable, "-c", KEYS_ELSEWHERE, str(file)]
    printed = subprocess.run(
        command, cwd=elsewhere, env=environment, check=True, capture_output=True, text=True
    )
    assert set(printed.stdout.split()) == all_keys(planned(tmp_path))


def test_data_is_in_the_key_by_its_content(tmp_path: Path) -> None:
    def read(name: str, content: str) -> list[str]:
        (tmp_path / "suites").mkdir(exist_ok=True)
        (tmp_path / "suites" / name).write_text(content)
        reads = "{use: toy.read, source: 'path:" + name + "'}"
        return keys_of(
            planned(tmp_path, ("{use: toy.draw, count: 40, mean: 2.5, seed: 7}", reads)), "numbers"
        )

    assert read("one.json", "[1, 2]") == read("two.json", "[1, 2]")
    assert read("one.json", "[1, 2]") != read("one.json", "[1, 3]")


PLANNED = """\
import json, sys
from importlib import metadata
from pathlib import Path
from harness.engine.keys import chosen
from harness.engine.plan import make
from harness.suite import load
plan = make(load(Path(sys.argv[1])))
print(json.dumps({
    "torch": metadata.version("torch"),
    "imported": "torch" in sys.modules,
    "keys": {node: key for node, key in plan.tasks},
    "protocols": [s.protocol for s in plan.scores],
}))
"""

CLASSIFIER = """\
suite: land-cover
subject: [classifier]
stages:
  seen:   {use: scenes.draw, per_class: 4, seed: 1}
  unseen: {use: scenes.draw, per_class: 4, seed: 3}
  classifier: {use: land_cover.train, train: seen, validation: seen, weights: null}
  predictions: {use: land_cover.predict, classifier: classifier, images: unseen}
metrics:
  land_cover: {use: classification.scores, predictions: predictions}
"""


def planned_with(folder: Path, file: Path) -> dict[str, Any]:
    """What a process plans that finds the packages of ``folder`` before the installed ones."""
    path = os.pathsep.join([str(folder), *sys.path])
    printed = subprocess.run(
        [sys.executable, "-c", PLANNED, str(file)],
        env={**os.environ, "PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(printed.stdout)
    return found


def test_another_torch_runs_again_and_stays_comparable(tmp_path: Path) -> None:
    file = write_suite(tmp_path, CLASSIFIER)
    (tmp_path / "none").mkdir()
    other = tmp_path / "other" / "torch-99.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 99.0\n")
    here, there = planned_with(tmp_path / "none", file), planned_with(other.parent, file)
    assert there["torch"] == "99.0" != here["torch"]
    assert not there["imported"]
    changed_nodes = {n for n in here["keys"] if here["keys"][n] != there["keys"][n]}
    assert changed_nodes == {"classifier", "predictions", "land_cover"}, "the scenes are drawn without torch"
    assert len(here["protocols"]) == 1
    assert here["protocols"] == there["protocols"]
    assert here["protocols"][0]["unseen.per_class"] == 4


def test_the_entry_of_a_table_is_chosen_by_a_value_by_its_word_or_by_each_of_a_list() -> None:
    entries = {"plain": "1", "with:colon": "2"}
    assert chosen(entries, "plain") == "1"
    assert chosen(entries, "plain:7") == "1"
    assert chosen(entries, "with:colon") == "2"
    assert chosen(entries, ["plain", "with:colon", "other", 3]) == ["1", "2", None, None]
    assert chosen(entries, ("plain",)) == ["1"]
    assert chosen(entries, None) is None
