"""What a base is recognised by: its weights, its tokens, and the settings that say what the weights compute."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from harness.artifact import Json
from harness.compute.weights import some
from harness.errors import StageError
from harness.systems.language_model.models import checks
from harness.systems.language_model.models.tokenizers import read_tokenizer

_OF_THE_FILE = frozenset(
    {
        *("_name_or_path", "architectures", "dtype", "transformers_version", "use_cache"),
        *("bos_token_id", "eos_token_id", "pad_token_id"),
    }
)
"""Settings that say where a copy lies and who wrote it, or repeat what the tokenizer says."""

_SAMPLE = "Don't: 3.5 km² at 10 m,\n\tCafé Übersee — снег, 雪, ثلج, หิมะ 🛰️  end."
"""Shows how a tokenizer divides what its list of tokens leaves open."""


@dataclass(frozen=True)
class Identity:
    """Of a model, wherever it lies, in how many files, and whichever version of a library wrote it."""

    weights: str
    """``sha256:`` of names, types, shapes and every bit (``checks.weights_digest``)."""
    tokenizer: str
    """``sha256:`` of its tokens with their numbers, and of how it divides a sample."""
    settings: Mapping[str, Json]
    """Of the configuration, the library's defaults included: ``rope_parameters.rope_theta`` → 10000.0."""

    @classmethod
    def of(cls, folder: Path, what: str) -> Identity:
        """Of the model in ``folder``, which messages call ``what``.

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
        """As in an adapter's ``training.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Any, what: str) -> Identity:
        """Read what ``to_json`` wrote.

        Raises:
            StageError: something else.
        """
        match said:
            case {"weights": str(weights), "tokenizer": str(tokenizer), "settings": dict(settings)}:
                return cls(weights, tokenizer, settings)
        raise StageError(f"{what}: does not say what its base is (weights, tokenizer and settings)")

    def difference(self, given: Identity) -> str:
        """In what another model differs from this one, in words; empty where it is the same.

        Settings that only one side knows come from another version of the library, and are left out.
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
