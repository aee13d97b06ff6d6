"""Chroma collections: one in a folder, or one on a server that several runs share. Never half of one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import chromadb
import httpx
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection
from chromadb.config import Settings
from chromadb.errors import ChromaError

from harness.errors import StageError
from harness.systems.prompt_writer.indexing.address import Address
from harness.systems.prompt_writer.indexing.passages import Held
from harness.systems.prompt_writer.indexing.ranking import ExactStore, nodes_of

FOLDER = "chroma"

_BATCH = 500
"""Passages that are sent at once."""


def name_of(held: Held) -> str:
    """What a collection of these passages is called: the same passages and vectors, the same name."""
    return f"passages-{held.digest()[:40]}"


@contextmanager
def in_folder(folder: Path) -> Iterator[ClientAPI]:
    """Chroma within this process, on files in ``folder``, which it writes to even to read them."""
    client = chromadb.PersistentClient(str(folder), settings=_settings())
    try:
        yield client
    finally:
        client.close()


@contextmanager
def copied(folder: Path, to: Path) -> Iterator[ClientAPI]:
    """The same on a copy, for what is stored is not written to. 20 MB are copied and opened in 50 ms."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        copy = to / file.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)  # not its permissions, for it may be read-only
    with in_folder(to) as client:
        yield client


@contextmanager
def on_server(address: Address) -> Iterator[ClientAPI]:
    """A Chroma server. Chroma itself reads who asks from the environment (``CHROMA_CLIENT_AUTH_PROVIDER``).

    Raises:
        StageError: nobody answers there, or the answers break off or make no sense.
    """
    what = f"server: {address.text}"
    with answering(what):
        try:
            client = chromadb.HttpClient(
                address.host, address.port, ssl=address.encrypted, settings=_settings()
            )
        except ValueError as e:  # nobody there, or somebody else
            raise StageError(f"{what}: no Chroma server answers there ({_said(e)})") from None
        try:
            yield client
        finally:
            client.close()


@contextmanager
def answering(what: str) -> Iterator[None]:
    """What Chroma says when it cannot do what it should, in one line that begins with ``what``.

    Raises:
        StageError: a server is gone or refuses, or a folder is damaged.
    """
    try:
        yield
    except (httpx.HTTPError, ChromaError) as e:
        raise StageError(f"{what}: Chroma does not answer as it should ({_said(e)})") from None


def filled(client: ClientAPI, held: Held, progress: Callable[[int, int, str], None]) -> Collection:
    """The collection of these passages: as it is where it is complete, else with what was missing.

    Its name is made of its content, and an id of a passage's text, so writers of one collection write the same: what
    another one wrote first stays, whoever is killed leaves nothing wrong, and the next one completes it.

    Args:
        client: of a folder or a server.
        held: passages with their vectors.
        progress: is told how far it is.

    Raises:
        StageError: in the end it has not as many passages as it should.
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
