"""``prompts.variety``: a writer that says one thing scores low, and every knob counts."""

import statistics

import pytest
from hand_prompts import prompt
from jobs import FolderJob

from harness.errors import StageError
from harness.stages.metrics import prompts as metric

pytestmark = pytest.mark.numeric

LAKES = ["a lake in a wood", "a river that winds to the sea", "the wet shore of a reservoir"]
FIELDS = [
    "fields of wheat on a farm",
    "a golden harvest after the plough",
    "rectangular fallow crops of maize",
]


def made(lakes, fields):
    return [prompt(text, "Water Body", f"w{i}") for i, text in enumerate(lakes)] + [
        prompt(text, "Crop Land", f"c{i}") for i, text in enumerate(fields)
    ]


@pytest.fixture
def variety(stored, embedder, tmp_path):
    def run(prompts, **settings):
        return metric.variety(stored(prompts), embedder, **settings, job=FolderJob(tmp_path / "job"))

    return run


def test_one_sentence_again_and_again_is_less_than_three(variety):
    dull, rich = variety(made(LAKES[:1] * 3, FIELDS[:1] * 3)), variety(made(LAKES, FIELDS))
    assert dull.vendi == pytest.approx(1, abs=1e-5)
    assert dull.self_bleu == pytest.approx(1)
    assert dull.distinct_n == pytest.approx(1 / 3)
    assert 1.5 < rich.vendi <= 3
    assert rich.self_bleu < 0.3
    assert rich.distinct_n == 1


def test_every_field_is_the_mean_over_the_classes(variety):
    scores = variety(made(LAKES, [*FIELDS[:2], FIELDS[0]]))
    for name in ("distinct_n", "self_bleu", "vendi"):
        of_classes = [row[name] for row in scores.details["per_class"]]
        assert len(set(of_classes)) == 2
        assert getattr(scores, name) == pytest.approx(sum(of_classes) / 2)
    assert scores.conditions["n"] == 6
    assert scores.conditions["per_class"] == {"Water Body": 3, "Crop Land": 3}
    assert [row["class"] for row in scores.details["per_class"]] == ["Water Body", "Crop Land"]


def test_rows_are_what_the_fields_lose_without_the_prompt(variety):
    lakes, fields = [*LAKES, "a lake in a wood again"], [*FIELDS[:2], FIELDS[0]]
    scores = variety(made(lakes, fields))
    assert scores.items.item == ["w0", "w1", "w2", "w3", "c0", "c1", "c2"]
    for name, column in scores.items.columns.items():
        value = getattr(scores, name)
        assert sum(column) / 7 == pytest.approx(value)
        of_lakes = [getattr(variety(made(lakes[:i] + lakes[i + 1 :], fields)), name) for i in range(4)]
        of_fields = [getattr(variety(made(lakes, fields[:i] + fields[i + 1 :])), name) for i in range(3)]
        variance = sum((len(w) - 1) * statistics.pvariance(w) for w in (of_lakes, of_fields))
        assert statistics.variance(column) / 7 == pytest.approx(variance)
        assert variance > 0


def test_a_class_of_two_prompts_has_no_rows(variety):
    assert variety(made(LAKES, FIELDS[:2])).items is None


@pytest.mark.proves("prompts.variety", "n bleu")
def test_every_parameter_changes_the_output(variety):
    prompts = made(["a lake in a wood", "a lake in a valley", "a lake by the sea"], FIELDS)
    first = variety(prompts)
    assert variety(prompts, n=1).distinct_n < first.distinct_n
    assert variety(prompts, bleu=1).self_bleu > first.self_bleu


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([], "no prompts to compare"),
        (made(LAKES, FIELDS[:1]), "Crop Land: a single prompt; variety takes at least two"),
        (made(LAKES, ["field", "farm"]), "Crop Land: none of 2 prompts has 2 words"),
    ],
)
def test_what_cannot_be_compared_is_told_in_a_line(variety, prompts, message):
    with pytest.raises(StageError, match=message):
        variety(prompts)
