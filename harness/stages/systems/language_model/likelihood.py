"""The stage that computes the likelihood of texts, divided into windows that predict each token exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from harness.artifact import Corpus, Json, LanguageModel, Likelihoods
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stage import Count, Execution, Job, stage
from harness.stages.systems.language_model.windows import rule, texts

if TYPE_CHECKING:
    pass

SPELT = "{} special tokens are spelt out in the scored texts, and read as what they mark, not as text"
NAMED = 20
"""Maximum number of texts without predicted tokens that are named; all are counted."""


@stage(version=1, software=("torch", "transformers", "tokenizers", "peft", "bitsandbytes"))
def likelihood(
    model: LanguageModel,
    text: Corpus,
    base: LanguageModel | None = None,
    *,
    context: Count | None = None,
    stride: Count | None = None,
    bos: Literal["text", "window", "none"] = "text",
    eos: bool = False,
    unit: Literal["document", "row"] = "document",
    quantisation: Literal["nf4"] | None = None,
    precision: Precision = "fp32",
    batch_size: Execution[Count] = 8,
    padding: Execution[Literal["left", "right"]] = "right",
    job: Job,
) -> Likelihoods:
    """The negative log-likelihood of every text, each of its tokens predicted exactly once.

    A text longer than the context is read in windows. The first predicts up to ``context`` tokens. Each further window
    predicts the next ``stride`` tokens, given as many earlier tokens as fit. With the defaults this is the rolling
    log-likelihood of the EleutherAI harness. A smaller stride gives each token more context and takes longer.
    Perplexities are comparable only at equal context and stride.

    In fp32 neither batch size nor padding changes the result, and the batch is halved when memory runs out. At half
    precision both affect the last digits: there they are conditions of every score.

    Texts without predicted tokens (empty ones; with ``bos: none``, those of one token) are left out, counted and named
    in the facts.

    Args:
        model: the model that predicts.
        text: the texts to score. A special token spelt out in them is read as that token, and
            counted in the facts.
        base: for an adapter, the model that it was trained on.
        context: tokens that the network reads at once; null for the model's maximum. A model that
            does not say its maximum (BLOOM, Mamba) needs a number here.
        stride: tokens that a window after the first predicts; null for ``context``.
        bos: what the first token is predicted from. ``text``: BOS (EOS if the tokenizer has no BOS) begins the text;
            ``window``: it begins every window and takes one place of its context; ``none``: there is no BOS, the
            first token is not predicted, and its bytes are not counted.
        eos: whether EOS is appended to each text and predicted. It has no bytes.
        unit: ``document``: a document's rows are one text, joined with newlines; ``row``: each row is a text.
        quantisation: quantisation of a whole model's linear layers: ``nf4``, as QLoRA uses for its base, so that a base
            and an adapter trained on it differ only by what was learnt. An adapter itself records how its base is
            quantised.
        precision: precision of weights and arithmetic; losses are always float32 and their sums float64.
        batch_size: windows at once.
        padding: the side on which shorter windows are padded.
        job: provides device, folders and log.

    Raises:
        StageError: a model that cannot be opened (see ``open_model``); a context longer than the model's, or none
            given where the model does not say it; a stride
            longer than the context; BOS or EOS that the tokenizer lacks; no text with a token; likelihoods that are
            not finite.
        ResourceError: out of memory with a single window or at half precision.
    """
    from harness.compute.device import Meter, total
    from harness.formats.corpus import read
    from harness.formats.likelihoods import write
    from harness.stages.systems.language_model.adapters import Quantisation
    from harness.stages.systems.language_model.opening import open_model
    from harness.stages.systems.language_model.scorer import Scorer, Scoring

    found = texts(read(text.path), unit)
    opened = open_model(
        model.path,
        base.path if base else None,
        precision=precision,
        device=job.device,
        quantisation=Quantisation.of_qlora(precision) if quantisation else None,
    )
    context = opened.context if context is None else context
    if context is None:
        kind = type(opened.network).__name__
        raise StageError(f"context: {kind} does not say how many tokens it reads; set context")
    stride = context if stride is None else stride
    how = rule(opened.tokenizer, context=context, stride=stride, bos=bos, eos=eos, longest=opened.context)
    scorer = Scorer(opened.network, precision=precision, batch_size=batch_size, padding=padding, job=job)
    scored = Scoring(found, opened.tokenizer, how, scorer, job)
    with Meter(job.device) as meter:
        scored.run()
    folder = job.folder()
    write(folder, scored.rows)
    tokens = sum(row.tokens for row in scored.rows)
    arithmetic = f"{precision}, {opened.quantisation.type}" if opened.quantisation else precision
    protocol = f"context={context}, stride={stride}, bos={bos}, eos={'yes' if eos else 'no'}, unit={unit}, {arithmetic}"
    cost = {"tokens": tokens, "tokens_per_s": tokens / meter.usage.wall_s, "batch_size": scorer.batch_size}
    # A context that the suite leaves to the model is known only now. It matters as much as one that the suite sets.
    conditions: dict[str, Json] = {"context": context, "stride": stride}
    if precision != "fp32":
        conditions |= {"batch_size": batch_size, "padding": padding}
    return Likelihoods(
        folder,
        facts={
            "protocol": protocol,
            "texts": len(scored.rows),
            "tokens": tokens,
            "bytes": sum(row.bytes for row in scored.rows),
            "unknown_tokens": scored.unknown,
            "special_tokens": scored.special,
            **({"warnings": [SPELT.format(scored.special)]} if scored.special else {}),
            "empty": {"count": len(scored.empty), "items": scored.empty[:NAMED]},
            "cost": {**total([meter.usage]), **cost},
        },
        conditions=conditions,
    )
