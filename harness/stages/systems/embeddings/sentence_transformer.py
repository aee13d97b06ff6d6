"""Models of the sentence-transformers library: opened from local files only, checked, and run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel, MT5EncoderModel, T5EncoderModel, UMT5EncoderModel
from transformers.utils import logging as transformers_logging

from harness.compute.behaviour import repeatable
from harness.compute.weights import UNREADABLE, complete, finite, header, held, hushed, one_line
from harness.errors import StageError
from harness.formats.embedder import read_description
from harness.sources.content import PICKLED, refusal
from harness.stages.systems.embeddings import normalised

MODULES = "modules.json"
_KNOWN = ("Transformer", "Pooling", "Normalize", "Dense")
_WITH_WEIGHTS = ("Transformer", "Dense")
_ENCODERS = {"t5": T5EncoderModel, "mt5": MT5EncoderModel, "umt5": UMT5EncoderModel}
"""Of models with a decoder the library takes the encoder, whose weights are all that is stored (sentence-t5)."""
_TEXTS = ("a lake", "two roads and a river between green fields", "snow on the roofs")
_FP32: dict[str, Any] = {"dtype": torch.float32, "use_safetensors": True}


class SentenceEmbedder:
    """A model in fp32. Its own files specify the pooling and the prefixes of queries and texts."""

    def __init__(self, network: SentenceTransformer, name: str, digest: str) -> None:
        self.network = network
        self.name = name
        self.digest = digest
        self.dimensions = int(network.get_embedding_dimension())
        marks = network.tokenizer.num_special_tokens_to_add()
        self.context = network.max_seq_length and int(network.max_seq_length) - marks

    @classmethod
    def open(cls, folder: Path, digest: str, device: str) -> SentenceEmbedder:
        """Open what ``embeddings.load`` produced.

        Raises:
            StageError: it is damaged.
        """
        name = str(read_description(folder)["name"])
        check_files(folder, name)
        return cls(read(folder, name).to(device), name, digest)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder``; tokens beyond ``context`` are ignored. The batch changes the last digits only."""
        return self._vectors(texts, self.network.encode_document)

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See ``Embedder``."""
        return self._vectors(texts, self.network.encode_query)

    def tokens(self, text: str) -> list[str]:
        """See ``Embedder``."""
        return list(self.network.tokenizer.tokenize(text))

    def _vectors(self, texts: Sequence[str], encode: Any) -> NDArray[np.float32]:
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        vectors = encode(list(texts), show_progress_bar=False, convert_to_numpy=True)
        if not np.isfinite(vectors).all():
            raise StageError(f"{self.name}: a vector that is not finite, for one of {len(texts)} texts")
        return normalised(vectors)


def check_files(folder: Path, what: str) -> None:
    """Check that a model has only known modules and that all its weights are safetensors. Does not open the weights.

    Raises:
        StageError: not a model of the library, an unknown module, a pickle, damaged or missing weights.
    """
    try:
        parts = json.loads((folder / MODULES).read_text(encoding="utf-8"))
        named = [(str(part["type"]), folder / str(part["path"])) for part in parts]
    except FileNotFoundError:
        raise StageError(
            f"{what}: no {MODULES} in {held(folder)}; expected a model's folder as sentence-transformers saves it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise StageError(f"{what}: {MODULES} cannot be read ({one_line(e)})") from None
    for kind, place in named:
        word = kind.rpartition(".")[2]
        if not kind.startswith("sentence_transformers.") or word not in _KNOWN:
            raise StageError(
                f"{what}: a part of type {kind}; expected {', '.join(_KNOWN)} of sentence_transformers"
            )
        if not place.resolve().is_relative_to(folder.resolve()):
            raise StageError(f"{what}: {MODULES} leads out of the folder, to {place.name}")
        if word in _WITH_WEIGHTS:
            _check_weights(place, what)


def _check_weights(place: Path, what: str) -> None:
    files = sorted(place.glob("model*.safetensors"))
    for file in files:
        header(file, what)
    if not files:
        pickles = sorted(path.name for path in place.glob("*") if path.suffix in PICKLED)
        if pickles:
            convert = (
                'python -c "from sentence_transformers import SentenceTransformer as S; '
                f"S('{place.name}').save_pretrained('{place.name}-safe')\""
            )
            raise StageError(f"{what}: {refusal(pickles[0], convert)}")
        raise StageError(f"{what}: no model.safetensors in {place.name}")


def read(folder: Path, what: str) -> SentenceTransformer:
    """The model in fp32 on the CPU, from this folder's files only; code in it is not run.

    Raises:
        StageError: it cannot be opened, a weight is not finite, or the network is not ``repeatable``.
    """
    with _opening(what):
        network = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False, model_kwargs=_FP32
        )
    finite(network.state_dict(), what)
    network.eval()
    with _opening(what):
        repeatable(lambda count: network.encode(list(_TEXTS[:count]), convert_to_tensor=True), network, what)
    return network


def account(folder: Path, what: str) -> None:
    """Check that the weights in the files are exactly those that the transformer needs.

    Raises:
        StageError: a weight is missing, unexpected or of another shape.
    """
    with _opening(what):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        kind: Any = _ENCODERS.get(config.model_type, AutoModel)
        _, info = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # so that ``complete`` can name and refuse them
            output_loading_info=True,
            **_FP32,
        )
    complete(info, what)


def save(network: SentenceTransformer, folder: Path) -> None:
    """Save a model in the format of its library."""
    network.transformers_model.config.name_or_path = ""  # else a saved copy contains this machine's paths
    with hushed(transformers_logging):
        network.save_pretrained(str(folder), create_model_card=False)


@contextmanager
def _opening(what: str) -> Iterator[None]:
    """Turn the libraries' errors on opening a model into one line, and suppress their other output."""
    try:
        with hushed(transformers_logging):
            yield
    except UNREADABLE as e:
        raise StageError(
            f"{what}: cannot be opened as a sentence-transformers model ({one_line(e)})"
        ) from None
