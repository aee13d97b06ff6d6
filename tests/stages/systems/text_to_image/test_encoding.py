"""Prompts are drawn by seed, encoded once, and never cut in silence."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob
from rounding import assert_same
from safetensors.torch import load_file
from tiny_pipeline import tiny_pipeline
from transformers import CLIPTextModel, CLIPTokenizer

from harness.artifact import Captions
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.systems.text_to_image.encoding import EMBEDDINGS, encode

pytestmark = pytest.mark.numeric

LONG = "a view from above of " + "many " * 90 + "fields"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return tiny_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    """Twelve rows of three sentences; the first sentence is the same in every other row."""
    return written(
        tmp_path_factory.mktemp("captions"),
        *(
            {
                "captions": [f"scene {i % 2}.", f"a lake, number {i}", f"a town, number {i}"],
                "label": ("lake", "town")[i % 2],
            }
            for i in range(12)
        ),
    )


def written(folder, *lines):
    text = "".join(json.dumps({"file_name": f"{i}.png", **line}) + "\n" for i, line in enumerate(lines))
    (folder / "metadata.jsonl").write_text(text)
    return Captions(folder)


@pytest.fixture
def make(pipeline, captions, tmp_path_factory):
    def encoded(of=captions, **changed):
        job = FolderJob(tmp_path_factory.mktemp("job"))
        return encode(pipeline, of, **({"count": 6} | changed), job=job)

    return encoded


def embeddings(encoded):
    return load_file(encoded.path / EMBEDDINGS)


def content(encoded):
    lines = (encoded.path / "metadata.jsonl").read_text()
    return lines, {name: tensor.tolist() for name, tensor in embeddings(encoded).items()}


def test_the_embeddings_are_the_text_encoders(pipeline, make):
    """As transformers computes them without diffusers."""
    encoded = make(positive=("sharp",), negative=("blurry", "text"))
    tokenizer = CLIPTokenizer.from_pretrained(pipeline.path / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(pipeline.path / "text_encoder")
    prompts = [row.columns["prompt"] for row in rows(encoded)]
    ids = tokenizer([*prompts, "blurry, text"], padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        expected = encoder(ids).last_hidden_state
    found = embeddings(encoded)
    every = found["prompts"][[row.columns["row"] for row in rows(encoded)]]
    assert_same(torch.cat([every, found["negative"]]), expected, terms=4 * 96, layers=24)
    assert every.dtype == torch.float32
    assert every.shape == (6, 77, 96)


def test_each_different_prompt_is_encoded_once(make):
    encoded = make(count=12)
    assert embeddings(encoded)["prompts"].shape[0] == 2
    assert encoded.facts["different"] == 2
    by_prompt = {(row.columns["prompt"], row.columns["row"]) for row in rows(encoded)}
    assert len(by_prompt) == 2


def test_a_row_says_what_the_prompt_is_from(make, captions):
    real = {row.name: row for row in rows(captions)}
    made = list(rows(make(positive=("sharp",))))
    assert [row.name for row in made] == [f"{i:05d}.png" for i in range(6)]
    for row in made:
        source = real[row.columns["of"]]
        assert row.captions == source.captions[:1]
        assert row.columns["prompt"] == f"{source.captions[0].rstrip('.')}, sharp"
        assert row.label == source.label
        assert row.columns["cut"] is False


KNOBS = [
    {"count": 7}, {"positive": ("sharp",)}, {"negative": ("blurry",)}, {"caption": "random"}, {"seed": 1}
]  # fmt: skip


@pytest.mark.proves("text_to_image.encode", "count positive negative caption seed")
@pytest.mark.parametrize("knob", KNOBS, ids=str)
def test_every_knob_changes_the_output(make, knob):
    plain = content(make())
    assert content(make()) == plain
    assert content(make(**knob)) != plain


def test_no_row_is_drawn_twice_and_a_larger_draw_begins_with_the_smaller_one(make):
    small, large = ([row.columns["of"] for row in rows(make(count=n))] for n in (5, 12))
    assert len(set(large)) == 12
    assert large[:5] == small


def test_a_random_sentence_is_any_of_a_rows_own(make, captions):
    real = {row.name: row.captions for row in rows(captions)}
    drawn = [(row.columns["of"], row.captions[0]) for row in rows(make(count=12, caption="random"))]
    assert all(sentence in real[name] for name, sentence in drawn)
    assert {real[name].index(sentence) for name, sentence in drawn} == {0, 1, 2}


def test_a_prompts_embedding_does_not_depend_on_what_else_is_drawn(make):
    alone, among = make(count=1), make(count=12, negative=("blurry",))
    first = next(rows(among)).columns["row"]
    assert torch.equal(embeddings(alone)["prompts"][0], embeddings(among)["prompts"][first])


@given(st.integers(0, 2**40))
def test_without_cues_a_prompt_is_the_sentence_itself(seed):
    from harness.stages.systems.text_to_image.encoding import _with_cues

    sentence = f"a lake . number {seed} ."
    assert _with_cues(sentence, ()) == sentence
    assert _with_cues(sentence, ("sharp", "clear")) == f"a lake . number {seed}, sharp, clear"


def test_a_prompt_of_more_than_77_tokens_is_counted_and_flagged(make, tmp_path):
    two = written(tmp_path, {"captions": [LONG]}, {"captions": ["a lake"]})
    encoded = make(two, count=2)
    found = {row.columns["of"]: row.columns for row in rows(encoded)}
    assert found["0.png"]["cut"] is True
    assert found["1.png"]["cut"] is False
    assert found["0.png"]["tokens"] > 77 > found["1.png"]["tokens"]
    assert encoded.facts["warnings"] == [
        "1 of 3 different prompts have more than 77 tokens and are cut; long_prompts: refuse makes that an error"
    ]
    told = encoded.facts["over_77_tokens"]
    assert told == {"count": 1, "first": [{"prompt": LONG, "tokens": found["0.png"]["tokens"]}]}


def test_a_prompt_of_exactly_77_tokens_is_not_cut(make, tmp_path, pipeline):
    tokenizer = CLIPTokenizer.from_pretrained(pipeline.path / "tokenizer")
    fitting = tokenizer.decode(tokenizer(LONG).input_ids[1:76])
    assert len(tokenizer(fitting).input_ids) == 77
    encoded = make(written(tmp_path, {"captions": [fitting]}), count=1)
    assert encoded.facts["over_77_tokens"]["count"] == 0


@pytest.mark.proves("text_to_image.encode", "long_prompts")
def test_long_prompts_can_be_refused(make, tmp_path):
    one = written(tmp_path, {"captions": [LONG]})
    with pytest.raises(
        StageError, match=r"1 of 2 prompts have more than 77 tokens; the first has \d+: 'a view"
    ) as caught:
        make(one, count=1, long_prompts="refuse")
    assert len(str(caught.value)) < 200
    with pytest.raises(StageError, match="more than 77 tokens"):
        make(count=1, negative=(LONG,), long_prompts="refuse")


def test_fewer_rows_than_asked_for_are_refused_with_both_numbers(make):
    with pytest.raises(StageError, match="count: 13 prompts from 12 rows"):
        make(count=13)


@pytest.mark.parametrize("captions", [[], [" "], ["a lake", ""]], ids=str)
def test_a_row_without_a_sentence_or_with_a_blank_one_is_named(make, tmp_path, captions):
    with pytest.raises(StageError, match=r"0\.png: no caption to make a prompt of, or a blank one"):
        make(written(tmp_path, {"captions": captions}), count=1)
