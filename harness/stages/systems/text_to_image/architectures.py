"""The words of a pipeline: CLIP's byte-level pair encoding, learnt from captions or loaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from annotated_types import Interval

from harness.artifact import Captions, Tokenizer
from harness.data import image_folder
from harness.data.hub import Source
from harness.errors import StageError
from harness.stage import Job, stage

LENGTH = 77
"""Tokens of a prompt, start and end among them: what CLIP's text encoders have positions for."""
_START, _END = "<|startoftext|>", "<|endoftext|>"


@stage(version=1, software=("tokenizers", "transformers"))
def train_tokenizer(
    captions: tuple[Captions, ...], *, vocabulary: Annotated[int, Interval(ge=600, le=49408)], job: Job
) -> Tokenizer:
    """Learn a tokenizer from captions. It can spell any text; a frequent word takes one token.

    Args:
        captions: what is read, all sentences of all rows.
        vocabulary: how many tokens at most; 256 bytes, within a word and at its end, and two marks come first.
        job: gives the folder.

    Raises:
        StageError: there is no sentence.
    """
    from tokenizers import pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = CLIPTokenizer().backend_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(letters) - 2,
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    sentences = list(_sentences(captions))
    if not sentences:
        raise StageError("no sentence to learn words from")
    learner.train_from_iterator(sentences, trainer=trainer)
    learnt = json.loads(learner.to_str())["model"]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [word for word in sorted(learnt["vocab"], key=learnt["vocab"].get) if word not in set(words)]
    merges = [tuple(pair) for pair in learnt["merges"]]
    vocabulary_of = {word: index for index, word in enumerate([*words, _START, _END])}
    return _save(CLIPTokenizer(vocab=vocabulary_of, merges=merges, model_max_length=LENGTH), job)


@stage(version=1, software=("transformers",))
def load_tokenizer(*, source: Source, job: Job) -> Tokenizer:
    """A CLIP tokenizer that was learnt before.

    Args:
        source: a folder with ``vocab.json`` and ``merges.txt``, or ``tokenizer.json``.
        job: gives the folder.

    Raises:
        StageError: a file is missing or damaged.
    """
    from transformers import CLIPTokenizer

    files = {path.name for path in source.path.iterdir()} if source.path.is_dir() else set()
    if not ({"vocab.json", "merges.txt"} <= files or "tokenizer.json" in files):
        raise StageError(
            f"{source.text}: no tokenizer: neither vocab.json with merges.txt nor tokenizer.json"
        )
    try:
        for file in sorted(source.path.glob("*.json")):
            json.loads(file.read_bytes())  # the library has no type of its own for a file that is damaged
        tokenizer = CLIPTokenizer.from_pretrained(source.path, local_files_only=True)
    except (ValueError, KeyError, TypeError, OSError) as e:
        raise StageError(f"{source.text}: not a CLIP tokenizer ({e})") from None
    return _save(tokenizer, job)


def _sentences(captions: tuple[Captions, ...]) -> Iterator[str]:
    for folder in captions:
        for row in image_folder.rows(folder):
            yield from row.captions


def _save(tokenizer: Any, job: Job) -> Tokenizer:
    folder = job.folder()
    tokenizer.save_pretrained(folder)
    return Tokenizer(folder, facts={"vocabulary": len(tokenizer), "length": tokenizer.model_max_length})
