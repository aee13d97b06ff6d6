"""Retrieves the passages nearest to a query, through llama-index and Chroma."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llama_index.core import VectorStoreIndex

from harness.errors import StageError
from harness.stages.systems.embeddings.embedder import Embedder
from harness.stages.systems.embeddings.opening import open_embedder
from harness.stages.systems.prompt_writer import collection, passages
from harness.stages.systems.prompt_writer.address import Address
from harness.stages.systems.prompt_writer.collection import Bridge, ExactStore

DESCRIPTION = "index.json"


@dataclass(frozen=True)
class Passage:
    """A retrieved passage."""

    id: str
    document: str
    page: int
    """The page on which it begins, from 1; 0 if the source has no pages."""
    text: str
    score: float
    """Cosine with the query, in [-1, 1], to six digits."""


class Retriever:
    """Looks up passages; made by ``open_index``. Holds a copy of the collection until it is closed or collected."""

    def __init__(self, store: ExactStore, embedder: Embedder, what: str, held: ExitStack) -> None:
        self._what = what
        self._index = VectorStoreIndex.from_vector_store(store, embed_model=Bridge.to(embedder))
        self.close = weakref.finalize(self, held.close)
        """Releases the collection; may be called more than once."""

    def find(self, query: str, count: int) -> list[Passage]:
        """The ``count`` passages whose vectors have the largest cosine with the query's, by score, then by id.

        All vectors are compared, so the result is exact and the same every time. There are fewer passages if the index
        has fewer, and none for a query without a word known to the embedder. The last ones may have little to do with
        the query: see their score.
        """
        if not query:  # llama-index does not pass an empty query to the embedder
            return []
        with collection.answering(self._what):
            found = self._index.as_retriever(similarity_top_k=count).retrieve(query)
        return [
            Passage(
                hit.node.node_id,
                str(hit.node.metadata["document"]),
                int(hit.node.metadata["page"]),
                hit.node.get_content(),
                float(hit.score),
            )
            for hit in found
        ]


def open_index(index: Path, embedder: Path, device: str) -> Retriever:
    """Open what ``prompt_writer.index`` produced.

    If the collection on a server is missing or incomplete, it is filled again from the index's own table.

    Args:
        index: folder of the index, which is not written to.
        embedder: folder of the embedder that the index was made with.
        device: device of the embedder.

    Raises:
        StageError: another embedder, a damaged index, or a server that does not answer.
    """
    described = _described(index)
    opened = open_embedder(embedder, device)
    if opened.digest != described["embedder"]:
        raise StageError(
            f"embedder: {opened.name} with {opened.dimensions} dimensions is not the one that the index was made "
            f"with: {described['embedder_name']} with {described['dimensions']}"
            + (", with other weights" if opened.name == described["embedder_name"] else "")
        )
    held = passages.read(index)
    server = _server(described["server"], index / DESCRIPTION)
    what = f"server: {server.text}" if server else str(index)
    with ExitStack() as stack:
        if server is None:
            copy = Path(tempfile.mkdtemp(prefix="harness-chroma-"))
            stack.callback(shutil.rmtree, copy, ignore_errors=True)
            client = stack.enter_context(collection.copied(index / collection.FOLDER, copy))
        else:
            client = stack.enter_context(collection.on_server(server))
        store = ExactStore.over(collection.filled(client, held, lambda done, total, what: None))
        return Retriever(store, opened, what, stack.pop_all())


def _described(index: Path) -> dict[str, Any]:
    file = index / DESCRIPTION
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise StageError(f"{file}: cannot be read as an index ({e})") from None
    wanted = {"embedder", "embedder_name", "dimensions", "server"}
    if not isinstance(described, dict) or not wanted <= described.keys():
        raise StageError(f"{file}: expected {', '.join(sorted(wanted))}, as prompt_writer.index writes them")
    return described


def _server(text: str | None, file: Path) -> Address | None:
    try:
        return None if text is None else Address.from_text(text)
    except ValueError as e:
        raise StageError(f"{file}: server: {e}") from None
