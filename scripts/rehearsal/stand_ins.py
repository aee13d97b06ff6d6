"""A mirror of stand-ins: tiny random models and small data under published names, in the layouts of the hub.

Models are written by ``save_pretrained`` of the libraries that the real ones were written with, data by ``datasets``.
Each repository has the commit that the suites name, so that it is found as the real one would be.
"""

from __future__ import annotations

import io
import json
import random
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import timm
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from PIL import Image
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
)

from harness.stages.metrics.features.foreign_networks import Inception

CLASSES = ("bareland", "desert", "farmland", "meadow", "pond", "river", "forest", "airport")
LAND_COVER = (
    "Bare Land",
    "Crop Land",
    "Cultivated Vegetation",
    "Natural Vegetation",
    "Snow Ice",
    "Water Body",
    "Woody Vegetation",
)
MISTRAL_CHAT = (
    "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
)
"""As Mistral-7B-Instruct-v0.2 has it: no system message, and turns alternate."""

Maker = Callable[[Path], None]


def write(mirror: Path, commits: Mapping[str, str | None]) -> None:
    """Fill a mirror.

    Args:
        mirror: the folder that will hold ``org/name`` folders.
        commits: repository → the commit that suites name, None where they name none; all must be known here.

    Raises:
        KeyError: a repository that has no stand-in.
    """
    for repo, commit in commits.items():
        folder = mirror / repo
        folder.mkdir(parents=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            MAKERS[repo](folder)
        if commit is not None:
            (folder / ".revision").write_text(f"{commit}\n")


def named(suites: Iterable[Path]) -> dict[str, str | None]:
    """Repository → commit, of all that has a stand-in and that these suites name."""
    found: dict[str, str | None] = {}
    for file in suites:
        for repo, commit in re.findall(
            r"([\w.-]+/[\w.-]+)@(unpinned|[0-9a-f]{40})", file.read_text(encoding="utf-8")
        ):
            if repo in MAKERS:
                found[repo] = commit if commit != "unpinned" else found.get(repo)
    return found


def write_weights(folder: Path) -> None:
    """Random weights of Inception as torch-fidelity publishes them (a pickle), and of a ResNet-18 without its head."""
    folder.mkdir()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inception = Inception("2048").state_dict()
        network = timm.create_model("resnet18", pretrained=False, num_classes=0).state_dict()
    torch.save(
        {name: tensor.half().float() for name, tensor in inception.items()}, folder / "inception-v3-fid.pth"
    )
    save_file(network, folder / "resnet18-moco.safetensors")


# Text -------------------------------------------------------------------------------------------------------


def sentences(count: int, seed: int = 0) -> Iterator[str]:
    """Sentences of the subject, each with other words."""
    chance = random.Random(seed)
    things = ("field", "river", "forest", "road", "lake", "roof", "orchard", "glacier", "dune", "harbour")
    verbs = ("lies beside", "is brighter than", "is seen north of", "shades", "borders", "drains", "reflects")
    tools = (
        "radar",
        "a multispectral sensor",
        "near infrared",
        "an aerial camera",
        "land cover maps",
        "LiDAR",
    )
    for number in range(count):
        one, other = chance.sample(things, 2)
        yield (
            f"The {one} {chance.choice(verbs)} the {other} in scene {number}, where {chance.choice(tools)} and "
            f"{chance.choice(tools)} tell vegetation from bare soil at {chance.randint(2, 60)} metres."
        )


def corpus(folder: Path) -> None:
    """Rows of text in two splits: pieces that have lost their documents."""
    for split, count, seed in (("train", 240, 1), ("test", 30, 2)):
        rows = datasets.Dataset.from_dict({"text": list(sentences(count, seed))})
        _parquet(rows, folder / "data" / f"{split}-00000-of-00001.parquet")


def wikitext(folder: Path) -> None:
    """Lines of articles: empty ones, headings between ``=``, and text with spaces around marks."""
    for split, seed in (("train", 3), ("validation", 4), ("test", 5)):
        lines = ["", " = Satellite = \n", "", *(f" {line} \n" for line in sentences(40, seed)), ""]
        rows = datasets.Dataset.from_dict({"text": lines})
        for configuration in ("wikitext-2-raw-v1", "wikitext-2-v1"):
            _parquet(rows, folder / configuration / f"{split}-00000-of-00001.parquet")


# Images -----------------------------------------------------------------------------------------------------


def picture(label: int, number: int, size: int, form: str) -> dict[str, Any]:
    """Blocks of noise around a colour of the class."""
    draw = np.random.default_rng((label, number))
    colour = np.random.default_rng(label).integers(40, 216, 3)
    pixels = np.clip(draw.normal(colour, 25, (32, 32, 3)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((size, size), Image.Resampling.NEAREST).save(file, form)
    return {"bytes": file.getvalue(), "path": None}


def rsicd(folder: Path) -> None:
    """Images of 224 pixels with five sentences each, named after their scene class; some names are only a number."""
    said = list(sentences(64, 6))
    features = datasets.Features(
        {
            "filename": datasets.Value("string"),
            "captions": datasets.Sequence(datasets.Value("string")),
            "image": datasets.Image(),
        }
    )
    for split, first, count in (("train", 0, 12), ("test", 12, 6), ("valid", 18, 6)):
        rows: dict[str, list[Any]] = {"filename": [], "captions": [], "image": []}
        for label, name in enumerate(CLASSES):
            for number in range(first, first + count):
                rows["filename"].append(f"rsicd_images/{name}_{number}.jpg")
                rows["captions"].append(
                    [f"a {name} with {said[(number * 5 + k + label) % 64].lower()}" for k in range(5)]
                )
                rows["image"].append(picture(label, number, 224, "JPEG"))
        rows["filename"].append(f"rsicd_images/{first:05}.jpg")
        rows["captions"].append(["many buildings are here ."] * 5)
        rows["image"].append(picture(9, first, 224, "JPEG"))
        _parquet(
            datasets.Dataset.from_dict(rows, features=features),
            folder / "data" / f"{split}-00000-of-00001.parquet",
        )


def synthetic(folder: Path) -> None:
    """Images of 512 pixels in one split, whose label is the hub's ``ClassLabel``: a number, with names beside."""
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(LAND_COVER))}
    )
    places = [(label, number) for label in range(7) for number in range(10)]
    rows = {
        "image": [picture(label, number, 512, "PNG") for label, number in places],
        "label": [label for label, _ in places],
    }
    data = datasets.Dataset.from_dict(rows, features=features)
    _parquet(data, folder / "data" / "train-00000-of-00001.parquet")


def _parquet(rows: datasets.Dataset, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(file)


# Models -----------------------------------------------------------------------------------------------------


def stable_diffusion(folder: Path) -> None:
    """Every folder of v1.5: its index names a safety checker and an image processor, and fp16 variants lie beside."""
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = clip_tokenizer()
    marks = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    text = CLIPTextModel(CLIPTextConfig(vocab_size=len(words), **marks, **sizes, max_position_embeddings=77))
    vision = {**sizes, "image_size": 224, "patch_size": 56}
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(4, 4, 8, 8),
            norm_num_groups=4,
            latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            sample_size=512,
        ),
        text_encoder=text,
        tokenizer=words,
        unet=UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            layers_per_block=1,
            attention_head_dim=2,
            cross_attention_dim=16,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        ),
        scheduler=PNDMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            skip_prk_steps=True,
        ),
        safety_checker=StableDiffusionSafetyChecker(
            CLIPConfig(text_config=sizes, vision_config=vision, projection_dim=16)
        ),
        feature_extractor=CLIPImageProcessor(),
    )
    pipeline.save_pretrained(folder)
    half = folder.with_name(f"{folder.name}-half")
    pipeline.to(torch.float16).save_pretrained(half, variant="fp16")
    for file in half.rglob("*.fp16.safetensors"):
        shutil.copy(file, folder / file.relative_to(half))
    shutil.rmtree(half)
    _as_old(words, folder / "tokenizer")


def clip(folder: Path) -> None:
    """The files of CLIP's tokenizer."""
    _as_old(clip_tokenizer(), folder)


def clip_tokenizer() -> CLIPTokenizer:
    """Byte pairs whose words end in ``</w>``, and CLIP's two marks."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    letters = [chr(code) for code in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        end_of_word_suffix="</w>",
        initial_alphabet=letters,
        show_progress=False,
        special_tokens=[],
    )
    tokenizer.train_from_iterator((line.lower() for line in sentences(400, 7)), trainer)
    learnt = json.loads(tokenizer.to_str())["model"]
    vocabulary = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters), *learnt["vocab"]])
    vocabulary |= dict.fromkeys(["<|startoftext|>", "<|endoftext|>"])
    merges = [tuple(pair) for pair in learnt["merges"]]
    numbered = {word: index for index, word in enumerate(vocabulary)}
    return CLIPTokenizer(vocab=numbered, merges=merges, model_max_length=77)


def _as_old(words: CLIPTokenizer, folder: Path) -> None:
    """Write a tokenizer as repositories of its time have it: ``vocab.json`` and ``merges.txt``."""
    model = json.loads(words.backend_tokenizer.to_str())["model"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    settings = {"tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "model_max_length": 77, **marks}
    settings["pad_token"] = "<|endoftext|>"
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    lines = [" ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps({**marks, "pad_token": "<|endoftext|>"}))


def phi(folder: Path) -> None:
    """In fp16, with more embeddings than its tokenizer has tokens."""
    tokenizer = byte_level(
        600, bos_token="<|endoftext|>", eos_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    config = PhiConfig(
        vocab_size=len(tokenizer) + 45,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=None,
    )
    PhiForCausalLM(config).half().save_pretrained(folder)
    tokenizer.model_max_length = 2048
    tokenizer.save_pretrained(folder)


def mistral(folder: Path) -> None:
    """Sharded, in bf16, with the chat template of the instructed version."""
    tokenizer = byte_level(600, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = MISTRAL_CHAT
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=32768,
        sliding_window=None,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    MistralForCausalLM(config).bfloat16().save_pretrained(folder, max_shard_size="100KB")
    tokenizer.save_pretrained(folder)
    assert (folder / "model.safetensors.index.json").is_file(), "it is not sharded"


def byte_level(size: int, **marks: str) -> PreTrainedTokenizerFast:
    """A tokenizer of byte pairs."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(dict.fromkeys(marks.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(400, 8), trainer)
    if marks["bos_token"] != marks["eos_token"]:  # as Llama's: a text begins with the mark
        begin = (marks["bos_token"], tokenizer.token_to_id(marks["bos_token"]))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin[0]} $A", pair=f"{begin[0]} $A $B", special_tokens=[begin]
        )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **marks)


def bge(folder: Path) -> None:
    """BERT, the vector of its first token, normalised: the layout of sentence-transformers."""
    inner = folder.with_name(f"{folder.name}-bert")
    words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=800, special_tokens=special, show_progress=False)
    words.train_from_iterator((line.lower() for line in sentences(400, 9)), trainer)
    inner.mkdir()
    ordered = sorted(words.get_vocab().items(), key=lambda item: item[1])
    (inner / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in ordered))
    BertTokenizerFast(str(inner / "vocab.txt"), model_max_length=512).save_pretrained(inner)
    config = BertConfig(
        vocab_size=len(ordered),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    BertModel(config).save_pretrained(inner)
    body = Transformer(str(inner), max_seq_length=512)
    SentenceTransformer(modules=[body, Pooling(32, pooling_mode="cls"), Normalize()]).save(str(folder))
    shutil.rmtree(inner)


MAKERS: Mapping[str, Maker] = {
    "arampacha/rsicd": rsicd,
    "BAAI/bge-small-en-v1.5": bge,
    "gremlin97/LULC-Synthetic-Dataset": synthetic,
    "gremlin97/RemoteSensingCorpus": corpus,
    "microsoft/phi-1_5": phi,
    "mistralai/Mistral-7B-Instruct-v0.2": mistral,
    "openai/clip-vit-base-patch32": clip,
    "Salesforce/wikitext": wikitext,
    "stable-diffusion-v1-5/stable-diffusion-v1-5": stable_diffusion,
}
