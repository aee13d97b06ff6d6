"""The stages of a pipeline's text: tokenizers are learnt or loaded, prompts drawn from captions and encoded once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Interval

from harness.artifact import Captions, EncodedPrompts, Json, Pipeline, Tokenizer
from harness.compute.seeds import drawn
from harness.errors import StageError
from harness.formats import image_folder
from harness.formats.image_folder import METADATA, Row, rows
from harness.sources.hub import Source
from harness.stage import Count, Job, Seed, stage

if TYPE_CHECKING:
    from torch import Tensor

LENGTH = 77
"""Number of tokens of a prompt, including start and end: CLIP's text encoders have this many positions."""
_START, _END = "<|startoftext|>", "<|endoftext|>"


@stage(version=1, software=("tokenizers", "transformers"))
def train_tokenizer(
    captions: tuple[Captions, ...], *, vocabulary: Annotated[int, Interval(ge=600, le=49408)], job: Job
) -> Tokenizer:
    """Learn a tokenizer from captions. It can encode any text; a frequent word takes one token.

    Args:
        captions: all sentences of all rows are read.
        vocabulary: maximum number of tokens; 256 bytes, each within a word and at its end, and two marks come first.
        job: gives the folder.

    Raises:
        StageError: there is no sentence.
    """
    from tokenizers import pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = CLIPTokenizer().backend_tokenizer
    sentences = list(_sentences(captions))
    if not sentences:
        raise StageError("no sentence to learn words from")
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(letters) - 2,
        initial_alphabet=letters,
        special_tokens=_word_ends(learner, sentences),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner.train_from_iterator(sentences, trainer=trainer)
    learnt = json.loads(learner.to_str())["model"]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += [word for word in sorted(learnt["vocab"], key=learnt["vocab"].get) if word not in set(words)]
    merges = [tuple(pair) for pair in learnt["merges"]]
    vocabulary_of = {word: index for index, word in enumerate([*words, _START, _END])}
    return _save(CLIPTokenizer(vocab=vocabulary_of, merges=merges, model_max_length=LENGTH), job)


def _word_ends(learner: Any, sentences: Sequence[str]) -> list[str]:
    """The letters that words end in, as tokens. The trainer would number them in the random order of a hash table, and
    of pairs that are equally frequent it merges the one with the smaller number first.
    """
    split = (learner.pre_tokenizer.pre_tokenize_str(learner.normalizer.normalize_str(s)) for s in sentences)
    return sorted({f"{word[-1]}</w>" for words in split for word, _ in words if word})


@stage(version=1, software=("transformers",))
def load_tokenizer(*, source: Source, job: Job) -> Tokenizer:
    """Load an existing CLIP tokenizer.

    Args:
        source: a folder with ``vocab.json`` and ``merges.txt``, or ``tokenizer.json``.
        job: gives the folder.

    Raises:
        StageError: a file is missing or damaged.
    """
    from transformers import CLIPTokenizer

    files = {path.name for path in source.path.iterdir()} if source.path.is_dir() else set()
    if not ({"vocab.json", "merges.txt"} <= files or "tokenizer.json" in files):
        raise StageError(
            f"{source.text}: no tokenizer: neither vocab.json with merges.txt nor tokenizer.json"
        )
    try:
        for file in sorted(source.path.glob("*.json")):
            json.loads(file.read_bytes())  # the library has no exception type for a damaged file
        tokenizer = CLIPTokenizer.from_pretrained(source.path, local_files_only=True)
    except (ValueError, KeyError, TypeError, OSError) as e:
        raise StageError(f"{source.text}: not a CLIP tokenizer ({e})") from None
    return _save(tokenizer, job)


def _sentences(captions: tuple[Captions, ...]) -> Iterator[str]:
    for folder in captions:
        for row in image_folder.rows(folder):
            yield from row.captions


def _save(tokenizer: Any, job: Job) -> Tokenizer:
    folder = job.folder()
    tokenizer.save_pretrained(folder)
    return Tokenizer(folder, facts={"vocabulary": len(tokenizer), "length": tokenizer.model_max_length})


EMBEDDINGS = "embeddings.safetensors"
_SHOWN = 3
"""Maximum number of too long prompts that the facts quote."""


@stage(version=1, software=("torch", "diffusers", "transformers"))
def encode(
    pipeline: Pipeline,
    captions: Captions,
    *,
    count: Count,
    positive: tuple[str, ...] = (),
    negative: tuple[str, ...] = (),
    caption: Literal["first", "random"] = "first",
    long_prompts: Literal["cut", "refuse"] = "cut",
    seed: Seed = 0,
    job: Job,
) -> EncodedPrompts:
    """Draw prompts from captions, without replacement, and encode each different one once, in fp32.

    If ``seed`` is swept along with the sampling's seed (``seeds: {drawn.seed: [0, 1, 2], images.seed: [0, 1, 2]}``),
    every repeat has its own prompts. If not, all repeats share one draw. They then differ by their noise only, and
    their spread is valid for these prompts only. With the same seed, a larger count begins with the prompts of a
    smaller one.

    Args:
        pipeline: its tokenizer and text encoder are used. The embeddings suit every pipeline with the same two, such
            as one of which only the UNet was fine-tuned.
        captions: each row that is drawn gives one prompt; with images or without.
        count: number of rows.
        positive: cues that end each prompt, after commas.
        negative: cues of the negative prompt, joined by commas; without any, it is empty.
        caption: which sentence of a row is used if it has several.
        long_prompts: whether a prompt with more tokens than the text encoder takes (77 in Stable Diffusion, including
            start and end) is cut and counted in the facts, or is an error.
        seed: seed for the draw of rows and of their sentences.
        job: its device and folder.

    Raises:
        StageError: fewer rows than ``count``, a row without a sentence or with a blank one, or a prompt that is too
            long if ``long_prompts`` is ``refuse``.
    """
    from safetensors.torch import save_file

    every = {row.name: row for row in rows(captions)}
    if count > len(every):
        raise StageError(
            f"count: {count} prompts from {len(every)} rows of captions; each row is drawn once at most"
        )
    chosen = [every[name] for name in drawn(every, seed)[:count]]
    sentences = [_sentence(row, caption, seed) for row in chosen]
    prompts = [_with_cues(sentence, positive) for sentence in sentences]
    different = list(dict.fromkeys(prompts))
    encoder = _Encoder.open(pipeline, job.device)
    lengths = {text: encoder.tokens(text) for text in (*different, _joined(negative))}
    too_long = [text for text in lengths if lengths[text] > encoder.limit]
    if too_long and long_prompts == "refuse":
        raise StageError(
            f"{len(too_long)} of {len(lengths)} prompts have more than {encoder.limit} tokens; "
            f"the first has {lengths[too_long[0]]}: {too_long[0]!r:.80}"
        )
    warnings: list[Json] = []
    if too_long:
        job.log(f"{len(too_long)} prompts have more than {encoder.limit} tokens, cut: {too_long[:_SHOWN]}")
        warnings.append(
            f"{len(too_long)} of {len(lengths)} different prompts have more than {encoder.limit} tokens and are cut; "
            "long_prompts: refuse makes that an error"
        )

    folder = job.folder()
    embeddings = {
        "prompts": encoder.encode(different, job),
        "negative": encoder.encode([_joined(negative)], job),
    }
    save_file(embeddings, folder / EMBEDDINGS)
    index = {text: i for i, text in enumerate(different)}
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for i, (row, sentence, text) in enumerate(zip(chosen, sentences, prompts, strict=True)):
            columns: dict[str, Json] = {
                "file_name": f"{i:05d}.png",
                "captions": [sentence],
                "prompt": text,
                "of": row.name,
                **({} if row.label is None else {"label": row.label}),
                "tokens": lengths[text],
                "cut": lengths[text] > encoder.limit,
                "row": index[text],
                **({"writer": row.columns["writer"]} if "writer" in row.columns else {}),
            }
            lines.write(json.dumps(columns, ensure_ascii=False) + "\n")
    quoted: list[Json] = [{"prompt": text, "tokens": lengths[text]} for text in too_long[:_SHOWN]]
    return EncodedPrompts(
        folder,
        facts={
            "count": count,
            "different": len(different),
            "positive": _joined(positive),
            "negative": _joined(negative),
            f"over_{encoder.limit}_tokens": {"count": len(too_long), "first": quoted},
            **({"warnings": warnings} if warnings else {}),
        },
    )


def _sentence(row: Row, which: Literal["first", "random"], seed: int) -> str:
    if not row.captions or not all(caption.strip() for caption in row.captions):
        raise StageError(f"{row.name}: no caption to make a prompt of, or a blank one")
    if which == "first":
        return row.captions[0]
    named = {f"{row.name}#{i}": sentence for i, sentence in enumerate(row.captions)}
    return named[drawn(named, seed)[0]]


def _with_cues(sentence: str, cues: Sequence[str]) -> str:
    """``a lake in a forest, aerial view, sharp``; a full stop before the cues is removed. No cues, no change."""
    return ", ".join([sentence.rstrip(" ."), *cues]) if cues else sentence


def _joined(cues: Sequence[str]) -> str:
    return ", ".join(cues)


@dataclass(frozen=True)
class _Encoder:
    """A pipeline's tokenizer and text encoder."""

    pipeline: Any
    device: str

    @classmethod
    def open(cls, pipeline: Pipeline, device: str) -> _Encoder:
        """Open only these two parts of the pipeline: its UNet has most of the weights."""
        import torch
        from diffusers import StableDiffusionPipeline
        from transformers import CLIPTextModel, CLIPTokenizer

        from harness.compute.weights import finite
        from harness.stages.systems.text_to_image.components import quiet, read_network

        what = "the pipeline: text_encoder"
        with quiet():
            network = read_network(pipeline.path / "text_encoder", what, CLIPTextModel, torch.float32)
            finite(network.state_dict(), what)
            parts = StableDiffusionPipeline(
                text_encoder=network,
                tokenizer=CLIPTokenizer.from_pretrained(pipeline.path / "tokenizer", local_files_only=True),
                vae=None,
                unet=None,
                scheduler=None,
                safety_checker=None,
                feature_extractor=None,
                requires_safety_checker=False,
            )
            return cls(parts.to(device), device)

    @property
    def limit(self) -> int:
        """Maximum number of tokens of a prompt, including start and end."""
        return int(self.pipeline.tokenizer.model_max_length)

    def tokens(self, text: str) -> int:
        """Number of tokens of a text, including start and end."""
        return len(self.pipeline.tokenizer(text, verbose=False).input_ids)

    def encode(self, texts: Sequence[str], job: Job) -> Tensor:
        """Float32 embeddings (len(texts), T, D) on the CPU, computed one by one, so that no text depends on another."""
        import torch

        from harness.stages.systems.text_to_image.components import quiet

        embeddings = []
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), quiet(), exact:
            for text in texts:
                embedding, _ = self.pipeline.encode_prompt(
                    text, self.device, 1, do_classifier_free_guidance=False
                )
                embeddings.append(embedding.cpu())
                job.progress(len(embeddings), len(texts), "prompts")
        return torch.cat(embeddings).contiguous()
