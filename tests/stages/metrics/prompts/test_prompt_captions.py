"""Real captions of aerial images pass; the thresholds' defaults are from them. Needs the mirror (HARNESS_MIRROR)."""

import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hand_prompts import prompt
from jobs import FolderJob

from harness.artifact import Corpus, Tokenizer
from harness.formats import corpus as corpus_table
from harness.stages.metrics import prompts as metric
from harness.stages.metrics.prompts.measuring import spans_of
from harness.stages.metrics.prompts.words import words
from harness.stages.systems import embeddings

MIRROR = Path(os.environ.get("HARNESS_MIRROR", ""))
RSICD = MIRROR / "arampacha/rsicd/data/test-00000-of-00001.parquet"
CLIP = MIRROR / "openai/clip-vit-base-patch32"
CLASSES = words("beach bridge church desert farmland forest meadow mountain pond river viaduct")
POSITIVE = ("satellite image",)
needs_mirror = pytest.mark.skipif(
    not (os.environ.get("HARNESS_MIRROR") and RSICD.is_file()), reason="HARNESS_MIRROR has no arampacha/rsicd"
)


@pytest.fixture(scope="module")
def captions() -> dict[str, list[str]]:
    """By class, the captions of the test split that differ in their words, in its order."""
    found: dict[str, list[str]] = {}
    for row in pq.read_table(RSICD, columns=["filename", "captions"]).to_pylist():
        label = re.sub(r".*/|_\d+\.jpg$", "", row["filename"])
        found.setdefault(label, []).extend(row["captions"])
    return {
        label: list({tuple(words(text)): text for text in texts}.values()) for label, texts in found.items()
    }


@needs_mirror
def test_real_captions_that_name_their_class_pass_all(captions, stored, tmp_path):
    """Six words or more, none of which says what is not there, the first two of each class; their view is up to the
    cues. They are told apart by an embedding of the other captions.
    """
    chosen, others = [], []
    for label in CLASSES:
        named = [text for text in captions[label] if label in text.lower() and len(words(text)) >= 6]
        first = [text for text in named if "no" not in words(text)][:2]
        chosen += [prompt(text, label, f"{label}-{i}") for i, text in enumerate(first)]
        rest = [text for text in captions[label] if text not in first]
        others += [corpus_table.Row(text, label, 0, i) for i, text in enumerate(rest)]
    (tmp_path / "corpus").mkdir()
    corpus_table.write(tmp_path / "corpus", others)
    learnt = embeddings.local(
        Corpus(tmp_path / "corpus"), dimensions=48, job=FolderJob(tmp_path / "embedder")
    )

    scores = metric.checks(
        stored(chosen), learnt, Tokenizer(CLIP), positive=POSITIVE, negative=("blurry", "repeating"),
        job=FolderJob(tmp_path / "job"),
    )  # fmt: skip

    assert len(chosen) == 22
    assert {name: rows for name, rows in scores.details["failing"].items() if rows} == {}
    assert scores.passed == 1


@needs_mirror
def test_tokens_are_counted_as_clip_counts_them():
    spans = spans_of(Tokenizer(CLIP))
    assert len(spans("a lake")) == 4
    assert spans("A  lake")[1:3] == [(0, 1), (3, 7)]
    assert len(spans("field " * 118)) == 120
