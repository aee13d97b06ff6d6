"""Every threshold and every input of ``prompts.checks`` counts, and its figures add up."""

import pytest
from hand_prompts import TOKENIZER, failed, prompt
from jobs import FolderJob
from tiny_alignment import fields, train

from harness.artifact import Tokenizer
from harness.errors import StageError
from harness.stages.metrics import prompts as metric
from harness.stages.metrics.prompts.table import CHECKS
from harness.stages.systems.prompt_writer.drafting import INSTRUCT

FARM = prompt("An aerial view of farmland with fields of wheat beside fields of maize.", name="farm")
LAKE = prompt("A satellite image of a lake with clear water.", "Water Body", "lake")


@pytest.mark.proves("prompts.checks", "words repetition tokens relevance margin vocabulary support closeness")
@pytest.mark.parametrize(
    ("setting", "values", "caught_by"),
    [
        ("words", (9, 14), "present"),
        ("repetition", (0.3, 0.1), "varied"),
        ("tokens", (77, 12), "fits"),
        ("relevance", (0.0, 1.0), "relevant"),
        ("margin", (-0.1, 2.0), "apart"),
        ("vocabulary", (2, 9), "vocabulary"),
        ("support", (0.1, 1.0), "supported"),
        ("closeness", (0.2, 1.0), "close"),
    ],
)
def test_every_threshold_draws_its_line(check, setting, values, caught_by):
    grounded = prompt(FARM.text, name="farm", passages=["Farmland of wheat."])
    loose, strict = (check([grounded, LAKE], **{setting: value}) for value in values)
    assert "farm" not in {row["prompt"] for row in loose.details["failing"][caught_by]}
    assert caught_by in failed(strict, "farm")
    assert getattr(strict, caught_by) < getattr(loose, caught_by) == 1


@pytest.mark.proves("prompts.checks", "likeness")
def test_likeness_says_where_two_prompts_begin_to_be_the_same(check):
    other = prompt(FARM.text.replace("maize", "barley"), name="other")  # one of eleven pairs differs
    assert failed(check([FARM, other]), "other") == {"unrepeated"}
    assert failed(check([FARM, other], likeness=1.0), "other") == set()


@pytest.mark.proves("prompts.checks", "positive")
def test_positive_cues_are_part_of_the_prompt(check):
    plain = prompt("Farmland with fields of wheat.", name="farm")
    assert failed(check([plain, LAKE]), "farm") == {"from_above"}
    assert failed(check([plain, LAKE], positive=("aerial view",)), "farm") == set()
    assert failed(check([plain, LAKE], positive=("aerial view", "sunset over a skyline")), "farm") == {
        "not_from_ground"
    }
    assert failed(check([plain, LAKE], positive=("aerial view", *["very sharp"] * 40)), "farm") == {"fits"}


@pytest.mark.proves("prompts.checks", "negative")
def test_a_negative_cue_in_the_prompt_or_among_its_cues_is_a_contradiction(check):
    soft = prompt("A low quality aerial view of farmland with fields.", name="farm")
    assert failed(check([soft, LAKE]), "farm") == set()
    assert failed(check([soft, LAKE], negative=("low-quality",)), "farm") == {"consistent"}
    scores = check([FARM, LAKE], positive=("sharp, aerial",), negative=("sharp",))
    assert scores.consistent == 0
    assert scores.details["failing"]["consistent"][0]["evidence"] == ["'sharp' is a negative cue"]


@pytest.mark.proves("prompts.checks", "instruction")
def test_five_words_of_the_instruction_are_an_echo(check):
    told = "It says how {class} looks from orbit in at most forty words: {passages}"
    echo = prompt("An aerial view of farmland that looks from orbit in at most forty words.", name="echo")
    assert failed(check([echo, LAKE]), "echo") == set()
    scores = check([echo, LAKE], instruction=told)
    assert failed(scores, "echo") == {"no_echo"}
    assert scores.details["failing"]["no_echo"][0]["evidence"][0] == "looks from orbit in at"


@pytest.mark.parametrize("sentence", INSTRUCT.sentences("farmland"))
def test_no_sentence_of_our_own_instruction_is_a_prompt(check, sentence):
    assert "no_echo" in failed(check([prompt(sentence, "farmland", "told"), LAKE]), "told")


@pytest.mark.proves("prompts.checks", "class_words")
def test_class_words_name_classes_that_the_harness_does_not_know(check):
    solar = prompt("An aerial view of a desert with photovoltaic panels in rows.", "SolarFarm", "solar")
    wheat = prompt(FARM.text, "farmland", "wheat")
    scores = check([solar, wheat], class_words={"SolarFarm": ("photovoltaic", "desert")})
    assert failed(scores, "solar") == set()
    assert "class_named" in failed(check([solar, wheat]), "solar")
    with pytest.raises(
        StageError, match=r"class_words: no prompt is of 'SolarFarms'; did you mean 'SolarFarm'\?"
    ):
        check([solar, wheat], class_words={"SolarFarms": ("panels",)})


def test_a_judge_says_how_near_the_classes_are(stored, embedder, tmp_path):
    judge = train(fields(tmp_path / "fields"), Tokenizer(TOKENIZER), tmp_path / "model", epochs=1)
    both = stored([FARM, LAKE])
    by_judge, by_embedder = (
        metric.checks(both, embedder, Tokenizer(TOKENIZER), which, job=FolderJob(tmp_path))
        for which in (judge, None)
    )
    names = by_embedder.conditions["relevance_by"], by_judge.conditions["relevance_by"]
    assert names[0] == by_embedder.conditions["passages_by"] == by_judge.conditions["passages_by"]
    assert names[1].startswith("clip, ")
    at = by_judge.details["scores"]["columns"].index("relevant")
    assert by_judge.details["scores"]["rows"][0][at] != by_embedder.details["scores"]["rows"][0][at]


def test_prompts_without_passages_do_not_count_for_grounding(check):
    grounded = prompt(FARM.text, name="farm", passages=["Farmland: fields of wheat and maize."])
    scores = check([grounded, LAKE])
    applies = {row["check"]: row["applies_to"] for row in scores.details["checks"]}
    assert (applies["supported"], applies["close"], applies["clean"]) == (1, 1, 2)
    assert scores.supported == scores.close == 1
    assert scores.passed == 1
    assert scores.items.columns["supported"] == [1, 1]
    assert scores.steps["supported"] == 1
    assert scores.steps["clean"] == 1 / 2
    none = check([FARM, LAKE])
    assert none.supported == none.close == 0
    assert none.items.columns["supported"] == [0, 0]
    assert none.passed == 1


def test_every_field_is_the_mean_of_its_items_and_the_classes_are_clusters(check):
    wild = prompt("Bank of sheep", "Natural Vegetation", "wild")
    scores = check([FARM, LAKE, wild])
    assert scores.items.item == ["farm", "lake", "wild"]
    assert scores.items.cluster == ["Crop Land", "Water Body", "Natural Vegetation"]
    assert set(scores.items.columns) == {"passed", *(c.name for c in CHECKS)}
    for name, column in scores.items.columns.items():
        assert getattr(scores, name) == pytest.approx(sum(column) / 3)
    assert scores.passed == pytest.approx(2 / 3)
    assert scores.conditions["n"] == 3
    table = {row["class"]: row for row in scores.details["per_class"]}
    assert table["Natural Vegetation"]["passed"] == 0
    assert table["Crop Land"]["present"] == {"passed": 1, "score": 13}
    assert table["Crop Land"]["supported"] is None


def test_what_fails_is_shown_with_its_evidence(check):
    scores = check([prompt("An aerial view of a pumpkin field.", name=f"p{i}") for i in range(14)] + [LAKE])
    shown = scores.details["failing"]["unambiguous"]
    assert len(shown) == 12
    assert shown[0]["class"] == "Crop Land"
    assert shown[0]["score"] == 1
    assert "'pumpkin' may be drawn as large" in shown[0]["evidence"][0]
    assert next(row for row in scores.details["checks"] if row["check"] == "unambiguous") == {
        "check": "unambiguous",
        "threshold": "at most 0",
        "applies_to": 15,
        "failed": 14,
    }
    assert len(scores.details["scores"]["rows"]) == 15


def test_one_class_alone_has_no_other_to_be_told_from(check):
    scores = check([FARM])
    assert scores.apart == 0
    assert scores.passed == 1


def test_no_prompts_and_no_tokenizer_are_told_in_a_line(check, stored, embedder, tmp_path):
    with pytest.raises(StageError, match="no prompts to check"):
        check([])
    empty, damaged = tmp_path / "empty", tmp_path / "damaged"
    empty.mkdir()
    damaged.mkdir()
    (damaged / "tokenizer.json").write_text("{")
    for folder in (empty, damaged):
        with pytest.raises(StageError, match="tokenizer: not a CLIP tokenizer"):
            metric.checks(stored([FARM]), embedder, Tokenizer(folder), job=FolderJob(tmp_path))
