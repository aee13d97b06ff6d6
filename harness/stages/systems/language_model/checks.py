"""What must be true of a language model from elsewhere; each failure is one line that names the part."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from harness.compute.quiet import hushed
from harness.compute.weights import UNREADABLE, complete, one_line
from harness.data.pickles import PICKLED, refusal
from harness.errors import StageError

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
