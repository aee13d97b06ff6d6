"""Prompts made by hand, the tokenizer of the shipped pipeline, and an embedder that has read a page about land."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hand_prompts import TOKENIZER, land_texts
from jobs import FolderJob

from harness.artifact import Corpus, Prompts, TextEmbedder, Tokenizer
from harness.formats import corpus as corpus_table
from harness.formats.prompts import Prompt, count, write
from harness.stages.metrics import prompts as metric
from harness.stages.metrics.prompts import CheckScores
from harness.stages.systems import embeddings


@pytest.fixture(scope="session")
def embedder(tmp_path_factory) -> TextEmbedder:
    """Knows the words of ``hand_prompts.LAND``."""
    root = tmp_path_factory.mktemp("embedder")
    rows = [corpus_table.Row(text, label, 0, i) for i, (label, text) in enumerate(land_texts())]
    (root / "corpus").mkdir()
    corpus_table.write(root / "corpus", rows)
    return embeddings.local(Corpus(root / "corpus"), dimensions=12, job=FolderJob(root))


@pytest.fixture
def stored(tmp_path) -> Callable[[Sequence[Prompt]], Prompts]:
    """Prompts as an artifact; each call makes another one."""
    made = iter(range(100))

    def store(prompts: Sequence[Prompt]) -> Prompts:
        folder = tmp_path / f"prompts-{next(made)}"
        folder.mkdir()
        write(folder, prompts)
        return Prompts(folder, facts=count(prompts))

    return store


@pytest.fixture
def check(stored, embedder, tmp_path) -> Callable[..., CheckScores]:
    """``prompts.checks`` of prompts, with the tokenizer and the embedder of this file."""

    def run(prompts: Sequence[Prompt], **settings) -> CheckScores:
        return metric.checks(
            stored(prompts), embedder, Tokenizer(TOKENIZER), **settings, job=FolderJob(tmp_path / "job")
        )

    return run
