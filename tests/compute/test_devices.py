"""Every stage that computes with torch does its work on its job's device: run whole on a stand-in for a GPU.

Left out, because no stand-in can run them: weights in four bits and AdamW in eight bits (bitsandbytes has kernels for a
device, which ask the driver), and several processes (``accelerate launch``). ``make gpu`` has four bits, on a GPU.
"""

from __future__ import annotations

import ast
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import tiny_alignment
import tiny_land_cover
import torch
from corpora import corpus
from jobs import FolderJob
from stand_in_gpu import Far, LeftBehindError, stand_in_gpu
from tiny_language_model import FULL, LORA, SENTENCES, tiny_model
from tiny_pipeline import tiny_pipeline, tiny_tokenizer
from torch._subclasses.fake_tensor import FakeTensorMode

import harness
from harness.artifact import Artifact
from harness.stages.metrics import alignment, features
from harness.stages.systems import land_cover
from harness.stages.systems import language_model as lm
from harness.stages.systems import text_to_image as t2i
from harness.stages.systems.embeddings.sentence_transformer import SentenceEmbedder
from harness.suite import registry
from harness.testing import image_folder

pytestmark = pytest.mark.numeric

BRIEF: dict[str, Any] = {"max_steps": 1, "batch_size": 2, "accumulate": 2}
SHORT: dict[str, Any] = {"max_steps": 1, "batch_size": 2}
PROMPTS = ("Radar", "Snow is")


@dataclass(frozen=True)
class Parts:
    """Small inputs of all stages, made on the CPU."""

    images: Any
    pipeline: Any
    prompts: Any
    model: Any
    texts: Any
    land: dict[str, Any]
    classifier: Any
    extractor: Any
    tokenizer: Any
    fields: Any
    judge: Any


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    root = tmp_path_factory.mktemp("parts")
    images = image_folder(root / "images", each=1, size=64)
    pipeline, tokenizer = tiny_pipeline(root), tiny_tokenizer(root)
    land, fields = (
        tiny_land_cover.three_folders(root / "land"),
        tiny_alignment.fields(root / "fields", each=2),
    )
    classifier = tiny_land_cover.train(land, root / "classifier", epochs=1)
    return Parts(
        images,
        pipeline,
        t2i.encode(pipeline, images, count=2, job=FolderJob(root / "prompts")),
        tiny_model(root / "model"),
        corpus(root / "texts", *SENTENCES),
        land,
        classifier,
        features.from_classifier(classifier, job=FolderJob(root / "extractor")),
        tokenizer,
        fields,
        tiny_alignment.train(fields, tokenizer, root / "judge", epochs=1),
    )


STAGES: dict[str, Callable[[Parts, FolderJob], Any]] = {
    "finetune": lambda p, job: t2i.finetune(
        p.pipeline, p.images, p.images, **BRIEF, ema=0.9, checkpoint_every=1, job=job
    ),
    "finetune-adafactor-text": lambda p, job: t2i.finetune(
        p.pipeline,
        p.images,
        **BRIEF,
        optimiser="adafactor",
        text_encoder=True,
        gradient_checkpointing=True,
        job=job,
    ),
    "finetune-lora-bf16": lambda p, job: t2i.finetune(
        p.pipeline, p.images, **BRIEF, method="lora", precision="bf16", job=job
    ),
    "finetune-fp16": lambda p, job: t2i.finetune(
        p.pipeline, p.images, **BRIEF, precision="fp16", normalisation="dataset", job=job
    ),
    "autoencoder": lambda p, job: t2i.train_autoencoder(
        p.pipeline, (p.images,), steps=1, batch_size=2, job=job
    ),
    "autoencoder-bf16": lambda p, job: t2i.train_autoencoder(
        p.pipeline, (p.images,), steps=1, batch_size=2, precision="bf16", job=job
    ),
    "reconstruct": lambda p, job: t2i.reconstruct(p.pipeline, p.images, job=job),
    "encode": lambda p, job: t2i.encode(p.pipeline, p.images, count=2, job=job),
    "language-full": lambda p, job: lm.finetune(p.model, p.texts, p.texts, **FULL | SHORT, job=job),
    "language-lora-bf16": lambda p, job: lm.finetune(
        p.model,
        p.texts,
        **LORA | SHORT,
        precision="bf16",
        batching="pack",
        gradient_checkpointing=True,
        job=job,
    ),
    "language-lora-fp16": lambda p, job: lm.finetune(
        p.model, p.texts, **LORA | SHORT, precision="fp16", job=job
    ),
    "likelihood": lambda p, job: lm.likelihood(p.model, text=p.texts, context=16, stride=8, job=job),
    "likelihood-left-bf16": lambda p, job: lm.likelihood(
        p.model, text=p.texts, padding="left", precision="bf16", job=job
    ),
    "generate": lambda p, job: lm.generate(p.model, prompts=PROMPTS, max_tokens=4, job=job),
    "generate-drawn": lambda p, job: lm.generate(
        p.model, prompts=PROMPTS, max_tokens=4, temperature=0.7, top_p=0.9, samples=2, job=job
    ),
    "land-cover": lambda p, job: land_cover.train(
        p.land["train"], p.land["validation"], weights=None, epochs=1, batch_size=9, loss="focal", job=job
    ),
    "land-cover-fp16": lambda p, job: land_cover.train(
        p.land["train"], p.land["validation"], weights=None, epochs=1, batch_size=9, precision="fp16", job=job
    ),
    "predict": lambda p, job: land_cover.predict(p.classifier, p.land["test"], job=job),
    "extract": lambda p, job: features.extract(p.land["test"], p.extractor, job=job),
    "extract-bf16": lambda p, job: features.extract(p.land["test"], p.extractor, precision="bf16", job=job),
    "alignment": lambda p, job: alignment.train(
        p.fields, p.tokenizer, size=32, patch=16, width=32, layers=1, epochs=1, batch_size=4, job=job
    ),
    "alignment-score": lambda p, job: alignment.score(p.fields, p.judge, batch_size=4, job=job),
}
SCHEDULERS = ("pndm", "ddpm", "heun", "dpmsolver++_sde")
"""With a second-order step, with noise in every step, with several tensors of state, with all of that."""
for scheduler in SCHEDULERS:
    STAGES[f"sample-{scheduler}"] = lambda p, job, scheduler=scheduler: t2i.sample(
        p.pipeline, p.prompts, scheduler=scheduler, steps=4, job=job
    )
STAGES["sample-fp16"] = lambda p, job: t2i.sample(
    p.pipeline, p.prompts, scheduler="ddim", steps=3, precision="fp16", job=job
)


QUICK = {
    "finetune",
    "autoencoder",
    "encode",
    "sample-pndm",
    "language-full",
    "likelihood",
    "generate",
    "extract",
}


def marked(names: Iterable[str]) -> list[Any]:
    """All but a few are slow: on a stand-in, each operation passes through Python."""
    return [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", marked(STAGES))
def test_a_stage_leaves_nothing_behind(name: str, parts: Parts, tmp_path: Path) -> None:
    with stand_in_gpu(), _used() as used:
        made = STAGES[name](parts, FolderJob(tmp_path / "gpu", device="cuda"))
    assert isinstance(made, Artifact) or made.alignment
    assert used, "it computed nothing on its device"


def test_texts_are_embedded_on_the_device(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    tiny = tiny_model(tmp_path / "reader")
    reader = Transformer(str(tiny.path), max_seq_length=32)
    reader.tokenizer.pad_token = reader.tokenizer.eos_token
    network = SentenceTransformer(modules=[reader, Pooling(64, "mean"), Normalize()], device="cpu")
    near = SentenceEmbedder(network, "tiny", "").embed(SENTENCES)
    with stand_in_gpu(), _used() as used:
        far = SentenceEmbedder(network.to("cuda"), "tiny", "").embed(SENTENCES)
    assert used
    assert abs(near - far).max() < 1e-5


PLANTS = {
    "finetune": ("torch.nn.functional.mse_loss", 1),
    "autoencoder": ("diffusers.AutoencoderKL.decode", 1),
    "reconstruct": ("diffusers.AutoencoderKL.decode", 1),
    "encode": ("transformers.CLIPTextModel.forward", 1),
    "sample-pndm": ("diffusers.UNet2DConditionModel.forward", 1),
    "language-full": ("harness.stages.systems.language_model.training.losses", 1),
    "language-lora-bf16": ("harness.stages.systems.language_model.training.losses", 1),
    "likelihood": ("harness.stages.systems.language_model.scorer.losses", 1),
    "generate": ("transformers.PhiForCausalLM.forward", "input_ids"),
    "land-cover": ("timm.models.resnet.ResNet.forward", 1),
    "predict": ("timm.models.resnet.ResNet.forward", 1),
    "extract": ("timm.models.resnet.ResNet.forward_features", 1),
    "alignment": ("transformers.CLIPModel.forward", "pixel_values"),
    "alignment-score": ("transformers.CLIPModel.get_text_features", 1),
}
"""Stage → a function that it calls on its device, and the argument that is left on the CPU."""


@pytest.mark.parametrize("name", marked(PLANTS))
def test_a_tensor_that_is_left_on_the_cpu_is_noticed(name: str, parts: Parts, tmp_path: Path) -> None:
    place, argument = PLANTS[name]
    real = pkgutil.resolve_name(place)

    @wraps(real)
    def left(*args: Any, **kwargs: Any) -> Any:
        given: Any = list(args)
        where = given if isinstance(argument, int) else kwargs
        if where is given and argument >= len(given):
            return real(*args, **kwargs)
        if isinstance(where[argument], Far):
            where[argument] = where[argument].cpu()
        return real(*given, **kwargs)

    with stand_in_gpu(), patch(place, left), pytest.raises(Exception, match="on the cpu meets one on cuda:0"):
        STAGES[name](parts, FolderJob(tmp_path / "gpu", device="cuda"))


def test_every_stage_that_uses_torch_on_a_device_is_run_here() -> None:
    """A new one must be added to ``STAGES``, or here with the reason."""
    run = {
        *("text_to_image.finetune", "text_to_image.train_autoencoder", "text_to_image.reconstruct"),
        *(
            "text_to_image.encode",
            "text_to_image.sample",
            "language_model.finetune",
            "language_model.likelihood",
        ),
        *("language_model.generate", "land_cover.train", "land_cover.predict", "features.extract"),
        *("alignment.train", "alignment.score"),
    }
    elsewhere = {
        "alignment.within_class": "encodes as alignment.score does",
        "alignment.load": "tries the model as alignment.score opens it",
        "prompts.checks": "embeds as test_texts_are_embedded_on_the_device does",
        "prompts.variety": "embeds as test_texts_are_embedded_on_the_device does",
        "prompt_writer.index": "embeds as test_texts_are_embedded_on_the_device does",
        "prompt_writer.write": "writes as language_model.generate does",
        "embeddings.load": "tries the model on the CPU",
        "land_cover.load": "tries the model on the CPU",
        "features.load": "tries the model on the CPU",
        "features.from_classifier": "tries the model on the CPU",
        "language_model.build": "draws weights on the CPU",
        "language_model.load": "tries the model on the CPU",
        "text_to_image.build": "draws weights on the CPU",
        "text_to_image.load": "copies weights on the CPU",
        "text_to_image.cast": "copies weights on the CPU",
    }
    found = {stage.name for stage in _stages() if "torch" in stage.software}
    assert found == run | elsewhere.keys()


@pytest.mark.parametrize(
    "operation",
    [
        lambda far, near: far + near,
        lambda far, near: near + far,
        lambda far, near: far @ near,
        lambda far, near: far + near.sum(),
        lambda far, near: torch.cat([far, near]),
        lambda far, near: far[near.long()],
        lambda far, near: near.copy_(far),
        lambda far, near: far.to("cpu") + near,
        lambda far, near: torch.where(far > 0, far, near),
        lambda far, near: far.index_add(0, torch.zeros(3, dtype=torch.long), far),
        lambda far, near: torch.nn.functional.embedding(near.long(), far),
        lambda far, near: torch.nn.functional.layer_norm(far, (3,), near[0]),
    ],
)
def test_the_stand_in_refuses_what_fake_tensors_refuse(operation: Callable[..., Any]) -> None:
    def outcome() -> str:
        far, near = torch.ones(3, 3, device="cuda"), torch.ones(3, 3)
        try:
            return str(operation(far, near).device.type)
        except (LeftBehindError, RuntimeError) as e:
            return "refused" if "device" in str(e) or "on the cpu" in str(e) else str(e)

    with FakeTensorMode():
        expected = outcome()
    with stand_in_gpu():
        assert outcome() == expected


def test_a_tensor_on_the_cpu_cannot_be_indexed_from_the_gpu() -> None:
    """Fake tensors let this pass; a GPU does not."""
    with stand_in_gpu(), pytest.raises(LeftBehindError):
        torch.ones(3)[torch.ones(3, dtype=torch.long, device="cuda")]


ROOT = Path(harness.__file__).parent
NAMED = {
    "stage.py": "documents Job.device",
    "engine/call.py": "what a call may say, and checks",
    "engine/runner.py": "asks whether tasks can work on the device that the machine has",
    "engine/attempt.py": "turns a slot into the job's device",
    "cli/commands/plan.py": "asks whether tasks can work on the device that the machine has",
    "store/environment.py": "names a field of the recorded environment",
    "stages/metrics/features/networks.py": "empties the GPU's cache",
}
"""Files in which the word may stand, with the reason; everywhere else the device is the job's."""
ON_CPU = {
    "stages/systems/text_to_image/pipelines.py": "cast changes types, and computes nothing",
    "stages/systems/language_model/models.py": "build draws weights there, load tries an adapter there",
    "stages/systems/embeddings/sentence_transformer.py": "read opens there; open moves to the device",
}
"""Files with ``device="cpu"``, with the reason."""


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(ROOT.rglob("*.py")):
        yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text(encoding="utf-8"))


def test_no_code_names_a_gpu() -> None:
    named, on_cpu = set(), set()
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.fullmatch(r"(cuda|gpu|mps|xpu|hip)(:\d+)?", node.value) and node.value != "gpu":
                    named.add(file)
            elif isinstance(node, ast.Attribute) and node.attr == "cuda":
                assert isinstance(node.value, ast.Name | ast.Attribute), f"{file}:{node.lineno}: .cuda()"
                whole = ast.unparse(node)
                assert whole in ("torch.cuda", "torch.version.cuda"), f"{file}:{node.lineno}: {whole}"
            elif (
                isinstance(node, ast.keyword)
                and node.arg == "device"
                and isinstance(node.value, ast.Constant)
            ):
                assert node.value.value == "cpu", f"{file}: device={node.value.value!r}"
                on_cpu.add(file)
    assert named <= NAMED.keys(), named - NAMED.keys()
    assert on_cpu == ON_CPU.keys()


def test_nothing_is_loaded_onto_the_device_it_was_saved_from() -> None:
    found = 0
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
                given = {k.arg: ast.literal_eval(k.value) for k in node.keywords}
                assert given == {"map_location": "cpu", "weights_only": True}, f"{file}:{node.lineno}"
                found += 1
    assert found


def _stages() -> list[Any]:
    return list(registry.all_stages([]))


def _used() -> Any:
    """A list of the tensors that are made on the stand-in inside the block."""
    made: list[bool] = []
    new = Far.__new__

    def counted(cls: type[Far], held: torch.Tensor) -> Far:
        made.append(True)
        return new(cls, held)

    class Block:
        def __enter__(self) -> list[bool]:
            self.patch = patch.object(Far, "__new__", counted)
            self.patch.__enter__()
            return made

        def __exit__(self, *raised: Any) -> None:
            self.patch.__exit__(*raised)

    return Block()
