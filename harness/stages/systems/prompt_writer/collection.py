"""Passages in Chroma, in a folder or on a server: always completed, and retrieved exactly through llama-index."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import chromadb
import httpx
import numpy as np
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import ChromaError
from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryResult
from llama_index.vector_stores.chroma import ChromaVectorStore
from numpy.typing import NDArray

from harness.errors import StageError
from harness.stages.systems.embeddings import Embedder, open_embedder
from harness.stages.systems.prompt_writer import passages
from harness.stages.systems.prompt_writer.address import Address
from harness.stages.systems.prompt_writer.passages import Held

_DIGITS = 6
"""Digits that a cosine is rounded to: the seventh is rounding error, which would order equal passages at random."""
_PAGE = 1000
"""Rows per request, so that a server's answers stay small."""


class ExactStore(ChromaVectorStore):
    """A Chroma collection that is searched exactly, by comparing every vector with the query.

    Chroma's own search uses a graph (HNSW) that is built in a different order every time and may be disconnected. Where
    vectors are dense it misses most of the nearest: among 600 with cosines above 0.99 it lost 3 to 9 of the first 10,
    different ones each time, however wide the search. It also orders ties arbitrarily. Comparing all vectors takes
    0.03 s for 200,000 passages and gives the same answer every time.
    """

    _ids: NDArray[np.str_] = PrivateAttr()  # sorted, so that a stable sort orders ties by id
    _vectors: NDArray[np.float32] = PrivateAttr()

    @classmethod
    def over(cls, collection: Collection) -> ExactStore:
        """The store for a collection; reads all of its vectors."""
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
        """The nearest passages by cosine, then by id; none for a query vector of zeros."""
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
    """Adapts an ``Embedder`` to llama-index: passages are embedded as texts, questions as queries."""

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


FOLDER = "chroma"

_BATCH = 500
"""Passages per request when filling a collection."""


def name_of(held: Held) -> str:
    """Name of the collection of these passages: the same passages and vectors give the same name."""
    return f"passages-{held.digest()[:40]}"


@contextmanager
def in_folder(folder: Path) -> Iterator[ClientAPI]:
    """Chroma within this process, on files in ``folder``. It writes to the folder even when only reading."""
    client = chromadb.PersistentClient(str(folder), settings=_settings())
    try:
        yield client
    finally:
        client.close()


@contextmanager
def copied(folder: Path, to: Path) -> Iterator[ClientAPI]:
    """Like ``in_folder``, on a copy, so that the original is not written to. 20 MB are copied and opened in 50 ms."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        copy = to / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)  # without its permissions, because it may be read-only
    with in_folder(to) as client:
        yield client


@contextmanager
def on_server(address: Address) -> Iterator[ClientAPI]:
    """A Chroma server. Chroma reads the client's credentials from the environment (``CHROMA_CLIENT_AUTH_PROVIDER``).

    Raises:
        StageError: no server answers, or its answers break off or are invalid.
    """
    what = f"server: {address.text}"
    with answering(what):
        try:
            client = chromadb.HttpClient(
                address.host, address.port, ssl=address.encrypted, settings=_settings()
            )
        except ValueError as e:  # no server there, or one that is not Chroma
            raise StageError(f"{what}: no Chroma server answers there ({_said(e)})") from None
        try:
            yield client
        finally:
            client.close()


@contextmanager
def answering(what: str) -> Iterator[None]:
    """Turn Chroma's errors into one line that begins with ``what``.

    Raises:
        StageError: a server is gone or refuses the request, or a folder is damaged.
    """
    try:
        yield
    except (httpx.HTTPError, ChromaError) as e:
        raise StageError(f"{what}: Chroma does not answer as it should ({_said(e)})") from None


def filled(client: ClientAPI, held: Held, progress: Callable[[int, int, str], None]) -> Collection:
    """The collection of these passages. Missing passages are added.

    The collection's name depends on its content and a passage's id on its text, so all writers of a collection write
    the same. What another writer wrote first stays. A killed writer leaves nothing wrong; the next one completes it.

    Args:
        client: client for a folder or a server.
        held: passages with their vectors.
        progress: called to report progress.

    Raises:
        StageError: in the end the number of passages is wrong.
    """
    collection = client.get_or_create_collection(
        name_of(held), configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    if collection.count() == len(held.pieces):
        return collection
    store = ExactStore(chroma_collection=collection)
    for begin in range(0, len(held.pieces), _BATCH):
        end = min(begin + _BATCH, len(held.pieces))
        store.add(nodes_of(Held(held.pieces[begin:end], held.vectors[begin:end])))
        progress(end, len(held.pieces), "passages stored")
    count = collection.count()
    if count != len(held.pieces):
        raise StageError(
            f"collection {collection.name}: {count} passages where {len(held.pieces)} were stored; "
            "somebody else writes into it, or its disk is full"
        )
    return collection


def _settings() -> Settings:
    return Settings(anonymized_telemetry=False)


def _said(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


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
        with answering(self._what):
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
            client = stack.enter_context(copied(index / FOLDER, copy))
        else:
            client = stack.enter_context(on_server(server))
        store = ExactStore.over(filled(client, held, lambda done, total, what: None))
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
