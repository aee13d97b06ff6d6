"""LoRA adapters and the four bits below them: what base each was trained on, how it is recognised and quantised."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from bitsandbytes.nn.modules import Linear4bit
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import get_keys_to_not_convert

from harness.artifact import Json
from harness.compute.weights import UNREADABLE, finite, one_line, some
from harness.errors import StageError
from harness.sources.content import PICKLED, refusal
from harness.stages.systems.language_model import checks
from harness.stages.systems.language_model.checks import read_tokenizer

Compute = Literal["fp32", "bf16", "fp16"]
"""The types that bitsandbytes can compute in with four-bit layers."""

BLOCK = 64
"""Number of weights that share a scale."""


@dataclass(frozen=True)
class Quantisation:
    """How QLoRA stores the weights of a base (Dettmers et al. 2023): blocks of 64 in 4 bits, each with a scale."""

    type: Literal["nf4"]
    """The set of sixteen values: those of ``nf4`` are quantiles of a normal distribution."""
    double: bool
    """Whether the scales are quantised too, to 8 bits in blocks of 256."""
    compute: Compute
    """The type that the weights were unpacked to for each product when this was recorded, and of all other weights."""

    @classmethod
    def of_qlora(cls, compute: Compute) -> Quantisation:
        """The QLoRA paper's quantisation: NF4 with double quantisation."""
        return cls("nf4", True, compute)

    def to_json(self) -> dict[str, Json]:
        """The form used in an adapter's ``training.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Json, what: str) -> Quantisation:
        """Read what ``to_json`` wrote.

        Raises:
            StageError: a quantisation that is not supported here.
        """
        match said:
            case {"type": "nf4", "double": bool(double), "compute": "fp32" | "bf16" | "fp16" as compute}:
                return cls("nf4", double, compute)
        raise StageError(
            f"{what}: quantisation {said}; expected type nf4, double true or false, "
            f"compute {', '.join(get_args(Compute))}"
        )


def quantised(
    folder: Path, quantisation: Quantisation, dtype: torch.dtype, device: str, what: str = "the base"
) -> PreTrainedModel:
    """Open a model with its linear layers in four bits, in evaluation mode.

    Embeddings, norms and the head are not quantised. Nor are layers whose number of inputs is not a multiple of 64:
    some of their blocks would span two rows, and bitsandbytes (0.50) silently unpacks such blocks with the wrong scale
    on a CPU. Large models have no such layers.

    The weights are quantised from fp32, which represents every stored type exactly, so the bits do not depend on the
    type of the arithmetic.

    Args:
        folder: a model in the format of transformers, not an adapter.
        quantisation: how the layers are quantised.
        dtype: type of all other weights and of the arithmetic; it may differ from ``quantisation.compute``.
        device: device that it is moved to, tensor by tensor; a CPU works too.
        what: its name in messages.

    Raises:
        StageError: as for a model that is not quantised; a model without linear layers to quantise.
    """
    for file in checks.weight_files(folder, what):
        for name, tensor in checks.tensors(file, what):
            finite({name: tensor}, what)  # four-bit values have no NaN
    skeleton = checks.skeleton(folder, what)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantisation.type,
        bnb_4bit_use_double_quant=quantisation.double,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=[*get_keys_to_not_convert(skeleton), *_uneven(skeleton)],
    )
    network = checks.read_network(
        folder, what, torch.float32, quantization_config=config, device_map={"": device}
    )
    layers = [module for module in network.modules() if isinstance(module, Linear4bit)]
    if not layers:
        raise StageError(f"{what}: {type(network).__name__} has no linear layer that can be quantised")
    for layer in layers:
        # The packed kernel always computes in bf16, and packed weights cannot be trained on again
        # (a forward pass in evaluation mode packs them).
        layer.support_avx512bf16_for_cpu = False
    _cast_others(network, dtype, what)
    return network


def _uneven(network: PreTrainedModel) -> list[str]:
    """Names of the linear layers whose rows are not a whole number of blocks."""
    inputs = {
        name: module.weight.shape[0 if isinstance(module, Conv1D) else 1]
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    }
    return [name for name, width in inputs.items() if width % BLOCK]


def _cast_others(network: Any, dtype: torch.dtype, what: str) -> None:
    """Cast what is not in four bits to another type; ``to`` refuses a quantised model as a whole."""
    for module in network.modules():
        if not isinstance(module, Linear4bit):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    finite({n: p for n, p in network.named_parameters() if p.dtype == dtype}, what)


_OF_THE_FILE = frozenset(
    {
        *("_name_or_path", "architectures", "dtype", "transformers_version", "use_cache"),
        *("bos_token_id", "eos_token_id", "pad_token_id"),
    }
)
"""Settings that do not identify a model: paths, library versions, and what the tokenizer specifies as well."""

_SAMPLE = "Don't: 3.5 km² at 10 m,\n\tCafé Übersee — снег, 雪, ثلج, หิมะ 🛰️  end."
"""Sample for comparing how tokenizers split text, which their vocabularies alone do not determine."""


@dataclass(frozen=True)
class Identity:
    """What identifies a model, independent of its path, its number of files and the library version that wrote it."""

    weights: str
    """``sha256:`` digest of names, types, shapes and every bit (``checks.weights_digest``)."""
    tokenizer: str
    """``sha256:`` digest of its tokens with their ids, and of how it splits a sample."""
    settings: Mapping[str, Json]
    """The configuration, including the library's defaults: ``rope_parameters.rope_theta`` → 10000.0."""

    @classmethod
    def of(cls, folder: Path, what: str) -> Identity:
        """Identity of the model in ``folder``, which messages call ``what``.

        Raises:
            StageError: weights, tokenizer or configuration cannot be read.
        """
        said = _flat(json.loads(json.dumps(checks.settings(folder, what))))
        return cls(
            checks.weights_digest(folder, what),
            _tokens_digest(read_tokenizer(folder, what)),
            {name: value for name, value in said if name.rpartition(".")[2] not in _OF_THE_FILE},
        )

    def to_json(self) -> dict[str, Json]:
        """The form used in an adapter's ``training.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Any, what: str) -> Identity:
        """Read what ``to_json`` wrote.

        Raises:
            StageError: it is not what ``to_json`` writes.
        """
        match said:
            case {"weights": str(weights), "tokenizer": str(tokenizer), "settings": dict(settings)}:
                return cls(weights, tokenizer, settings)
        raise StageError(f"{what}: does not say what its base is (weights, tokenizer and settings)")

    def difference(self, given: Identity) -> str:
        """A description of how another model differs from this one; empty if it is the same.

        Settings that only one side has come from another version of the library and are ignored.
        """
        if given.weights != self.weights:
            return f"its weights are {self.weights[:19]}…, those given {given.weights[:19]}…"
        if given.tokenizer != self.tokenizer:
            return "it has the same weights, but another tokenizer"
        changed = [
            f"{name} ({self.settings[name]}, given {given.settings[name]})"
            for name in sorted(self.settings.keys() & given.settings.keys())
            if self.settings[name] != given.settings[name]
        ]
        return f"it has the same weights, but other settings: {some(changed)}" if changed else ""


def _tokens_digest(tokenizer: PreTrainedTokenizerFast) -> str:
    said = [sorted(tokenizer.get_vocab().items()), tokenizer(_SAMPLE).input_ids]
    return f"sha256:{sha256(json.dumps(said).encode()).hexdigest()}"


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Json]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


TRAINING = "training.json"
WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Training:
    """The base that an adapter was trained on, without which the adapter is useless."""

    base: Identity
    quantisation: Quantisation | None
    """How the base was quantised during training."""

    def write(self, folder: Path) -> None:
        """Write ``training.json`` next to the adapter's weights."""
        how = None if self.quantisation is None else self.quantisation.to_json()
        said = {"base": self.base.to_json(), "quantisation": how}
        (folder / TRAINING).write_text(json.dumps(said, indent=1), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, what: str) -> Training:
        """Read what ``write`` wrote.

        Raises:
            StageError: the file is missing or has another format.
        """
        if not (folder / TRAINING).is_file():
            raise StageError(
                f"{what}: an adapter without {TRAINING}; language_model.load notes there what base it is for"
            )
        said = checks.read_json(folder, TRAINING, what)
        base, quantisation = (
            Identity.from_json(said.get("base"), f"{what}: {TRAINING}"),
            said.get("quantisation"),
        )
        return cls(base, None if quantisation is None else Quantisation.from_json(quantisation, what))

    def check(self, base: Path, what: str) -> None:
        """Raises StageError if ``base`` is not what the adapter ``what`` was trained on."""
        refuse_adapter(base, what)
        if difference := self.base.difference(Identity.of(base, "the base")):
            raise StageError(f"{what}: trained on another base ({difference})")


def refuse_adapter(base: Path, what: str) -> None:
    """Raises StageError if the base of the adapter ``what`` is itself an adapter."""
    if checks.is_adapter(base):
        raise StageError(f"{what}: its base is an adapter itself; expected the model that it was trained on")


def attach(network: PreTrainedModel, folder: Path, what: str) -> PeftModel:
    """Apply an adapter to its base, in evaluation mode.

    Args:
        network: the base, as it was when the adapter was trained. It is changed in place, and the result wraps it.
        folder: a LoRA adapter in the format of PEFT.
        what: its name in messages.

    Raises:
        StageError: not a LoRA adapter, a pickle, or a weight that does not belong to the base, is missing, of another
            shape or not finite.
    """
    check_files(folder, what)
    kind = checks.read_json(folder, checks.ADAPTER, what).get("peft_type")
    if kind != "LORA":
        raise StageError(f"{what}: an adapter of type {kind}; expected LORA")
    state = dict(checks.tensors(folder / WEIGHTS, what))
    finite(state, what)
    try:
        config = LoraConfig.from_pretrained(str(folder))
        config.inference_mode = True
        config.base_model_name_or_path = None  # a path on the machine that trained it
        adapted = get_peft_model(network, config)
        result = set_peft_model_state_dict(adapted, state)
    except UNREADABLE as e:
        raise StageError(f"{what}: does not fit the base ({one_line(e)})") from None
    if result.unexpected_keys:
        # The library ignores such weights: at worst the adapter would have no effect at all.
        raise StageError(f"{what}: the base has no place for {some(sorted(result.unexpected_keys))}")
    if missing := sorted(name for name in result.missing_keys if ".default." in name):
        raise StageError(f"{what}: no weights for {some(missing)}")
    return adapted.eval()


def adapter_size(adapted: PeftModel) -> int:
    """Number of parameters of the adapter on a base."""
    return sum(p.numel() for name, p in adapted.named_parameters() if ".default." in name)


def check_files(folder: Path, what: str) -> None:
    """Raises StageError if an adapter's weights are missing or a pickle."""
    if (folder / WEIGHTS).is_file():
        return
    if pickles := sorted(path for path in folder.iterdir() if path.suffix in PICKLED):
        name = pickles[0].name
        convert = (
            'python -c "import torch, safetensors.torch as s; '
            f"s.save_file(torch.load('{name}', map_location='cpu', weights_only=True), '{WEIGHTS}')\""
        )
        raise StageError(f"{what}: {refusal(name, convert)}")
    raise StageError(f"{what}: no {WEIGHTS}")
