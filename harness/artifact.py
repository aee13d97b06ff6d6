"""The kinds of artifact that stages pass to one another.

A kind defines what a folder holds, so that the planner can refuse invalid wiring. Kinds have no behaviour and no heavy
imports: each format is read and written by the module that owns it (``data/image_folder.py`` for images).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

__contract__ = "how stages talk to the harness, not what they compute: no part of a source digest"

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None


@dataclass(frozen=True)
class Artifact:
    """The output of a stage: a folder, and facts that are useful without opening it."""

    path: Path
    """The folder. Inside a stage, the one returned by ``job.folder()``; later, the stored, read-only one."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """Small and JSON-safe: counts, class names, what was skipped and why. Shown in the record."""
    conditions: Mapping[str, Json] = field(default_factory=dict)
    """Observations during the run that determine whether two scores can be compared, such as a batch size at half
    precision. Become part of the protocol of every score that depends on this artifact."""


class Images(Artifact):
    """An image folder: ``metadata.jsonl`` with one row per image, ``file_name`` relative to the folder."""


class Captions(Artifact):
    """``metadata.jsonl`` whose rows have ``captions``, a list of sentences (there may be no images)."""


class LabelledImages(Images):
    """Rows have ``label``, a class name; ``facts["classes"]`` lists the class names in index order."""


class CaptionedImages(Images, Captions):
    """Images with their captions."""


class Scenes(LabelledImages, CaptionedImages):
    """Images with a class and captions."""


class Classifier(Artifact):
    """A trained image classifier: ``model.safetensors`` and ``classifier.json`` (how to build and feed it)."""


class Predictions(Artifact):
    """``predictions.parquet``: ``item`` str, ``label`` int64, ``logits`` list<float32> of length C, where
    C classes are named in ``facts["classes"]``. If only the predicted class of an item is known, ``logits`` is empty
    and ``prediction`` int64 has it. ``cluster`` str, if items are not independent.
    """


class GeneratedImages(CaptionedImages):
    """Images of a generator, one per prompt.

    Rows have ``captions``, only the prompt; ``of``, the ``file_name`` of the real row that the prompt is from, if there
    is one; ``label``, if that row has one.
    """


class GeneratedScenes(Scenes, GeneratedImages):
    """Images of a generator, each with the class that its prompt asks for."""


class Tokenizer(Artifact):
    """A CLIP tokenizer as ``transformers`` saves it."""


class Pipeline(Artifact):
    """A text-to-image pipeline as ``diffusers`` saves it (``model_index.json``), weights as safetensors only."""


class FinetunedPipeline(Pipeline):
    """A pipeline after its training, with its ``checkpoints/<step>/`` if any were kept."""


class EncodedPrompts(Artifact):
    """Prompts as a pipeline's text encoder sees them: ``metadata.jsonl`` with one row per image to be made
    (``captions``, ``of`` and ``label`` as in ``GeneratedImages``; ``tokens``, how many the prompt has;
    ``row``, its index in the embeddings) and ``embeddings.safetensors`` (``prompts`` of shape (P, T, D),
    one per different prompt, and ``negative`` of shape (1, T, D)).
    """


class Extractor(Artifact):
    """A network from image to feature vector: ``extractor.json`` (how to build and feed it) and its weights."""


class Features(Artifact):
    """``features.npy``, float32 of shape (N, D), and ``metadata.jsonl`` with one row per vector: ``item``, the
    image's ``file_name``, and ``label`` if it has one. ``facts["extractor"]`` is the extractor's digest.
    """


class ImageTextModel(Artifact):
    """A dual encoder of images and sentences, as ``transformers`` saves a CLIP model with its processor."""


class Corpus(Artifact):
    """``corpus.parquet``, one row per page or text as it was read, or per chunk: ``text`` str; ``document`` str;
    ``page`` int32 on which it begins, from 1, or 0 if the source has no pages; ``row`` int32 within its
    document.
    """


class LanguageModel(Artifact):
    """A causal language model with its tokenizer, as ``transformers`` saves them; or an adapter, as PEFT saves one,
    with ``training.json``: the base it was trained on and its quantisation. An adapter is opened on that base only.
    """


class Likelihoods(Artifact):
    """``likelihoods.parquet``, one row per scored text: ``item`` str, ``document`` str, ``tokens`` int64 and ``bytes``
    int64 that were predicted, ``nll`` float64, the sum of their negative log-likelihoods in nats.
    """


class Texts(Artifact):
    """``metadata.jsonl`` with one row per text: ``prompt``, ``text`` (what followed it), ``tokens`` (how many)."""


class TextEmbedder(Artifact):
    """A model from text to a vector of length 1: ``embedder.json`` (how to open it) and its weights."""


class Index(Artifact):
    """Passages of a corpus that can be looked up: ``passages.parquet`` (``id`` str, ``text`` str, ``document`` str,
    ``page`` int32, ``vector`` list<float32>), the Chroma collection made of them, and ``index.json``.
    """


class Prompts(Captions):
    """``metadata.jsonl`` with one row per prompt: ``file_name``, a name for it; ``captions``, the prompt alone;
    ``label``, its class; ``writer``; ``passages``, the retrieved passages behind it (``id``, ``document``, ``page``,
    ``text``), empty if there are none. ``facts["classes"]`` lists the class names.
    """


class DataSet(Artifact):
    """A folder for ``datasets.load_dataset``: ``data/*.parquet`` and the data set's card, ``README.md``."""


class Ratings(Artifact):
    """``ratings.json``, the ratings of images in a review, as written by ``harness review collect``."""
