from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from compare.runs import BASE, metric, repeats, run, score

from harness.artifact import Json
from harness.compare import Difference
from harness.compare.differences import (
    CODE,
    NAMED,
    declared_differences,
    differences,
    environment_differences,
    measuring_changes,
    merged,
    protocol_id,
    run_differences,
    suite_changes,
    suite_id,
)
from harness.compare.match import Pair, match
from harness.store.record import Repeat, Run, Score

ONE = repeats([0.5])


def protocol(**fields: object) -> Score:
    return score(ONE, protocol={f"real.{k}": v for k, v in fields.items()})


def test_equal_protocols_do_not_differ_in_anything() -> None:
    assert differences(protocol(n=250, size=224), protocol(size=224, n=250), {}, {}) == ()


def test_differing_fields_are_named_with_both_values() -> None:
    found = differences(protocol(n=500, size=224), protocol(n=250, size=224), {}, {})
    assert found == (Difference("real.n", 250, 500),)
    assert str(found[0]) == "real.n: 250 → 500"


def test_a_field_that_one_side_lacks_equals_the_other_sides_default() -> None:
    old, new = protocol(n=1), protocol(n=1, antialias=True)
    assert differences(new, old, {"real.antialias": True}, {}) == ()
    assert differences(old, new, {}, {"real.antialias": True}) == ()
    assert differences(new, old, {"real.antialias": False}, {}) == (Difference("real.antialias", None, True),)
    assert differences(new, old, {}, {"real.antialias": True}), (
        "the default of the side that lacks it says nothing"
    )


def test_a_field_that_a_side_keeps_out_of_its_protocol_equals_no_default() -> None:
    """Its code has the field, whose value is under test or varies with the repeats."""
    kept = protocol(n=1, spread=1.0)
    settings = {"real.n": 1, "real.spread": 0.1}
    tested = score(ONE, settings=settings, protocol={"real.n": 1})
    swept = score(repeats([0.5], seed="real.spread"), protocol={"real.n": 1})
    defaults: dict[str, Json] = {"real.spread": 1.0}
    for defaults_there in (defaults, {}):
        for score_there, word in ((tested, "not in the protocol"), (swept, "swept")):
            found = differences(score_there, kept, defaults_there, defaults)
            assert [*map(str, found)] == [f"real.spread: 1.0 → {word}"]
            found = differences(kept, score_there, defaults, defaults_there)
            assert [*map(str, found)] == [f"real.spread: {word} → 1.0"]
    assert differences(tested, tested, defaults, defaults) == ()


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        ({"better": "lower"}, {"better": "higher"}, ["m.score.better: lower → higher"]),
        (None, {"better": "lower"}, ["m.score.better: absent → lower"]),
        (
            {"better": "lower", "low": 0.0},
            None,
            ["m.score.better: lower → absent", "m.score.low: 0.0 → absent"],
        ),
        ({"better": "lower"}, {"better": "lower", "floor": 5.0}, ["m.score.floor: 0.0 → 5.0"]),
        (
            {"better": "higher", "low": 0.0, "high": 1.0},
            {"better": "higher", "low": 0.0, "high": 100.0},
            ["m.score.high: 1.0 → 100.0"],
        ),
        ({"better": "lower"}, {"better": "lower", "floor": 0.0, "low": None, "high": None}, []),
    ],
)
def test_what_a_metric_declares_of_a_field_is_compared(
    then: dict[str, Any] | None, now: dict[str, Any] | None, told: list[str]
) -> None:
    assert [*map(str, declared_differences("m", {"score": now}, {"score": then}))] == told
    assert declared_differences("m", {"score": now}, {"other": then}) == ()
    assert declared_differences("m", {"score": now}, {"score": then}, only="other") == ()


def test_observed_conditions_are_part_of_the_protocol() -> None:
    def observed(*n: int) -> Score:
        return score(tuple(Repeat({"s.seed": i}, "k", {"score": 0.5}, {"m.n": v}) for i, v in enumerate(n)))

    assert differences(observed(250, 250), observed(250), {}, {}) == ()
    assert differences(observed(250, 249), observed(250), {}, {}) == (Difference("m.n", 250, [249, 250]),)


def test_masked_fields_do_not_count() -> None:
    assert differences(protocol(n=1, k=2), protocol(n=3, k=4), {}, {}, {"real.n"}) == (
        Difference("real.k", 4, 2),
    )


def test_runs_differ_in_the_protocols_of_their_pairs_and_in_what_their_metrics_declare() -> None:
    def of(n: int, better: str, *more: Score, **changes: Any) -> Run:
        scores = (score(ONE, {"m.k": k}, protocol={"real.n": n}) for k in (0, 1))
        declared = metric(fields={"score": {"better": better}})
        return run(*scores, *more, metrics={"m": declared}, **changes)

    ours, theirs = of(500, "higher", defaults={"real.a": 1}), of(250, "lower", defaults={"real.b": 2})
    assert [*map(str, run_differences(ours, theirs, iter(match(ours, theirs).pairs)))] == [
        "real.n: 250 → 500",
        "m.score.better: lower → higher",
    ]
    assert run_differences(ours, theirs, ()) == ()
    new, old = (score(ONE, metric="kid", protocol=p) for p in ({"real.a": 1, "real.b": 2}, {}))
    for a, b in ((new, old), (old, new)):
        first, other = (of(250, "lower", s, defaults={"real.a": 1, "real.b": 2}) for s in (a, b))
        assert run_differences(first, other, match(first, other).pairs) == (), "kid declares nothing"


def test_what_only_one_side_declares_is_no_difference() -> None:
    told, untold = run(score(ONE)), run(score(ONE), metrics={})
    for ours, theirs in ((told, untold), (untold, told), (untold, untold)):
        assert run_differences(ours, theirs, match(ours, theirs).pairs) == ()


def test_environments_differ_by_field_and_several_values_are_a_list() -> None:
    found = environment_differences(
        [{"torch": "2.15.0", "gpu": "H100"}, {"torch": "2.15.0", "gpu": "H200"}], [{"torch": "2.14.0"}], {}
    )
    assert found == (Difference("gpu", None, ["H100", "H200"]), Difference("torch", "2.14.0", "2.15.0"))


def told(ours: list[dict[str, Json]], theirs: list[dict[str, Json]], **lists: dict[str, Json]) -> list[str]:
    return [str(d) for d in environment_differences(ours, theirs, lists)]


def test_what_a_library_says_counts_where_both_sides_have_loaded_it() -> None:
    """A table that is read needs no torch, and has it loaded or not by what ran before it in the process."""
    with_torch: dict[str, Json] = {"cpu": "AMD EPYC", "cpu_capability": "AVX2", "threads": 2}
    assert told([{"cpu": "AMD EPYC"}], [with_torch]) == []
    assert told([{"cpu": "AMD EPYC"}, with_torch], [with_torch]) == []
    other: dict[str, Json] = {**with_torch, "cpu_capability": "AVX512", "threads": 1}
    assert told([with_torch], [{"cpu": "AMD EPYC"}, other]) == [
        "cpu_capability: AVX512 → AVX2",
        "threads: 1 → 2",
    ]


def test_variables_count_where_one_side_has_none() -> None:
    assert told([{"ATEN_CPU_CAPABILITY": "avx2"}], [{}]) == ["ATEN_CPU_CAPABILITY: absent → avx2"]


def test_of_two_processors_with_one_name_the_instructions_that_differ_are_named() -> None:
    ours: dict[str, Json] = {"cpu": "AMD EPYC", "instructions": "avx avx2 fma"}
    theirs: dict[str, Json] = {"cpu": "AMD EPYC", "instructions": "avx avx2 avx512_bf16 avx512f fma"}
    assert told([ours], [theirs]) == ["instructions: avx512_bf16 avx512f → absent"]
    assert told([theirs], [ours]) == ["instructions: absent → avx512_bf16 avx512f"]


def test_distributions_that_differ_are_named_where_both_lists_are_known() -> None:
    ours: list[dict[str, Json]] = [{"distributions": "a", "torch": "2.15.0"}]
    theirs: list[dict[str, Json]] = [{"distributions": "b", "torch": "2.14.0"}]
    lists: dict[str, dict[str, Json]] = {
        "a": {"torch": "2.15.0", "mkl": "2024.2", "pip": "25", "new": "1"},
        "b": {"torch": "2.14.0", "mkl": "2023.1", "pip": "25"},
    }
    found = ["mkl: 2023.1 → 2024.2", "new: absent → 1", "torch: 2.14.0 → 2.15.0"]
    assert told(ours, theirs, **lists) == found
    assert told(ours, theirs, a=lists["a"]) == ["distributions: b → a", "torch: 2.14.0 → 2.15.0"]
    assert told(ours, ours, **lists) == []


def test_several_lists_of_distributions_on_one_side_are_all_looked_up() -> None:
    ours: list[dict[str, Json]] = [{"distributions": "first"}, {"distributions": "second", "cpu": "new"}]
    theirs: list[dict[str, Json]] = [{"distributions": "third", "mkl": "2023"}]
    lists: dict[str, dict[str, Json]] = {
        "first": {"pip": "25", "mkl": "2024"},
        "second": {"pip": "26", "mkl": "2024"},
        "third": {"pip": "24", "mkl": "2023"},
    }
    assert told(ours, theirs, **lists) == [
        "cpu: absent → new",
        "pip: 24 → ['25', '26']",
        "mkl: 2023 → absent",
    ]
    assert told(ours, theirs, first=lists["first"], third=lists["third"]) == [
        "cpu: absent → new",
        "distributions: third → ['first', 'second']",
        "mkl: 2023 → absent",
    ]


def test_values_of_several_environments_are_in_one_order_whatever_their_sort() -> None:
    several: list[dict[str, Json]] = [
        {"gpu": "H100", "n": 9},
        {"gpu": None, "n": 10},
        {"gpu": "H100", "n": 9},
    ]
    for environments in (several, several[::-1]):
        assert merged(environments) == {"gpu": ["H100", None], "n": [10, 9]}


def test_of_many_distributions_the_first_are_named_and_the_digests_stand_for_the_rest() -> None:
    lists: dict[str, dict[str, Json]] = {
        side: {f"p{i:03d}": side for i in range(NAMED + 1)} for side in ("a", "b")
    }
    found = told([{"distributions": "a"}], [{"distributions": "b"}], **lists)
    assert len(found) == NAMED + 1
    assert (found[0], found[-1]) == ("p000: b → a", "distributions: b → a")
    for versions in lists.values():
        versions["p000"] = "the same"
    found = told([{"distributions": "a"}], [{"distributions": "b"}], **lists)
    assert found == [f"p{i:03d}: b → a" for i in range(1, NAMED + 1)], "all of as many as are named"


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


def test_what_stands_behind_another_sort_of_entry_is_looked_at_too() -> None:
    def of(n: int) -> Run:
        stages: Json = {
            "note": "a word",
            "odd": {"use": "toy.odd", "inputs": None},
            "train": {"use": "toy.train", "inputs": {"data": f"d{n}"}, "parameters": {"epochs": n}},
        }
        return run(score(ONE), declaration={"version": n, "stages": stages, "matrix": {"train.k": [n]}})

    assert [*map(str, suite_changes(of(1), of(2)))] == [
        "matrix.train.k: [2] → [1]",
        "train.data: d2 → d1",
        "train.epochs: 2 → 1",
        "version: 2 → 1",
    ]


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
    alike: dict[str, Json] = {"function": "toy.train", "version": 1, "source": "b" * 16}
    for code in (alike, {**alike, "software": None}):
        of_before = replace(declared(1), code={"train": code})
        assert suite_changes(coded("b", diffusers="1"), of_before) == ()
        assert suite_changes(of_before, coded("b", diffusers="1")) == ()


def test_a_stage_that_only_one_side_has_hides_no_other() -> None:
    ours, theirs = coded("beef"), coded("cafe")
    more = replace(ours, code={"first": "b", **ours.code})
    assert [d.field for d in suite_changes(more, theirs)] == ["train (code of toy.train)"]


def test_equal_declarations_have_equal_ids_and_no_changes() -> None:
    assert suite_changes(declared(1), declared(1)) == ()
    assert suite_id(declared(1)) == suite_id(declared(1)) != suite_id(declared(2))


def test_ids_stay_what_they_were() -> None:
    """They are in reports that have been written."""
    assert suite_id(declared(1)) == "3e52a68dcd1c"
    assert protocol_id(run(score(repeats([0.5])))) == "759253be0293"


def test_the_protocols_id_follows_the_protocol_and_not_the_values() -> None:
    one, other = run(score(repeats([0.5]))), run(score(repeats([0.9])))
    assert protocol_id(one) == protocol_id(other)
    assert protocol_id(one) != protocol_id(run(score(repeats([0.5]), protocol={"m.use": "m@2"})))


MEASURED = {f"{node}.use": f"toy.{node}@1" for node in ("read", "m")}


def measured(values: Sequence[float], protocol: Mapping[str, Json] = MEASURED, **codes: object) -> Run:
    """A run whose metric ``m`` measures with ``read``; ``codes``: node → digest of its code, or its whole entry."""
    code = {
        n: c
        if isinstance(c, Mapping)
        else {"function": f"toy.{n}", "version": 1, "source": c, "software": {}}
        for n, c in codes.items()
    }
    settings = {**protocol, "read.scale": "two", "model.use": "toy.model@1"}
    return run(score(repeats(values), settings=settings, protocol=protocol), code=code)


def changes(ours: Run, theirs: Run) -> list[str]:
    return [str(d) for d in measuring_changes(ours, theirs, match(ours, theirs).pairs)]


def test_other_code_of_the_metric_and_of_what_it_reads_with_is_named_and_not_that_of_the_subject() -> None:
    ours, theirs = measured(BASE, m="a", read="b", model="c"), measured(BASE, m="x", read="y", model="z")
    assert changes(ours, theirs) == [
        "m (code of toy.m@1): x → a",
        "read (code of toy.read@1): y → b",
    ]
    assert changes(ours, ours) == []


def test_code_that_a_record_lacks_and_stages_that_one_side_does_not_measure_with_are_not_told() -> None:
    ours = measured(BASE, m="a", read="b")
    assert changes(ours, measured(BASE, m="a")) == changes(ours, measured(BASE)) == []
    assert changes(measured(BASE, m={"function": "toy.m"}), measured(BASE, m="a")) == []
    alone = measured(BASE, {"m.use": "toy.m@1"}, m="a", read="x")
    assert changes(ours, alone) == changes(alone, ours) == []


def test_of_a_table_only_the_entry_that_was_chosen_is_code_that_measures() -> None:
    def of(**entries: Json) -> Run:
        return measured(BASE, read={"source": "s", "choices": {"scale": entries, "odd": None}})

    assert changes(of(two="a", three="b"), of(two="a", three="x", four="y")) == []
    (change,) = changes(of(two="a", three="b"), of(two="x", three="b"))
    assert change.startswith("read (code of toy.read@1): ")
    before, after = change.rpartition(": ")[2].split(" → ")
    assert before != after
    assert len(before) == len(after) == CODE


def test_the_order_of_tables_in_a_record_does_not_matter() -> None:
    tables: dict[str, Json] = {"scale": {"two": "a"}, "odd": {"x": "b"}}
    ours = measured(BASE, read={"source": "s", "choices": tables})
    theirs = measured(BASE, read={"source": "s", "choices": dict(reversed(tables.items()))})
    assert changes(ours, theirs) == []


def test_a_value_that_differs_is_a_setting_and_not_code() -> None:
    """As two schedulers of one sweep, whose stage is not under test."""
    tables: dict[str, object] = {"source": "s", "choices": {"scale": {"two": "a", "three": "b"}}}
    two = measured(BASE, m="a", read=tables)
    (one,) = two.scores
    three = replace(
        two, scores=(replace(one, settings={**one.settings, "read.scale": "three"}),), code=two.code
    )
    pairs = [Pair(three.scores[0], two.scores[0])]
    assert measuring_changes(three, two, pairs) == ()
    edited: dict[str, object] = {**tables, "source": "t"}
    assert len(measuring_changes(three, measured(BASE, m="a", read=edited), pairs)) == 1
