"""Language models: built or loaded, fine-tuned, and used to generate texts and to compute likelihoods.

A model is a folder in the format of transformers, an adapter one in the format of PEFT. So these libraries open what
a stage produces, and the other way round. Weights are safetensors only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from harness.artifact import LanguageModel, Texts
from harness.compute.precisions import Precision
from harness.errors import ResourceError, StageError
from harness.stage import Count, Execution, Fraction, Job, NonNegative, Seed, stage
from harness.stages.systems.language_model.likelihood import likelihood
from harness.stages.systems.language_model.models import build, finetune, load

if TYPE_CHECKING:
    from harness.stages.systems.language_model.decoding import Prompt, Sampling, Written
    from harness.stages.systems.language_model.opening import Opened

__all__ = ["build", "finetune", "generate", "likelihood", "load"]


# On import, bitsandbytes recommends a package that downloads kernels. They compute in bf16 and are not used here.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


METADATA = "metadata.jsonl"


def _idle(parameters: Mapping[str, Any]) -> Mapping[str, str]:
    if parameters["temperature"] > 0:
        return {}
    return dict.fromkeys(("top_p", "samples", "seed"), "temperature 0 takes the likeliest token")


@stage(version=1, software=("torch", "transformers", "tokenizers", "peft", "bitsandbytes"), idle=_idle)
def generate(
    model: LanguageModel,
    base: LanguageModel | None = None,
    *,
    prompts: tuple[str, ...],
    max_tokens: Count = 64,
    temperature: NonNegative = 0.0,
    top_p: Fraction = 1.0,
    samples: Count = 1,
    quantisation: Literal["nf4"] | None = None,
    precision: Precision = "fp32",
    batch_size: Execution[Count] = 8,
    seed: Seed = 0,
    job: Job,
) -> Texts:
    """Continue prompts.

    Each text has its own draws, which depend on seed, prompt and sample. In fp32 a text does not depend on the batch
    size, which is halved when memory runs out. At half precision it does: there the batch size is a condition of
    every score, and running out of memory is an error.

    Args:
        model: a model, or an adapter.
        base: for an adapter, the model that it was trained on.
        prompts: beginnings of texts; after an empty one the model begins by itself. Special tokens come before a
            prompt only if the tokenizer adds them by default.
        max_tokens: maximum number of generated tokens; a text that has not ended by then is cut off.
        temperature: 0 always takes the most likely token; 1 draws from the model's own distribution, less than 1
            from a sharper one.
        top_p: draw only from the most likely tokens with this total probability.
        samples: texts per prompt.
        quantisation: quantisation of a whole model, as in ``likelihood``.
        precision: precision of the network.
        batch_size: texts at once.
        seed: seed for the draws.
        job: provides device, folders and log.

    Raises:
        StageError: a prompt that together with ``max_tokens`` exceeds the model's context; a model that does not open,
            or whose scores are not finite; too little memory.
    """
    from harness.compute.device import Meter, total
    from harness.stages.systems.language_model.adapters import Quantisation
    from harness.stages.systems.language_model.decoding import Prompt, Sampling, encoded
    from harness.stages.systems.language_model.opening import open_model

    if not prompts:
        raise StageError("prompts: none, so there is nothing to write on from; an empty one is ''")
    opened = open_model(
        model.path,
        base.path if base else None,
        precision=precision,
        device=job.device,
        quantisation=Quantisation.of_qlora(precision) if quantisation else None,
    )
    planned = [
        Prompt(index, sample, encoded(opened.tokenizer, prompt))
        for index, prompt in enumerate(prompts)
        for sample in range(samples)
    ]
    _check_room(opened, planned, max_tokens)
    sampling = Sampling(temperature, top_p, seed)
    with Meter(job.device) as meter:
        written, batch_size = write_all(opened, planned, max_tokens, sampling, precision, batch_size, job)
    folder = job.folder()
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for of, made in zip(planned, written, strict=True):
            row = {"prompt": prompts[of.index], "sample": of.sample, **made._asdict()}
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
    cost = {**total([meter.usage]), "texts": len(written), "tokens": sum(made.tokens for made in written)}
    return Texts(
        folder,
        facts={
            "count": len(written),
            "ended": sum(made.ended for made in written),
            "cost": {**cost, "batch_size": batch_size},
        },
        conditions={} if precision == "fp32" else {"batch_size": batch_size},
    )


def write_all(
    opened: Opened,
    planned: Sequence[Prompt],
    max_tokens: int,
    sampling: Sampling,
    precision: str,
    batch_size: int,
    job: Job,
) -> tuple[list[Written], int]:
    """A text for each prompt, and the batch size that fitted into memory."""
    from harness.compute.device import is_out_of_memory
    from harness.stages.systems.language_model.decoding import write_on

    written: list[Written] = []
    while len(written) < len(planned):
        batch = planned[len(written) : len(written) + batch_size]
        try:
            made = write_on(opened, batch, max_tokens=max_tokens, sampling=sampling, device=job.device)
            job.progress(len(written) + len(made), len(planned), "texts")
        except (RuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
            batch_size = _halved(len(batch), precision)
            job.log(f"out of memory with {len(batch)} texts at once; going on with {batch_size}")
            continue
        written += made
    return written, batch_size


def _halved(size: int, precision: str) -> int:
    if size == 1:
        raise ResourceError("out of memory with a single text; set fewer max_tokens, or precision: bf16")
    if precision != "fp32":
        raise ResourceError(
            f"out of memory with {size} texts at {precision}, where the batch decides about the texts; "
            f"set batch_size: {size // 2}"
        )
    return size // 2


def _check_room(opened: Opened, planned: Sequence[Prompt], max_tokens: int) -> None:
    longest = max(planned, key=lambda prompt: len(prompt.ids))
    if opened.context is not None and len(longest.ids) + max_tokens > opened.context:
        raise StageError(
            f"prompt {longest.index + 1} has {len(longest.ids)} tokens, and {max_tokens} more are to be written; "
            f"the model reads {opened.context} at once: shorten it, or set fewer max_tokens"
        )
