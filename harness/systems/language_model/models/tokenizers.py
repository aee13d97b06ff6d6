"""The tokens of a language model: learnt from a corpus, or read and held against the model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from harness.compute.quiet import hushed
from harness.compute.weights import UNREADABLE, one_line
from harness.errors import StageError
from harness.systems.language_model.models import checks

END = "<|endoftext|>"
"""Begins and ends every text, as GPT-2's and Phi's."""


def learn(texts: Iterable[str], *, vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Byte-level pair encoding (Radford et al. 2019): any text in any script can be spelled, and comes back as it was.

    Args:
        texts: what is read.
        vocabulary: how many tokens at most, more than 256; the end-of-text mark, token 0, and the bytes come first.
        context: how many tokens the model reads at once.

    Raises:
        StageError: no text.
    """
    given = [text for text in texts if text]
    if not given:
        raise StageError("no text to learn tokens from")
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.decoder = decoders.ByteLevel()
    learner.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    learner.train_from_iterator(given, trainer=trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=learner,
        bos_token=END,
        eos_token=END,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )


def read_tokenizer(folder: Path, what: str) -> PreTrainedTokenizerFast:
    """A tokenizer from ``tokenizer.json``; code beside it is not run.

    Raises:
        StageError: there is none, or it is damaged.
    """
    if not (folder / "tokenizer.json").is_file():
        raise StageError(f"{what}: no tokenizer.json; expected the tokenizer as transformers saves it")
    for path in sorted(folder.glob("*token*.json")):
        checks.read_json(folder, path.name, what)  # the library has no type of its own for a damaged file
    with hushed(transformers_logging):
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except UNREADABLE as e:
            raise StageError(f"{what}: its tokenizer cannot be opened ({one_line(e)})") from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise StageError(
            f"{what}: its tokenizer is a {type(tokenizer).__name__}; expected one in tokenizer.json"
        )
    return tokenizer


def fit(tokenizer: PreTrainedTokenizerFast, network: PreTrainedModel, folder: Path, what: str) -> None:
    """That a tokenizer is the one of a model: as far as that can be seen without reading a text.

    Args:
        tokenizer: of the folder.
        network: of the folder.
        folder: its settings say which tokens begin and end a text. What they leave out, the library makes up.
        what: what messages call it.

    Raises:
        StageError: a token without embedding; no end of a text; another one than the model's.
    """
    rows, last = network.get_input_embeddings().weight.shape[0], max(tokenizer.get_vocab().values())
    if last >= rows:
        raise StageError(f"{what}: its tokenizer has {last + 1} tokens, the model embeddings for {rows}")
    if tokenizer.eos_token_id is None:
        raise StageError(f"{what}: its tokenizer has no token that ends a text (eos_token)")
    for role in ("bos", "eos"):
        token, said = getattr(tokenizer, f"{role}_token_id"), _said(folder, f"{role}_token_id", what)
        if token is not None and said and token not in said:
            raise StageError(
                f"{what}: its tokenizer's {role}_token is {token}, "
                f"the model's is {' or '.join(str(i) for i in sorted(said))}"
            )


def _said(folder: Path, name: str, what: str) -> set[int]:
    """The token ids that a model's settings have under a name: none, one or several."""
    found: set[int] = set()
    for file in (checks.CONFIG, checks.GENERATION):
        if (folder / file).is_file():
            value: Any = checks.read_json(folder, file, what).get(name)
            found.update(value if isinstance(value, list) else [] if value is None else [value])
    return found
