"""Opens and checks the files of language models and their tokenizers; each failure is one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from harness.compute.behaviour import causal
from harness.compute.weights import UNREADABLE, article, complete, held, hushed, one_line
from harness.errors import StageError
from harness.sources.content import PICKLED, refusal

CONFIG, GENERATION = "config.json", "generation_config.json"
ADAPTER = "adapter_config.json"
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")


def is_adapter(folder: Path) -> bool:
    """Whether a folder is an adapter in the format of PEFT, not a model."""
    return (folder / ADAPTER).is_file() and not (folder / CONFIG).is_file()


def read_json(folder: Path, name: str, what: str) -> dict[str, Any]:
    """Read a file of settings.

    Raises:
        StageError: it is missing, damaged, or not a mapping.
    """
    try:
        read = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StageError(
            f"{what}: no {name} in {held(folder)}; expected a language model's folder as transformers saves it"
        ) from None
    except (OSError, ValueError) as e:
        raise StageError(f"{what}: {name} cannot be read ({one_line(e)})") from None
    if not isinstance(read, dict):
        raise StageError(f"{what}: {name} is not a mapping")
    return read


def weight_files(folder: Path, what: str) -> list[Path]:
    """The safetensors files that transformers reads: ``model.safetensors``, or its shards.

    Raises:
        StageError: there are none, or only pickles.
    """
    names = sorted(path.name for path in folder.iterdir())
    if found := [folder / name for name in names if _WEIGHTS.fullmatch(name)]:
        return found
    if pickles := [name for name in names if Path(name).suffix in PICKLED]:
        convert = (
            'python -c "from transformers import AutoConfig, AutoModelForCausalLM as M, AutoTokenizer as T; '
            f"[A.from_pretrained('{folder.name}').save_pretrained('{folder.name}-safe') for A in (M, T)]\""
        )
        raise StageError(f"{what}: {refusal(pickles[0], convert)}")
    raise StageError(
        f"{what}: no model.safetensors, nor shards of it, in {held(folder)}; expected a causal language model's folder"
    )


def tensors(file: Path, what: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and content of each tensor of a safetensors file, one at a time.

    Raises:
        StageError: not safetensors, or truncated.
    """
    try:
        with safe_open(file, "pt") as held:
            for name in sorted(held.keys()):
                yield name, held.get_tensor(name)
    except (OSError, SafetensorError) as e:
        raise StageError(f"{what}: {file.name} is damaged or no safetensors ({one_line(e)})") from None


def weights_digest(folder: Path, what: str) -> str:
    """Digest of a model's weights, ``sha256:`` and 64 hex digits: of names, types, shapes and every bit.

    It does not depend on the folder, nor on how the weights are split into files.
    """
    found = []
    for file in weight_files(folder, what):
        for name, tensor in tensors(file, what):
            bits = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
            found.append([name, str(tensor.dtype), list(tensor.shape), sha256(bits).hexdigest()])
    return f"sha256:{sha256(json.dumps(sorted(found)).encode()).hexdigest()}"


def read_network(
    folder: Path,
    what: str,
    dtype: torch.dtype,
    *,
    quantization_config: BitsAndBytesConfig | None = None,
    device_map: Mapping[str, str] | None = None,
) -> PreTrainedModel:
    """A causal language model in evaluation mode, with all of its weights from the folder's safetensors.

    Args:
        folder: a model in the format of transformers; code in it is not run.
        what: its name in messages.
        dtype: type of the weights.
        quantization_config: as for ``from_pretrained``.
        device_map: as for ``from_pretrained``.

    Raises:
        StageError: not a model, one of an unknown type, already quantised, or with missing or unexpected weights.
    """
    weight_files(folder, what)
    with _opening(folder, what):
        network, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=quantization_config,
            device_map=device_map,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # so that ``complete`` can name and refuse them
            output_loading_info=True,
        )
    try:
        complete(info, what)
    except StageError as e:
        told = held(folder).removesuffix(" of transformers").partition(" ")[2]
        if told == type(network).__name__:
            raise
        raise StageError(f"{e}: {article(told)} opened as {type(network).__name__}") from None
    said = read_json(folder, CONFIG, what)
    for name in ("bos_token_id", "eos_token_id"):
        if name not in said:  # a saved copy must not contain the library's default
            setattr(network.config, name, None)
    network.config.name_or_path = ""  # else a saved copy contains this machine's paths
    return network.eval()


def settings(folder: Path, what: str) -> dict[str, Any]:
    """All settings of a folder's configuration, with the library's defaults for those that it leaves out.

    Raises:
        StageError: not a model, one of an unknown type, or already quantised.
    """
    with _opening(folder, what):
        said: dict[str, Any] = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).to_dict()
    return said


def skeleton(folder: Path, what: str) -> PreTrainedModel:
    """The network described by a folder's configuration, without weights.

    Raises:
        StageError: not a model, one of an unknown type, or already quantised.
    """
    with _opening(folder, what), torch.device("meta"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


@contextmanager
def _opening(folder: Path, what: str) -> Iterator[None]:
    """Turn the library's errors on opening a model into one line, and suppress its other output."""
    config = read_json(folder, CONFIG, what)
    if "quantization_config" in config:
        raise StageError(f"{what}: its weights are stored quantised; expected them as they were before that")
    try:
        with hushed(transformers_logging):
            yield
    except UNREADABLE as e:
        kind = f"{held(folder)} (model_type {config.get('model_type')}) cannot be opened as one"
        raise StageError(f"{what}: expected a causal language model; {kind} ({one_line(e)})") from None


END = "<|endoftext|>"
"""Begins and ends every text, as in GPT-2 and Phi."""


def learn(texts: Iterable[str], *, vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Learn a byte-level pair encoding (Radford et al. 2019). It encodes any text in any script without loss.

    Args:
        texts: the texts to learn from.
        vocabulary: maximum number of tokens, more than 256; the end-of-text mark (token 0) and the bytes come first.
        context: number of tokens that the model reads at once.

    Raises:
        StageError: there is no text.
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
    """A tokenizer from ``tokenizer.json``; code shipped with it is not run.

    Raises:
        StageError: the file is missing or damaged.
    """
    if not (folder / "tokenizer.json").is_file():
        raise StageError(f"{what}: no tokenizer.json; expected the tokenizer as transformers saves it")
    for path in sorted(folder.glob("*token*.json")):
        read_json(folder, path.name, what)  # the library has no exception type for a damaged file
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
    """Check that a tokenizer belongs to a model, as far as that is possible without encoding a text.

    Args:
        tokenizer: the folder's tokenizer.
        network: the folder's network.
        folder: its settings specify the tokens that begin and end a text. The library makes up those that are missing.
        what: its name in messages.

    Raises:
        StageError: a token without an embedding; no end-of-text token, or one that differs from the model's.
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
    """The token ids under a name in a model's settings: none, one or several."""
    found: set[int] = set()
    for file in (CONFIG, GENERATION):
        if (folder / file).is_file():
            value: Any = read_json(folder, file, what).get(name)
            found.update(value if isinstance(value, list) else [] if value is None else [value])
    return found


def context_of(network: PreTrainedModel) -> int | None:
    """Maximum number of tokens that a model has positions for; None if its configuration does not say.

    RoBERTa and its like count positions from behind the padding token, so that they have fewer than they say.
    """
    config = network.config.get_text_config()
    said = (getattr(config, name, None) for name in ("max_position_embeddings", "max_seq_len"))
    length = next((length for length in said if isinstance(length, int) and length > 1), None)
    for name, module in network.named_modules():
        if length is None or "position" not in name or not isinstance(module, torch.nn.Embedding):
            continue
        if module.padding_idx is not None and module.num_embeddings == length:
            return length - int(module.padding_idx) - 1
    return length


def tried(network: torch.nn.Module, plain: PreTrainedModel, what: str) -> None:
    """Try a model, or an adapter on ``plain``, on a few tokens; raises StageError as ``behaviour.causal`` does."""
    causal(network, plain.get_input_embeddings().weight.shape[0], context_of(plain), what)
