"""One more scheduler, architecture, extractor, precision or section of the report changes nothing that exists."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from moved_copy import Copy, Digests, Original, digests, own_digests

SYSTEMS = "harness.stages.systems"
CHANGED = {
    f"{SYSTEMS}.text_to_image.schedulers": ('("DDIMScheduler", {})', '("DDIMScheduler", {"eta": 1})'),
    f"{SYSTEMS}.text_to_image.pipelines": ('"hidden_size": 96', '"hidden_size": 128'),
    f"{SYSTEMS}.text_to_image.autoencoding": ("_SMALL = 0.1", "_SMALL = 0.2"),
    f"{SYSTEMS}.text_to_image.augmenting": ("(0, 2, 4, 6)", "(0, 2)"),
    f"{SYSTEMS}.language_model.models": ('"num_hidden_layers": 24', '"num_hidden_layers": 25'),
    f"{SYSTEMS}.prompt_writer.templates": ("a sandy desert", "a stony desert"),
    "harness.compute.precisions": ("rounding=0.1", "rounding=0.2"),
    "harness.stages.metrics.features.families": ("return View(224", "return View(256"),
    "harness.stages.data.scenes": ("(178, 138, 98)", "(178, 138, 99)"),
}  # fmt: skip
NEW = "one-more"


@cache
def original() -> Original:
    return Original.read()


@cache
def tables() -> dict[str, tuple[str, ast.Dict]]:
    """Every table of choices in the package, ``module.NAME``, with its module and its entries."""
    found = {}
    for module, text in original().texts.items():
        for node in ast.parse(text).body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(name)], value=ast.Call() as call)
                    | ast.AnnAssign(target=ast.Name(name), value=ast.Call() as call)
                ) if ast.unparse(call.func).partition("[")[0] == "Choices":
                    (entries,) = call.args
                    assert isinstance(entries, ast.Dict)
                    found[f"{module}.{name}"] = module, entries
    return found


def new(table: str) -> str:
    """The name of the entry that is added to a table; no two tables get the same."""
    return f"{NEW} of {table}"


def with_one_more_each() -> Original:
    """The package with another name for the first entry of every table, before all others."""
    texts = dict(original().texts)
    for table, (module, entries) in reversed(tables().items()):  # from the end of a module to its start
        lines = texts[module].split("\n")
        first, entry = entries.keys[0], entries.values[0]
        assert first is not None
        line = lines[first.lineno - 1].encode()
        added = f'"{new(table)}": {ast.unparse(entry)}, '.encode()
        lines[first.lineno - 1] = (line[: first.col_offset] + added + line[first.col_offset :]).decode()
        texts[module] = "\n".join(lines)
    return Original.of(texts, original().packages)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digests]:
    """The digests with one more entry in every table."""
    copy = Copy(with_one_more_each(), "with_one_more_each", frozenset())
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield digests(copy, tmp_path_factory.mktemp("extended"), monkeypatch)


def edited(edits: dict[str, tuple[str, ...]]) -> Original:
    texts = dict(original().texts)
    for module, pairs in edits.items():
        for old, new in zip(pairs[::2], pairs[1::2], strict=True):
            assert old in texts[module], (module, old)
            texts[module] = texts[module].replace(old, new, 1) if old else texts[module] + new
    return Original.of(texts, original().packages)


def test_the_tables_are_found():
    assert len(tables()) >= 9
    assert "harness.compute.precisions.PRECISIONS" in tables()


@pytest.mark.parametrize("table", sorted(tables()))
def test_one_more_entry_of_a_table_changes_no_digest_of_what_there_was(table, extended):
    added = {new(t) for t in tables()}
    grown = set()
    for stage, (digest, choices) in own_digests().items():
        assert extended[stage][0] == digest, stage
        for parameter, entries in choices.items():
            now = extended[stage][1][parameter]
            assert {name: now[name] for name in entries} == entries, stage
            assert now.keys() - entries.keys() <= added, stage
            grown |= {stage} if new(table) in now else set()
    assert grown, "no stage has a parameter that chooses from it"


def test_one_more_section_of_the_report_changes_no_digest(tmp_path, monkeypatch):
    sections = {
        m: ("", "NEW = 1\n") for m in original().texts if m.startswith("harness.report.html.sections")
    }
    assert len(sections) > 5
    assert digests(Copy(edited(sections), "section", frozenset()), tmp_path, monkeypatch) == own_digests()


def test_a_changed_entry_changes_what_chooses_it(tmp_path: Path, monkeypatch):
    found = digests(Copy(edited(CHANGED), "changed", frozenset()), tmp_path, monkeypatch)
    changed = set()
    for stage, (digest, choices) in own_digests().items():
        if found[stage][0] != digest:
            changed.add(stage)
        for parameter, entries in choices.items():
            changed |= {
                f"{stage} {parameter}={n}" for n, e in entries.items() if found[stage][1][parameter][n] != e
            }
    precise = {s.partition(" ")[0] for s in changed if s.endswith("=bf16")}
    assert len(precise) > 8
    assert {c for c in changed if not c.endswith("=bf16")} == {
        "text_to_image.sample scheduler=ddim",
        "text_to_image.build architecture=tiny",
        "text_to_image.train_autoencoder augment=flips",
        "text_to_image.finetune augment=flips",
        "language_model.build architecture=phi-1.5",
        "prompt_writer.from_templates classes=Bare Land",
        "features.load architecture=torchvision",
        "scenes.draw region=arid",
    }
