"""Language models by the name of their architecture, with random weights: where training from nothing starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Interval

from harness.artifact import Corpus, LanguageModel
from harness.compute.precisions import Precision, dtype_of
from harness.data.corpus import table
from harness.errors import StageError
from harness.stage import Job, Seed, stage
from harness.systems.language_model.models.designs import DESIGNS

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

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
    """A model with random weights, and a tokenizer learnt from a corpus.

    The tokenizer is byte-level pair encoding, which can spell any text in any script. One mark, token 0, begins
    and ends texts; there is no token for padding.

    Needs memory for the weights once: the 7.2 billion of ``mistral-7b`` are 14.5 GB in bf16, the 1.4 billion of
    ``phi-1.5`` 5.7 GB in fp32. They are written in files of at most 5 GB.

    Args:
        corpus: what the tokenizer is learnt from; all rows.
        architecture: ``phi-1.5`` (Li et al. 2023) and ``mistral-7b`` (Jiang et al. 2023; v0.2, without sliding
            window) at their published sizes, for measuring cost; ``tiny-phi`` is Phi's with three layers of 128
            features, about a million weights, for two CPU cores.
        vocabulary: how many tokens at most, fewer where the corpus has no more; 256 bytes and the mark come
            first. ``tiny-phi`` has embeddings for those that there are, the others for their published number.
        context: how many tokens the model reads at once; null for that of the architecture (256, 2048, 32768).
        dtype: of the weights.
        seed: of the weights.
        job: gives the folder.

    Raises:
        StageError: more tokens than embeddings; a corpus without text.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from harness.systems.language_model.models.opening import describe, save
    from harness.systems.language_model.models.tokenizers import learn

    design = DESIGNS[architecture]
    published = design.get("vocab_size", vocabulary)
    if vocabulary > published:
        raise StageError(
            f"vocabulary: {vocabulary} tokens; {architecture} has embeddings for {published} of them"
        )
    context = context or design["max_position_embeddings"]
    texts = (row.text for row in table.read(corpus.path))
    tokenizer = learn(texts, vocabulary=vocabulary, context=context)
    config = configuration(architecture, tokens=len(tokenizer), context=context)
    with torch.device("meta"):  # else every weight is drawn twice, by torch and by transformers
        network = AutoModelForCausalLM.from_config(config, dtype=dtype_of(dtype))
    network.to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network.init_weights()
    folder = job.folder()
    save(network, tokenizer, folder)
    return LanguageModel(folder, facts=describe(network, tokenizer))


def configuration(architecture: Architecture, *, tokens: int, context: int) -> PreTrainedConfig:
    """What transformers builds a model of.

    Args:
        architecture: by name.
        tokens: embeddings that the model has, where the architecture does not say how many.
        context: how many tokens it reads at once.
    """
    from transformers import AutoConfig

    sizes = {"vocab_size": tokens, **DESIGNS[architecture], "max_position_embeddings": context}
    return AutoConfig.for_model(**sizes, bos_token_id=0, eos_token_id=0)
