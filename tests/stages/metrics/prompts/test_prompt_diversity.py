"""How varied prompts are: ``prompts.variety``, and the n-grams and Vendi score that it is made of."""

import statistics

import numpy as np
import pytest
from hand_prompts import prompt
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob

from harness.errors import StageError
from harness.stages.metrics import prompts as metric
from harness.stages.metrics.prompts.diversity import distinct, self_bleu, vendi

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


def test_distinct_by_hand():
    assert distinct([["a", "b", "c"], ["a", "b"]], 2) == 2 / 3
    assert distinct([["a", "b"]], 3) == 0


TEXTS = st.lists(st.lists(st.sampled_from("abcde"), max_size=9), min_size=2, max_size=6)


@given(TEXTS, st.integers(1, 4))
def test_self_bleu_is_sacrebleus_sentence_bleu_with_the_others_as_references(texts, n):
    from sacrebleu.metrics import BLEU

    scores = self_bleu(texts, n)
    bleu = BLEU(tokenize="none", effective_order=True, max_ngram_order=n)
    for i, text in enumerate(texts):
        others = [" ".join(other) for j, other in enumerate(texts) if j != i]
        expected = bleu.sentence_score(" ".join(text), others).score / 100
        assert scores[i] == pytest.approx(expected, abs=1e-9)


def test_copies_are_one_and_strangers_near_nothing():
    assert self_bleu([["a", "lake", "in", "a", "wood"]] * 3) == [1, 1, 1]
    assert max(self_bleu([["a", "b", "c", "d", "e"], ["f", "g", "h", "i", "j"]])) < 0.1


def test_n_different_things_are_n_and_copies_are_one():
    assert vendi(np.eye(5, dtype=np.float32)) == pytest.approx(5)
    assert vendi(np.ones((5, 1), np.float32)) == pytest.approx(1)


@given(st.floats(-1, 1))
def test_two_things_at_an_angle(cosine):
    """The eigenvalues of two rows with cosine c are (1 ± c) / 2."""
    two = np.array([[1, 0], [cosine, np.sqrt(1 - cosine**2)]], np.float32)
    shares = [s for s in ((1 + cosine) / 2, (1 - cosine) / 2) if s > 0]
    assert vendi(two) == pytest.approx(np.exp(-sum(s * np.log(s) for s in shares)), abs=1e-5)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_groups_of_copies_are_exp_of_the_entropy_of_their_sizes(sizes):
    rows = np.repeat(np.eye(len(sizes), dtype=np.float32), sizes, axis=0)
    shares = np.array(sizes) / sum(sizes)
    assert vendi(rows) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))


@given(st.integers(0, 2**32 - 1))
def test_neither_order_nor_a_rotation_matters(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(6, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert vendi((rng.permutation(rows) @ turn).astype(np.float32)) == pytest.approx(
        vendi(rows.astype(np.float32)), abs=1e-4
    )


def test_what_is_not_known_is_like_nothing_else():
    assert vendi(np.zeros((3, 2), np.float32)) == pytest.approx(3)
