"""The stages that make a causal language model: built by the name of its architecture, loaded, or fine-tuned."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Interval

from harness.artifact import Corpus, LanguageModel
from harness.compute.precisions import Precision, dtype_of
from harness.errors import StageError
from harness.formats.corpus import read
from harness.sources.hub import Source
from harness.stage import Choices, Count, Execution, Fraction, Job, NonNegative, Positive, Seed, stage

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

DESIGNS: Choices[dict[str, Any]] = Choices(
    {
        "tiny-phi": {
            "model_type": "phi",
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
        },
        "phi-1.5": {
            "model_type": "phi",
            "vocab_size": 51200,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
            "partial_rotary_factor": 0.5,
        },
        "mistral-7b": {
            "model_type": "mistral",
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-5,
            "rope_theta": 1e6,
            "sliding_window": None,
        },
    }
)
"""Settings that differ from transformers' defaults, or are too important to be left to them."""


Architecture = Annotated[Literal["tiny-phi", "phi-1.5", "mistral-7b"], DESIGNS]


@stage(version=1, software=("torch", "transformers", "tokenizers"))
def build(
    corpus: Corpus,
    *,
    architecture: Architecture,
    vocabulary: Annotated[int, Interval(ge=257)] = 2000,
    context: Annotated[int, Interval(ge=2)] | None = None,
    dtype: Precision = "fp32",
    seed: Seed = 0,
    job: Job,
) -> LanguageModel:
    """Build a model with random weights, and learn its tokenizer from a corpus.

    The tokenizer is a byte-level pair encoding, which can encode any text in any script. One mark, token 0, begins
    and ends texts; there is no padding token.

    Memory is needed for one copy of the weights: the 7.2 billion of ``mistral-7b`` are 14.5 GB in bf16, the 1.4 billion
    of ``phi-1.5`` are 5.7 GB in fp32. They are written in files of at most 5 GB.

    Args:
        corpus: all of its rows are used to learn the tokenizer.
        architecture: ``phi-1.5`` (Li et al. 2023) and ``mistral-7b`` (Jiang et al. 2023; v0.2, without sliding
            window) at their published sizes, for measuring cost; ``tiny-phi`` is Phi with three layers of 128
            features, about a million weights, for two CPU cores.
        vocabulary: maximum number of tokens; a small corpus gives fewer. 256 bytes and the mark come first.
            ``tiny-phi`` has embeddings for the actual tokens, the others for their published number.
        context: number of tokens that the model reads at once; null for the architecture's (``tiny-phi`` 256,
            ``phi-1.5`` 2048, ``mistral-7b`` 32768).
        dtype: type of the weights.
        seed: seed for the weights.
        job: gives the folder.

    Raises:
        StageError: more tokens than embeddings; a corpus without text.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from harness.stages.systems.language_model.checks import learn
    from harness.stages.systems.language_model.opening import describe, save

    design = DESIGNS[architecture]
    published = design.get("vocab_size", vocabulary)
    if vocabulary > published:
        raise StageError(
            f"vocabulary: {vocabulary} tokens; {architecture} has embeddings for {published} of them"
        )
    context = context or design["max_position_embeddings"]
    texts = (row.text for row in read(corpus.path))
    tokenizer = learn(texts, vocabulary=vocabulary, context=context)
    config = configuration(architecture, tokens=len(tokenizer), context=context)
    with torch.device("meta"):  # otherwise torch and transformers would each draw every weight
        network = AutoModelForCausalLM.from_config(config, dtype=dtype_of(dtype))
    network.to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network.init_weights()
    folder = job.folder()
    save(network, tokenizer, folder)
    return LanguageModel(folder, facts=describe(network, tokenizer))


def configuration(architecture: Architecture, *, tokens: int, context: int) -> PreTrainedConfig:
    """The configuration from which transformers builds a model.

    Args:
        architecture: name of the architecture.
        tokens: number of embeddings, if the architecture does not fix it.
        context: number of tokens that the model reads at once.
    """
    from transformers import AutoConfig

    sizes = {"vocab_size": tokens, **DESIGNS[architecture], "max_position_embeddings": context}
    return AutoConfig.for_model(**sizes, bos_token_id=0, eos_token_id=0)


@stage(version=1, software=("torch", "transformers", "tokenizers", "peft", "bitsandbytes"))
def load(base: LanguageModel | None = None, *, source: Source, job: Job) -> LanguageModel:
    """Load a trained causal language model, or an adapter for one, and check that its weights are complete.

    A model is read and saved again, in the dtype in which it is stored, so that it does not change when the source
    does. Pickles are never opened, and code shipped with the weights is never run. Sampling settings of the source are
    left out: a suite sets them.

    An adapter is applied to its base to check that it fits, and is saved as an adapter: every stage that takes it also
    takes the base. If it has a ``training.json``, the base must be the one recorded there. If not, this base is
    recorded.

    Args:
        base: for an adapter, the model that it was trained on.
        source: a folder with a model in the format of transformers (``config.json``), or with a LoRA adapter in the
            format of PEFT (``adapter_config.json``): ``org/name@commit``, ``path:…``.
        job: provides device, folders and log.

    Raises:
        StageError: a file is missing, damaged or a pickle; weights are missing, unexpected, of another shape, quantised
            or not finite; the tokenizer is not the model's; an adapter without a base, or for another one; a network
            that is random at inference, or not causal: a later token changes the scores of earlier ones.
    """
    from harness.compute.weights import stored_dtype
    from harness.stages.systems.language_model import checks
    from harness.stages.systems.language_model.checks import fit, read_tokenizer, tried
    from harness.stages.systems.language_model.opening import describe, read_plain, save

    if not source.path.is_dir():
        raise StageError(
            f"{source.text}: a file; expected a folder as transformers saves a model, or PEFT an adapter"
        )
    if checks.is_adapter(source.path):
        if base is None:
            raise StageError(f"{source.text}: an adapter; set base to the model that it was trained on")
        return _load_adapter(base, source, job)
    if base is not None:
        raise StageError(
            f"{source.text}: a whole model and no adapter, so a base would do nothing; leave it out"
        )
    dtype = stored_dtype(checks.weight_files(source.path, source.text), source.text)
    network = read_plain(source.path, source.text, dtype)
    tokenizer = read_tokenizer(source.path, source.text)
    fit(tokenizer, network, source.path, source.text)
    tried(network, network, source.text)
    folder = job.folder()
    save(network, tokenizer, folder)
    return LanguageModel(folder, facts=describe(network, tokenizer))


def _load_adapter(base: LanguageModel, source: Source, job: Job) -> LanguageModel:
    """Open the adapter on its base as a check, and copy it unchanged."""
    import shutil

    import torch

    from harness.compute.weights import stored_dtype
    from harness.stages.systems.language_model import adapters, checks
    from harness.stages.systems.language_model.adapters import Identity
    from harness.stages.systems.language_model.opening import describe, open_in

    adapters.refuse_adapter(base.path, source.text)
    noted = (source.path / adapters.TRAINING).is_file()
    if noted:
        training = adapters.Training.read(source.path, source.text)
    else:
        training = adapters.Training(Identity.of(base.path, "the base"), None)
        job.log(f"{source.text}: does not say what it was trained on; taken for an adapter of this base")
    adapters.check_files(source.path, source.text)
    folder = job.folder()
    for name in (checks.ADAPTER, adapters.WEIGHTS):
        shutil.copyfile(source.path / name, folder / name)
    training.write(folder)
    stored = stored_dtype(checks.weight_files(base.path, "the base"), "the base")
    dtype = torch.float32 if stored == torch.float64 else stored
    opened = open_in(folder, base.path, dtype=dtype, device="cpu", what=source.text)
    return LanguageModel(
        folder,
        facts={
            **describe(opened.network, opened.tokenizer),
            "quantisation": training.quantisation.to_json() if training.quantisation else None,
            "base_noted": noted,
        },
    )


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
    from harness.stages.systems.language_model.opening import Recipe
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
