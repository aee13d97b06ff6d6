"""The index of a corpus: its passages, their vectors, and a Chroma collection of both."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from harness.artifact import Corpus, Index, TextEmbedder
from harness.errors import StageError
from harness.formats.embedder import EMBEDDER
from harness.stage import Execution, Job, stage
from harness.stages.systems.prompt_writer.address import Address

if TYPE_CHECKING:
    from harness.stages.systems.embeddings.embedder import Embedder
    from harness.stages.systems.prompt_writer.passages import Held, Piece

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
    from harness.stages.systems.embeddings.opening import open_embedder
    from harness.stages.systems.prompt_writer import passages, retrieving
    from harness.stages.systems.prompt_writer.collection import FOLDER, filled, in_folder, on_server

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
    (folder / retrieving.DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")
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
