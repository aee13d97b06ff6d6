"""What llama-index is given: our embedder, and a Chroma collection that answers exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from chromadb.api.models.Collection import Collection
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryResult
from llama_index.vector_stores.chroma import ChromaVectorStore
from numpy.typing import NDArray

from harness.systems.embeddings.embedder import Embedder
from harness.systems.prompt_writer.indexing.passages import Held

_DIGITS = 6
"""Of a cosine: what differs in the seventh is rounding, which would order equal passages at random."""
_PAGE = 1000
"""Rows that are asked for at once, so that a server's answers stay small."""


class ExactStore(ChromaVectorStore):
    """A Chroma collection whose vectors are compared with a query one by one.

    Chroma's own search walks a graph (HNSW) that is built in another order every time and need not be connected. Where
    vectors crowd it loses most of a query's nearest: of 600 whose cosines exceed 0.99, 3 to 9 of the first 10, and
    others each time, however wide the search. It also orders equal ones as it likes. Comparing them all takes 0.03 s
    for 200,000 passages, and gives the same answer every time.
    """

    _ids: NDArray[np.str_] = PrivateAttr()  # sorted, so that a stable sort leaves equal ones in their order
    _vectors: NDArray[np.float32] = PrivateAttr()

    @classmethod
    def over(cls, collection: Collection) -> ExactStore:
        """The store over a whole collection, whose vectors are read here."""
        store = cls(chroma_collection=collection)
        count = collection.count()
        parts = [
            collection.get(include=["embeddings"], limit=_PAGE, offset=offset)
            for offset in range(0, count, _PAGE)
        ]
        ids = np.array([name for part in parts for name in part["ids"]], dtype=np.str_)
        by_id = np.argsort(ids)
        store._ids = ids[by_id]
        store._vectors = np.concatenate([np.asarray(part["embeddings"], np.float32) for part in parts])[by_id]
        return store

    def query(self, query: VectorStoreQuery) -> VectorStoreQueryResult:
        """The nearest passages by cosine, then by id; none for a query without direction."""
        direction = np.asarray(query.query_embedding, np.float32)
        if not direction.any():
            return VectorStoreQueryResult(nodes=[], similarities=[], ids=[])
        cosines = np.round((self._vectors @ direction).astype(np.float64), _DIGITS)
        first = np.argsort(-cosines, kind="stable")[: query.similarity_top_k]
        ids = [str(name) for name in self._ids[first]]
        nodes = {node.node_id: node for node in self.get_nodes(ids)}
        return VectorStoreQueryResult(
            nodes=[nodes[name] for name in ids], similarities=[float(c) for c in cosines[first]], ids=ids
        )


class Bridge(BaseEmbedding):
    """One of our embedders as llama-index calls it; a passage is embedded as a text, a question as a query."""

    _embedder: Embedder = PrivateAttr()

    @classmethod
    def to(cls, embedder: Embedder) -> Bridge:
        """The bridge to ``embedder``."""
        bridge = cls(model_name=embedder.name)
        bridge._embedder = embedder
        return bridge

    def _get_query_embedding(self, query: str) -> list[float]:
        return list(map(float, self._embedder.embed_queries([query])[0]))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return list(map(float, self._embedder.embed([text])[0]))


def nodes_of(held: Held) -> Sequence[TextNode]:
    """Passages as llama-index stores them."""
    return [
        TextNode(
            id_=piece.id,
            text=piece.text,
            metadata={"document": piece.document, "page": piece.page},
            embedding=[float(x) for x in vector],
        )
        for piece, vector in zip(held.pieces, held.vectors, strict=True)
    ]
