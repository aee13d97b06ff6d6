"""A minute Phi with a tokenizer of its own, and corpora of a few sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

import pytest
import torch
from jobs import FolderJob
from transformers import PhiConfig, PhiForCausalLM, PreTrainedTokenizerFast

from harness.artifact import Corpus, LanguageModel
from harness.formats import corpus as table
from harness.stages.systems.language_model.checks import learn

CONTEXT = 32
SENTENCES = (
    "A satellite saw the river rise over the fields near the town.",
    "Crops in rows; forests in patches, and a road that divides them.",
    "The image was taken from above, at ten metres per pixel.",
    "Snow lies on the bare land: it is bright in every band.",
)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return learn(SENTENCES, vocabulary=300, context=CONTEXT)


@pytest.fixture(scope="session")
def network(tokenizer: PreTrainedTokenizerFast) -> PhiForCausalLM:
    """Random, its weights large enough for every earlier token to matter; wide enough for four bits."""
    torch.manual_seed(0)
    config = PhiConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return PhiForCausalLM(config).eval()


@pytest.fixture(scope="session")
def model(
    tokenizer: PreTrainedTokenizerFast, network: PhiForCausalLM, tmp_path_factory: pytest.TempPathFactory
) -> LanguageModel:
    folder = tmp_path_factory.mktemp("model")
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return LanguageModel(folder)


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[FolderJob]:
    return (FolderJob(tmp_path / f"job-{i}") for i in count())


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[[Sequence[tuple[str, str]]], Corpus]:
    """A corpus of (document, text), rows numbered within their document."""
    numbers = count()

    def write(texts: Sequence[tuple[str, str]]) -> Corpus:
        folder = tmp_path / f"corpus-{next(numbers)}"
        folder.mkdir()
        names = [document for document, _ in texts]
        rows = [table.Row(text, name, 0, names[:i].count(name)) for i, (name, text) in enumerate(texts)]
        table.write(folder, rows)
        return Corpus(folder)

    return write


@pytest.fixture
def text(corpus: Callable[[Sequence[tuple[str, str]]], Corpus]) -> Corpus:
    """Three documents of unequal length: longer than the context, about as long, and one of two rows."""
    return corpus(
        [
            ("long", " ".join(SENTENCES)),
            ("short", SENTENCES[2][:20]),
            ("rows", SENTENCES[1]),
            ("rows", SENTENCES[0]),
        ]
    )
