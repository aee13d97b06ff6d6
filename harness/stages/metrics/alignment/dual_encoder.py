"""A dual encoder (CLIP or SigLIP): opening it from a folder, encoding images and sentences, comparing the vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor, SiglipModel, SiglipProcessor

from harness.compute.behaviour import repeatable
from harness.compute.device import exact
from harness.compute.weights import UNREADABLE, finite, held, one_line
from harness.errors import StageError
from harness.sources.content import PICKLED, refusal

TIE = 1e-6
"""Cosines of fp32 vectors that differ by less are treated as equal: their last digits depend on the batch size."""
BLOCK = 2**22


class Matches(NamedTuple):
    """Scores of each image, float64 of shape (N,)."""

    alignment: Tensor
    """Mean cosine with the image's own sentences; a sentence that it has twice counts twice."""
    shuffled: Tensor
    """Expected cosine with the sentence of another image. A draw takes any of the N rows, then one of its sentences;
    draws of a sentence that this image has too are left out. NaN if no other image has another sentence.
    """
    first: Tensor
    """1 if the sentence with the largest cosine, among all different ones, is the image's own, else 0. If t sentences
    tie for the first place and o of them are its own, o / t.
    """


def match(images: Tensor, sentences: Tensor, row: Tensor, own: Tensor, block: int = BLOCK) -> Matches:
    """Compare every image with every sentence; memory O((N + U) D), whatever the number of pairs.

    Args:
        images: unit vectors, (N, D).
        sentences: unit vectors of the U different sentences, (U, D).
        row: int64 (M,): for each caption, the index of its image; every image has at least one.
        own: int64 (M,): for each caption, the index of its sentence.
        block: cosines in memory at a time when sentences are ranked.
    """
    images, sentences = images.double(), sentences.double()
    count = len(images)
    weight = 1 / torch.bincount(row, minlength=count).double()[row]
    commonness = torch.zeros(len(sentences), dtype=torch.float64).index_add_(0, own, weight)

    def of_each_image(at: Tensor, values: Tensor) -> Tensor:
        return torch.zeros(count, *values.shape[1:], dtype=torch.float64).index_add_(0, at, values)

    means = of_each_image(row, weight[:, None] * sentences[own])
    which, what = torch.stack([row, own]).unique(dim=1)  # a caption that an image has twice is left out once
    shared = of_each_image(which, commonness[what, None] * sentences[what])
    others = count - of_each_image(which, commonness[what])
    others[others < TIE] = torch.nan
    return Matches(
        alignment=(images * means).sum(dim=1),
        shuffled=(images * (means.sum(dim=0) - shared)).sum(dim=1) / others,
        first=_first(images, sentences, which, what, block),
    )


def _first(images: Tensor, sentences: Tensor, which: Tensor, what: Tensor, block: int) -> Tensor:
    """``Matches.first``; ``which`` and ``what`` are the pairs of an image and its sentence, each once."""
    shares = []
    step = max(1, block // len(sentences))
    for start in range(0, len(images), step):
        cosines = images[start : start + step] @ sentences.T
        here = (which >= start) & (which < start + step)
        belongs = torch.zeros_like(cosines, dtype=torch.bool)
        belongs[which[here] - start, what[here]] = True
        ahead = cosines >= cosines.amax(dim=1, keepdim=True) - TIE
        shares.append((ahead & belongs).sum(dim=1).double() / ahead.sum(dim=1))
    return torch.cat(shares)


CONFIG = "config.json"
_KINDS: dict[str, tuple[Any, Any]] = {
    "clip": (CLIPModel, CLIPProcessor),
    "siglip": (SiglipModel, SiglipProcessor),
}
"""``model_type`` of the configuration → its network class and its processor class."""
_WORDS = ({"tokenizer.json"}, {"vocab.json", "merges.txt"}, {"spiece.model"})
"""Sets of files that a tokenizer may be stored in."""


class Tokens(NamedTuple):
    """Sentences as token ids for the text tower."""

    ids: Tensor
    """int64 (S, L), padded to the L positions of the text tower."""
    cut: int
    """Number of sentences that had more than L tokens and were truncated."""


@dataclass(frozen=True)
class DualEncoder:
    """Network and processor; all computation is in fp32."""

    network: Any
    processor: Any
    device: str

    def tokens(self, sentences: Sequence[str]) -> Tokens:
        """Token ids of sentences, always padded to the same length.

        SigLIP was trained with this padding. It does not affect CLIP, which uses only the tokens up to the end token.
        """
        length = self.network.config.text_config.max_position_embeddings
        tokenizer = self.processor.tokenizer
        whole = tokenizer(list(sentences)).input_ids
        padded = tokenizer(
            list(sentences), padding="max_length", truncation=True, max_length=length, return_tensors="pt"
        )
        return Tokens(padded.input_ids, sum(len(ids) > length for ids in whole))

    def images(self, pictures: Sequence[Any]) -> Tensor:
        """PIL images in RGB to unit vectors, float32 (n, D), on the CPU."""
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt").pixel_values
        return self._unit(self.network.get_image_features, pixels)

    def sentences(self, ids: Tensor) -> Tensor:
        """Token ids (n, L) to unit vectors, float32 (n, D), on the CPU."""
        return self._unit(self.network.get_text_features, ids)

    def _unit(self, tower: Any, given: Tensor) -> Tensor:
        with torch.inference_mode(), exact():
            made = tower(given.to(self.device)).pooler_output
            unit = torch.nn.functional.normalize(made.float(), dim=-1).cpu()
        if not bool(unit.isfinite().all()):
            raise StageError("the image-text model makes vectors that are not finite numbers")
        return unit


def open_encoder(folder: Path, what: str, device: str) -> DualEncoder:
    """A dual encoder in the layout of ``transformers``, ready to run.

    Args:
        folder: configuration, safetensors, and the files of its processor; no code in it is run.
        what: the model's name in messages.
        device: the device of the network.

    Raises:
        StageError: it is not a dual encoder, a file is missing or damaged, a weight is missing or not finite, or it
            does not turn an image and a sentence into vectors of one length.
    """
    network_class, processor_class = _KINDS[_kind(folder, what)]
    _check_files(folder, what)
    try:
        network, info = network_class.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        processor = processor_class.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except UNREADABLE as e:
        raise StageError(f"{what}: cannot be opened as an image-text model ({one_line(e)})") from None
    if missing := sorted(info["missing_keys"]):
        raise StageError(f"{what}: no weights for {missing[0]} ({len(missing)} tensors)")
    finite(network.state_dict(), what)
    encoder = DualEncoder(network.eval().to(device), processor, device)
    _try_out(encoder, what)
    return encoder


def _kind(folder: Path, what: str) -> str:
    try:
        kind = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_type"]
    except FileNotFoundError:
        raise StageError(
            f"{what}: no {CONFIG} in {held(folder)}; expected a CLIP or SigLIP model's folder as transformers saves it"
        ) from None
    except KeyError:
        raise StageError(f"{what}: {held(folder)}; expected {' or '.join(_KINDS)} of transformers") from None
    except (OSError, ValueError, TypeError) as e:
        raise StageError(f"{what}: {CONFIG} cannot be read ({one_line(e)})") from None
    if kind not in _KINDS:
        raise StageError(f"{what}: {held(folder)} (model_type {kind}); expected {' or '.join(_KINDS)}")
    return str(kind)


def _check_files(folder: Path, what: str) -> None:
    """Check for safetensors and tokenizer files: without the latter the library makes an empty tokenizer."""
    names = sorted(path.name for path in folder.iterdir())
    if not any(words <= set(names) for words in _WORDS):
        raise StageError(
            f"{what}: no tokenizer; expected {', or '.join(' and '.join(sorted(words)) for words in _WORDS)}"
        )
    if any(name.endswith(".safetensors") for name in names):
        return
    if pickles := [name for name in names if Path(name).suffix in PICKLED]:
        convert = (
            'python -c "from transformers import AutoModel, AutoProcessor; '
            f"[A.from_pretrained('{folder.name}').save_pretrained('{folder.name}-safe') "
            'for A in (AutoModel, AutoProcessor)]"'
        )
        raise StageError(f"{what}: {refusal(pickles[0], convert)}")
    raise StageError(f"{what}: no safetensors")


def _try_out(encoder: DualEncoder, what: str) -> None:
    """Check that tokenizer, image processor and both towers fit together, so that errors show before the sampling.

    Both towers must be ``repeatable``.
    """
    from PIL import Image

    words, known = len(encoder.processor.tokenizer), encoder.network.config.text_config.vocab_size
    if words > known:
        raise StageError(f"{what}: the tokenizer has {words} tokens, the text tower knows {known}")
    try:
        pictures = [Image.linear_gradient("L").rotate(turn).convert("RGB") for turn in (0, 90, 45)]
        ids = encoder.tokens(["a lake", "two roads and a river between fields", "snow"]).ids
        image = repeatable(lambda count: encoder.images(pictures[:count]), encoder.network, what)
        sentence = repeatable(lambda count: encoder.sentences(ids[:count]), encoder.network, what)
    except StageError:
        raise
    except UNREADABLE as e:
        raise StageError(f"{what}: does not take an image and a sentence ({one_line(e)})") from None
    if image.shape != sentence.shape:
        raise StageError(f"{what}: {image.shape[1]} features of images, {sentence.shape[1]} of sentences")
