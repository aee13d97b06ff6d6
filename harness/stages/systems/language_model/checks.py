"""What must be true of a language model from elsewhere, its tokens included; each failure is one line."""

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

from harness.compute.arithmetic import hushed
from harness.compute.weights import UNREADABLE, complete, one_line
from harness.errors import StageError
from harness.sources.weight_files import PICKLED, refusal

CONFIG, GENERATION = "config.json", "generation_config.json"
ADAPTER = "adapter_config.json"
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")


def is_adapter(folder: Path) -> bool:
    """Whether a folder is an adapter as PEFT saves it, and not a model."""
    return (folder / ADAPTER).is_file() and not (folder / CONFIG).is_file()


def read_json(folder: Path, name: str, what: str) -> dict[str, Any]:
    """A file of settings.

    Raises:
        StageError: it is missing, damaged, or no mapping.
    """
    try:
        read = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StageError(
            f"{what}: no {name}; expected a language model's folder as transformers saves it"
        ) from None
    except (OSError, ValueError) as e:
        raise StageError(f"{what}: {name} cannot be read ({one_line(e)})") from None
    if not isinstance(read, dict):
        raise StageError(f"{what}: {name} is not a mapping")
    return read


def weight_files(folder: Path, what: str) -> list[Path]:
    """The safetensors that transformers reads: ``model.safetensors``, or its shards.

    Raises:
        StageError: none, or pickles instead.
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
    raise StageError(f"{what}: no model.safetensors, nor shards of it")


def tensors(file: Path, what: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and content of each tensor of a safetensors file, one at a time.

    Raises:
        StageError: not safetensors, or cut short.
    """
    try:
        with safe_open(file, "pt") as held:
            for name in sorted(held.keys()):
                yield name, held.get_tensor(name)
    except (OSError, SafetensorError) as e:
        raise StageError(f"{what}: {file.name} is damaged or no safetensors ({one_line(e)})") from None


def weights_digest(folder: Path, what: str) -> str:
    """What a model's weights are, as ``sha256:`` and 64 hex digits: names, types, shapes and every bit of them.

    Neither the folder nor how the weights are spread over files counts.
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
    """A causal language model with every one of its weights from the folder's safetensors, in evaluation mode.

    Args:
        folder: as transformers saves a model; code in it is not run.
        what: what messages call it.
        dtype: of the weights.
        quantization_config: as for ``from_pretrained``.
        device_map: likewise.

    Raises:
        StageError: no model, one of an unknown kind, quantised already, or with a weight too few or too many.
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
            ignore_mismatched_sizes=True,  # to name them: ``complete`` refuses them
            output_loading_info=True,
        )
    complete(info, what)
    said = read_json(folder, CONFIG, what)
    for name in ("bos_token_id", "eos_token_id"):
        if name not in said:  # the library makes one up, which a saved copy would pass off as the model's own
            setattr(network.config, name, None)
    network.config.name_or_path = ""  # else a saved copy has this machine's paths in it
    return network.eval()


def settings(folder: Path, what: str) -> dict[str, Any]:
    """All that a folder's configuration says, and what the library takes for the rest.

    Raises:
        StageError: no model, one of an unknown kind, or quantised already.
    """
    with _opening(folder, what):
        said: dict[str, Any] = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        ).to_dict()
    return said


def skeleton(folder: Path, what: str) -> PreTrainedModel:
    """The network that a folder's configuration says, without weights.

    Raises:
        StageError: no model, one of an unknown kind, or quantised already.
    """
    with _opening(folder, what), torch.device("meta"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


@contextmanager
def _opening(folder: Path, what: str) -> Iterator[None]:
    """What the library says when it cannot open a model, in one line; and nothing else that it says."""
    config = read_json(folder, CONFIG, what)
    if "quantization_config" in config:
        raise StageError(f"{what}: its weights are stored quantised; expected them as they were before that")
    try:
        with hushed(transformers_logging):
            yield
    except UNREADABLE as e:
        kind = f"a {config.get('model_type', 'model')}, which cannot be opened as a language model"
        raise StageError(f"{what}: {kind} ({one_line(e)})") from None


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
        read_json(folder, path.name, what)  # the library has no type of its own for a damaged file
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
    for file in (CONFIG, GENERATION):
        if (folder / file).is_file():
            value: Any = read_json(folder, file, what).get(name)
            found.update(value if isinstance(value, list) else [] if value is None else [value])
    return found
