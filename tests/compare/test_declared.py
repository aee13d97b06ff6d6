from __future__ import annotations

from dataclasses import replace

from compare.runs import repeats, run, score

from harness.artifact import Json
from harness.compare.declared import protocol_id, suite_changes, suite_id
from harness.store.record import Run


def declared(epochs: Json, seeds: list[Json] | None = None, **more: Json) -> Run:
    stages: dict[str, Json] = {
        "train": {"use": "toy.train", "inputs": {}, "parameters": {"epochs": epochs, **more}}
    }
    return run(score(repeats([0.5])), declaration={"stages": stages, "seeds": {"train.seed": seeds or [0]}})


def test_a_changed_parameter_is_named_with_both_values() -> None:
    (change,) = suite_changes(declared(1), declared(2))
    assert str(change) == "train.epochs: 2 → 1"


def test_what_one_side_lacks_is_absent_there() -> None:
    assert [str(d) for d in suite_changes(declared(1, lr=0.1), declared(1))] == ["train.lr: absent → 0.1"]


def test_axes_and_stages_count_as_changes_too() -> None:
    other = run(
        score(repeats([0.5])), declaration={"stages": {}, "seeds": {"train.seed": [0]}, "subject": ["x"]}
    )
    names = [d.field for d in suite_changes(declared(1, [0, 1]), other)]
    assert names == ["seeds.train.seed", "subject", "train.epochs", "train.use"]


def coded(source: str, version: int = 1, **software: Json) -> Run:
    code: Json = {"function": "toy.train", "version": version, "source": source * 16, "software": software}
    return replace(declared(1), code={"train": code})


def test_changed_code_and_software_are_named_after_what_was_declared() -> None:
    ours, theirs = coded("beef", diffusers="0.43"), coded("cafe", diffusers="0.42")
    assert [str(d) for d in suite_changes(ours, theirs)] == [
        "train (code of toy.train): cafecafe → beefbeef",
        "diffusers: 0.42 → 0.43",
    ]
    more = replace(ours, declaration=declared(2).declaration)
    assert next(d.field for d in suite_changes(more, theirs)) == "train.epochs"
    assert suite_id(ours) == suite_id(theirs)


def test_a_new_version_of_a_stage_is_said_as_such() -> None:
    assert [str(d) for d in suite_changes(coded("b", 2), coded("c", 1))] == [
        "train.use: toy.train@1 → toy.train@2"
    ]


def test_what_the_environment_names_is_not_named_twice_nor_what_an_older_record_lacks() -> None:
    assert suite_changes(coded("b", torch="2.15"), coded("b", torch="2.14")) == ()
    assert suite_changes(coded("b"), declared(1)) == ()
    assert suite_changes(replace(coded("b"), code={"train": "b"}), coded("b")) == ()


def test_equal_declarations_have_equal_ids_and_no_changes() -> None:
    assert suite_changes(declared(1), declared(1)) == ()
    assert suite_id(declared(1)) == suite_id(declared(1)) != suite_id(declared(2))


def test_the_protocols_id_follows_the_protocol_and_not_the_values() -> None:
    one, other = run(score(repeats([0.5]))), run(score(repeats([0.9])))
    assert protocol_id(one) == protocol_id(other)
    assert protocol_id(one) != protocol_id(run(score(repeats([0.5]), protocol={"m.use": "m@2"})))
