"""Models that do not say how many tokens they read are scored at the suite's context; special tokens are counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from image_files import source
from jobs import FolderJob
from model_kinds import saved
from tiny_language_model import SENTENCES, tiny_model

from harness.artifact import Corpus, LanguageModel
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.formats.likelihoods import read
from harness.stages.systems import language_model

pytestmark = pytest.mark.numeric


def texts(folder: Path, *rows: str) -> Corpus:
    folder.mkdir()
    corpus.write(folder, [Row(text, f"d{i}", 0, 0) for i, text in enumerate(rows)])
    return Corpus(folder)


def loaded(kind: str, tmp_path: Path) -> LanguageModel:
    folder = saved(kind, tmp_path / kind)
    return language_model.load(source=source(folder), job=FolderJob(tmp_path / "load"))


@pytest.mark.parametrize("kind", ["bloom", "mamba"])
def test_a_model_that_does_not_say_its_length_is_scored_at_the_suite_s(tmp_path: Path, kind: str) -> None:
    model = loaded(kind, tmp_path)
    assert model.facts["context"] is None
    made = language_model.likelihood(
        model=model, text=texts(tmp_path / "t", *SENTENCES), context=24, job=FolderJob(tmp_path / "nll")
    )
    assert made.conditions["context"] == 24
    by_hand = 0.0
    from transformers import AutoModelForCausalLM, AutoTokenizer

    network = AutoModelForCausalLM.from_pretrained(model.path).eval()
    tokenizer = AutoTokenizer.from_pretrained(model.path)
    ids = [0, *tokenizer(SENTENCES[3], add_special_tokens=False).input_ids]
    assert len(ids) <= 24
    with torch.inference_mode():
        scores = network(torch.tensor([ids[:-1]])).logits[0].log_softmax(-1)
    by_hand = -float(scores[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum())
    row = next(row for row in read(made.path) if row.item.startswith("d3"))
    assert row.nll == pytest.approx(by_hand, rel=1e-5)


def test_without_a_context_anywhere_the_line_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(
        StageError, match=r"^context: BloomForCausalLM does not say how many tokens it reads; set"
    ):
        language_model.likelihood(
            model=loaded("bloom", tmp_path),
            text=texts(tmp_path / "t", "a lake"),
            job=FolderJob(tmp_path / "n"),
        )


def test_a_model_says_its_length_by_another_name(tmp_path: Path) -> None:
    assert loaded("mpt", tmp_path).facts["context"] == 64


def test_texts_are_written_on_by_a_model_without_a_length(tmp_path: Path) -> None:
    made = language_model.generate(
        loaded("mamba", tmp_path), prompts=("a lake",), max_tokens=3, job=FolderJob(tmp_path / "g")
    )
    assert made.facts["count"] == 1


def test_special_tokens_inside_texts_are_counted(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    job = FolderJob(tmp_path / "n")
    spelt = texts(tmp_path / "t", "Snow<|endoftext|> is<|endoftext|>", "Snow is bright.")
    made = language_model.likelihood(model=model, text=spelt, eos=True, job=job)
    assert made.facts["special_tokens"] == 2
    assert made.facts["unknown_tokens"] == 0
    plain = language_model.likelihood(
        model=model, text=texts(tmp_path / "p", "Snow is bright."), job=FolderJob(tmp_path / "m")
    )
    assert plain.facts["special_tokens"] == 0
