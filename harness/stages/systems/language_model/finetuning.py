"""The stage that fine-tunes a language model."""

from __future__ import annotations

import inspect
from typing import Annotated, Literal

from annotated_types import Ge

from harness.artifact import Corpus, LanguageModel
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stage import Count, Execution, Fraction, Job, NonNegative, Positive, Seed, stage


@stage(version=1, software=("torch", "transformers", "tokenizers", "peft", "bitsandbytes"))
def finetune(
    model: LanguageModel,
    data: Corpus,
    validation: Corpus | None = None,
    *,
    method: Literal["full", "lora", "qlora"] = "qlora",
    rank: Count = 16,
    alpha: Positive = 8.0,
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj"),
    dropout: Fraction = 0.05,
    context: Count = 512,
    batching: Literal["pad", "pack"] = "pad",
    eos: bool = True,
    epochs: Count = 3,
    max_steps: Count | None = None,
    batch_size: Count = 8,
    accumulate: Count = 1,
    lr: Positive = 2e-5,
    optimiser: Literal["adamw", "adamw-8bit"] = "adamw",
    weight_decay: NonNegative = 0.01,
    schedule: Literal["constant", "linear", "cosine"] = "constant",
    warm_up: Annotated[int, Ge(0)] = 0,
    max_norm: Positive = 1.0,
    precision: Precision = "fp32",
    gradient_checkpointing: Execution[bool] = False,
    seed: Seed = 0,
    job: Job,
) -> LanguageModel:
    """Train a language model on texts: the mean cross-entropy of each token given those before it.

    The mean is over all tokens of a step, however they are split into batches, so each text counts in proportion to
    its length. What a step draws (texts, dropout) depends on seed and step only, so a killed training resumes exactly
    where it stopped. Without dropout, trading ``accumulate`` for ``batch_size`` changes only the order of sums.

    The result is a whole model (``full``, in fp32) or an adapter. An adapter is never merged: opening it needs the
    model that it was trained on, as ``base``.

    Args:
        model: the model to start from; not an adapter.
        data: texts to learn.
        validation: held-out texts; their loss is in the history next to the training loss.
        method: all weights; low-rank adapters (LoRA, Hu et al. 2021) on frozen weights; or adapters on weights in
            four bits (QLoRA, Dettmers et al. 2023: NF4, with double quantisation).
        rank: rank of the adapters.
        alpha: the adapters are scaled by alpha / rank.
        targets: linear layers that get adapters, by the end of their name.
        dropout: share of an adapter's inputs that is dropped at random.
        context: number of tokens that the network reads at once; the token after each of them is predicted.
        batching: ``pad``: each text is a row; tokens beyond the context are cut off and counted, and the padding after
            shorter texts is ignored. ``pack``: all texts are concatenated in order and cut into rows of the context's
            length; nothing is lost, and tokens see those of earlier texts.
        eos: end each text with the tokenizer's end-of-text token, which is learnt like any token. The beginning is as
            the tokenizer makes it.
        epochs: passes over the data.
        max_steps: maximum number of steps.
        batch_size: rows that go through the network at once.
        accumulate: batches whose gradients are added up for one step of the optimiser.
        lr: highest learning rate of the schedule.
        optimiser: AdamW, or AdamW with moments kept in 8 bits (those of tensors of 4096 numbers or more).
        weight_decay: weight decay on matrices; biases and norms have none.
        schedule: learning rate after warm-up: constant, or falling to 0 at the end.
        warm_up: steps over which the learning rate rises from 0.
        max_norm: gradients are clipped to this norm.
        precision: fp32, or mixed bf16/fp16. Trained weights are kept in fp32, frozen ones in this precision.
        gradient_checkpointing: less memory for more time.
        seed: seed for everything that is drawn.
        job: provides device, folders and log.

    Raises:
        StageError: an adapter to start from; an empty corpus; a context longer than the model's; a target that matches
            no layer; a loss or a weight that is not finite; a parameter that would have no effect.
        ResourceError: out of memory; what was trained so far is kept.
    """
    from harness.stages.systems.language_model.subject import Recipe
    from harness.stages.systems.language_model.training import finetuned

    if method == "full":
        given = {"rank": rank, "alpha": alpha, "targets": targets, "dropout": dropout}
        usual = inspect.signature(finetune).parameters
        if idle := [name for name, value in given.items() if value != usual[name].default]:
            raise StageError(f"{idle[0]}: method full has no adapters, so it would do nothing; leave it out")
    recipe = Recipe(
        method=method,
        rank=rank,
        alpha=alpha,
        targets=targets,
        dropout=dropout,
        context=context,
        batching=batching,
        eos=eos,
        epochs=epochs,
        max_steps=max_steps,
        batch_size=batch_size,
        accumulate=accumulate,
        lr=lr,
        optimiser=optimiser,
        weight_decay=weight_decay,
        schedule=schedule,
        warm_up=warm_up,
        max_norm=max_norm,
        precision=precision,
        gradient_checkpointing=gradient_checkpointing,
        seed=seed,
    )
    return finetuned(recipe, model, data, validation, job)
