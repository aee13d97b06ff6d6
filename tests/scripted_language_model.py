"""A language model that says what a test has it say: each next word follows from the one before, with a probability."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from harness.artifact import LanguageModel

END, UNKNOWN = "</s>", "<unk>"
Script = Mapping[str, Mapping[str, float] | str]
"""After which word comes which, with what probability; after all others, the text ends."""


def scripted_model(
    folder: Path, script: Script, *, context: int = 256, chat_template: str | None = None
) -> LanguageModel:
    """A GPT-2 whose blocks add nothing: its embeddings are the words, its head is the table of what follows.

    Args:
        folder: where it goes.
        script: a sentence as text (``{"land": "of many fields"}``) is said word by word, and then the text ends;
            all of its words must be different, and be said nowhere else.
        context: how many words it reads.
        chat_template: of its tokenizer.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    following = _following(script)
    words = list(dict.fromkeys([END, UNKNOWN, *following, *(w for ways in following.values() for w in ways)]))
    number = {word: i for i, word in enumerate(words)}
    scores = torch.full((len(words), len(words)), -50.0)
    for i, word in enumerate(words):
        for next_word, share in following.get(word, {END: 1.0}).items():
            scores[number[next_word], i] = math.log(share)
    network = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(words), n_embd=len(words), n_layer=1, n_head=1, n_inner=4, n_positions=context,
            tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.transformer.wte.weight.copy_(torch.eye(len(words)))
        norm = network.transformer.ln_f
        norm.weight.fill_(1.0)
        normed = norm(torch.eye(len(words)))
        norm.bias.fill_(-float(normed[0, 1]))
        network.lm_head.weight.copy_(scores / (normed[0, 0] - normed[0, 1]))
    network.save_pretrained(folder)
    tokens = Tokenizer(models.WordLevel(number, unk_token=UNKNOWN))
    tokens.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, eos_token=END, unk_token=UNKNOWN, model_max_length=context
    )
    tokenizer.chat_template = chat_template
    tokenizer.save_pretrained(folder)
    return LanguageModel(folder)


def _following(script: Script) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for word, after in script.items():
        if isinstance(after, str):
            said = [word, *after.split(" "), END]
            found |= {said[i]: {said[i + 1]: 1.0} for i in range(len(said) - 1)}
        else:
            found[word] = dict(after)
    return found
