"""Prompts grounded in a corpus: the corpus is indexed, passages are retrieved, and a writer turns them into prompts.

This is the paper's writer. Other prompts are from templates, captions and files.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge

from harness.artifact import Corpus, Index, LanguageModel, Prompts, TextEmbedder
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.formats import prompts as table
from harness.formats.embedder import EMBEDDER
from harness.stage import Count, Execution, Fraction, Job, NonNegative, Seed, stage
from harness.stages.systems.prompt_writer.address import Address
from harness.stages.systems.prompt_writer.drafting import (
    COMPLETE,
    INSTRUCT,
    Draft,
    Instruction,
    Phrase,
    Place,
    drafts,
)
from harness.stages.systems.prompt_writer.filed import from_file
from harness.stages.systems.prompt_writer.selecting import from_captions, select
from harness.stages.systems.prompt_writer.templates import from_templates

if TYPE_CHECKING:
    from harness.stages.systems.embeddings import Embedder
    from harness.stages.systems.prompt_writer.asking import Answering
    from harness.stages.systems.prompt_writer.collection import Retriever
    from harness.stages.systems.prompt_writer.passages import Held, Piece

__all__ = ["from_captions", "from_file", "from_templates", "index", "select", "write"]

_AT_ONCE = 256
"""Number of texts embedded between two progress reports."""


INDEX = ("chromadb", "llama-index-core", "llama-index-vector-stores-chroma")
"""Packages that store and retrieve the passages."""


@stage(version=1, software=(*INDEX, *EMBEDDER))
def index(
    corpus: Corpus,
    embedder: TextEmbedder,
    *,
    chunk_size: Annotated[int, Ge(8)] = 256,
    overlap: Annotated[int, Ge(0)] = 20,
    server: Execution[Address | None] = None,
    job: Job,
) -> Index:
    """Cut a corpus into passages and store them, with their vectors, in a Chroma collection.

    llama-index cuts each row separately into passages of whole sentences. Duplicate passages are counted and stored
    once. Passages without any word known to the embedder are counted and left out.

    Args:
        corpus: rows of any length; ``corpus.chunk`` joins lines to rows.
        embedder: computes the vectors. The index can be opened with this embedder only.
        chunk_size: maximum number of tokens of a passage, as the embedder counts them: words for ``embeddings.local``,
            its own tokens for a model. The paper uses 256.
        overlap: maximum number of tokens that neighbouring passages of one row share.
        server: ``http://host:port`` of a Chroma server for the collection, whose name there depends on its content;
            null keeps it in the artifact. The retrieved passages are the same.
        job: provides device, folders and log.

    Raises:
        StageError: no text; an overlap that leaves no room for new text; passages longer than the embedder reads; a
            server that does not answer.
    """
    from harness.formats.corpus import read
    from harness.stages.systems.embeddings import open_embedder
    from harness.stages.systems.prompt_writer import passages
    from harness.stages.systems.prompt_writer.collection import (
        DESCRIPTION,
        FOLDER,
        filled,
        in_folder,
        on_server,
    )

    if overlap >= chunk_size:
        raise StageError(
            f"overlap: {overlap} tokens of {chunk_size} leave nothing new; set less than chunk_size"
        )
    opened = open_embedder(embedder.path, job.device)
    if opened.context is not None and chunk_size > opened.context:
        raise StageError(f"chunk_size: {chunk_size} tokens; {opened.name} reads {opened.context} at once")
    if server:
        with on_server(server):  # fail before the work, not after it
            job.log(f"server: {server.text} answers")
    rows = read(corpus.path)
    cut = passages.cut(rows, opened.tokens, chunk_size, overlap)
    if not cut.kept:
        raise StageError(f"corpus: no text in its {len(rows)} rows")
    held, unknown = _embedded(cut.kept, opened, job)
    folder = job.folder()
    passages.write(folder, held)
    chroma = on_server(server) if server else in_folder(folder / FOLDER)
    with chroma as client:
        collection = filled(client, held, job.progress).name
    described = {
        "embedder": opened.digest,
        "embedder_name": opened.name,
        "dimensions": opened.dimensions,
        "collection": collection,
        "server": server.text if server else None,
    }
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")
    return Index(
        folder,
        facts={
            "passages": len(held.pieces),
            "documents": len({piece.document for piece in held.pieces}),
            "duplicates": cut.duplicates,
            "empty": cut.empty,
            "unknown": unknown,
            "split": cut.split,
            "longest": max(len(opened.tokens(piece.text)) for piece in held.pieces),
            **described,
        },
    )


def _embedded(pieces: Sequence[Piece], embedder: Embedder, job: Job) -> tuple[Held, int]:
    """The pieces that have a vector, with their vectors; and the number of pieces without."""
    import numpy as np

    from harness.stages.systems.prompt_writer.passages import Held

    parts = []
    for begin in range(0, len(pieces), _AT_ONCE):
        parts.append(embedder.embed([piece.text for piece in pieces[begin : begin + _AT_ONCE]]))
        job.progress(min(begin + _AT_ONCE, len(pieces)), len(pieces), "passages embedded")
    vectors = np.concatenate(parts)
    known = np.flatnonzero(vectors.any(axis=1))
    if not len(known):
        raise StageError(f"embedder: {embedder.name} knows no word of the corpus")
    return Held([pieces[place] for place in known.tolist()], vectors[known]), len(pieces) - len(known)


WRITER = "language model"
QUERY = Phrase("{class}")
"""The class name only: among the best 12 of TorchGeo's docstrings for each of the paper's classes, 80 % are about the
class; with "a satellite image of" before it, 59 %.
"""


def _idle(parameters: Mapping[str, Any]) -> Mapping[str, str]:
    if parameters["temperature"] > 0:
        return {}
    found = {"top_p": "temperature 0 takes the likeliest token"}
    if parameters["pool"] == parameters["passages"]:
        found["seed"] = "temperature 0 takes the likeliest token and all passages of the pool are taken"
    return found


@stage(version=1, software=("peft", "bitsandbytes", *INDEX, *EMBEDDER), idle=_idle)
def write(
    index: Index,
    embedder: TextEmbedder,
    model: LanguageModel,
    base: LanguageModel | None = None,
    *,
    classes: tuple[str, ...],
    per_class: Count,
    passages: Count = 3,
    pool: Count = 12,
    query: Phrase = QUERY,
    style: Literal["instruct", "complete"] = "instruct",
    instruction: Instruction | None = None,
    max_tokens: Count = 40,
    temperature: NonNegative = 0.7,
    top_p: Fraction = 1.0,
    attempts: Count = 3,
    four_bits: bool = False,
    precision: Precision = "fp32",
    batch_size: Execution[Count] = 8,
    seed: Seed = 0,
    job: Job,
) -> Prompts:
    """Look up passages for each class and have a language model write prompts from them.

    Each prompt is based on its own passages, drawn from the best ones for its class, and keeps them as the model read
    them. A prompt depends on the seed, its class, its number in the class, and the class's earlier prompts. So a larger
    ``per_class`` begins with the same prompts, and in fp32 the batch size changes nothing.

    One sentence of an answer is used, without list marks, quotation marks, markup and sentences of the instruction. If
    nothing is left, or the class already has the prompt, the model is asked again with other passages. After
    ``attempts`` the best answer is kept as it is and counted in the facts (``kept``); ``prompts.checks`` judges the
    prompts. Even an empty one is kept, so that each class has ``per_class`` prompts. A writer that gives no answers
    then fails the check ``present`` but can still be compared with others.

    Args:
        index: the index of the passages.
        embedder: the embedder that the index was made with.
        model: a model, or an adapter. ``instruct`` uses the chat template of its tokenizer; if there is none,
            ``Prompt:`` follows the instruction.
        base: for an adapter, the model that it was trained on.
        classes: names of the classes, as in the data that the images are compared with.
        per_class: prompts of each class.
        passages: number of passages for one prompt.
        pool: number of best passages for a class from which they are drawn.
        query: query that the passages are retrieved by.
        style: ``instruct`` asks for a prompt. ``complete`` has the model continue the passages and the beginning of
            a prompt; it is for models that do not follow instructions.
        instruction: the model's input, with ``{class}`` and ``{passages}``; null: the harness's default for the
            style. For ``complete``, its last line is the beginning of the prompt.
        max_tokens: maximum number of tokens generated for a prompt.
        temperature: temperature of the draws; 0 always takes the most likely token.
        top_p: draw only from the most likely tokens with this total probability.
        attempts: maximum number of times that the model is asked for one prompt.
        four_bits: store the linear layers of a whole model in four bits (nf4), as Mistral-7B needs on a small
            device. An adapter's base is stored as it was when the adapter was trained.
        precision: precision of everything else.
        batch_size: prompts at once.
        seed: seed for the draws of passages and tokens.
        job: provides device, folders and log.

    Raises:
        StageError: a class for which nothing is found or nothing written; a ``pool`` smaller than ``passages``;
            no room for passages; a model or index that does not open.
    """
    from harness.compute.device import Meter, total
    from harness.stages.systems.language_model.decoding import Sampling
    from harness.stages.systems.prompt_writer.asking import Answering, Asker, open_writer
    from harness.stages.systems.prompt_writer.collection import open_index

    table.check_classes(classes)
    _check_settings(passages, pool)
    told = instruction or (COMPLETE if style == "complete" else INSTRUCT)
    if style == "complete":
        _check_beginning(told)
    hits = _looked_up(open_index(index.path, embedder.path, job.device), classes, query, pool)
    opened = open_writer(
        model.path, base.path if base else None, four_bits=four_bits, precision=precision, device=job.device
    )
    asker = Asker(opened, told, style, (opened.context or sys.maxsize) - max_tokens)
    sampling = Sampling(temperature, top_p, seed)
    answering = Answering(asker, hits, passages, sampling, max_tokens, precision, batch_size, job)
    places = [Place(label, i) for label in classes for i in range(per_class)]
    with Meter(job.device) as meter:
        found = drafts(places, attempts, answering.ask)
    _check_every_class(found, classes, attempts, style)
    folder = job.folder()
    prompts = [_prompt(draft, answering) for draft in found]
    table.write(folder, prompts)
    cost = {**total([meter.usage]), "texts": len(answering.questions), "tokens": answering.tokens}
    shortened = sum(answering.questions[draft.turn].shortened for draft in found)
    return Prompts(
        folder,
        facts={
            **table.count(prompts),
            "asked_again": len(answering.questions) - len(places),
            "kept": _problems(found),
            "passages_shortened": shortened,
            "cost": {**cost, "batch_size": answering.batch_size},
        },
        conditions={} if precision == "fp32" else {"batch_size": answering.batch_size},
    )


def _check_settings(passages: int, pool: int) -> None:
    if pool < passages:
        raise StageError(f"pool: {pool} is less than passages: {passages}, which are drawn from it")


def _check_beginning(instruction: Instruction) -> None:
    try:
        instruction.last_line  # noqa: B018
    except ValueError as e:
        raise StageError(
            f"instruction: with style: complete its last line begins the prompt, and names the class alone ({e})"
        ) from None


def _looked_up(
    retriever: Retriever, classes: Sequence[str], query: Phrase, pool: int
) -> dict[str, list[table.Passage]]:
    """The best passages for each class."""
    hits: dict[str, list[table.Passage]] = {}
    with closing(retriever):
        for label in classes:
            found = retriever.find(query.of(label), pool)
            hits[label] = [table.Passage(p.id, p.document, p.page, p.text) for p in found]
            if not found:
                raise StageError(
                    f"{label}: the index has no passage for {query.of(label)!r}; set another query"
                )
    return hits


def _prompt(draft: Draft, answering: Answering) -> table.Prompt:
    rests_on = answering.questions[draft.turn].passages
    return table.Prompt(table.name(*draft.place), draft.text, draft.place.label, WRITER, rests_on)


def _check_every_class(
    found: Sequence[Draft], classes: Sequence[str], attempts: int, style: Literal["instruct", "complete"]
) -> None:
    written = {draft.place.label for draft in found if draft.text}
    if missing := [label for label in classes if label not in written]:
        hint = "; style: complete suits models that follow no instructions" if style == "instruct" else ""
        raise StageError(
            f"the model wrote nothing for {', '.join(missing)}, asked {attempts} times for each prompt{hint}"
        )


def _problems(found: Sequence[Draft]) -> dict[str, int]:
    """Number of prompts that were kept despite a problem, by problem."""
    counts = Counter(draft.problem for draft in found)
    return {problem: counts[problem] for problem in ("echo", "repeat", "empty")}
