"""A collection on a real Chroma server: whole or not at all, shared by several writers, the same answers."""

import json
import socket
import subprocess
import sys
from threading import Barrier, Thread

import chromadb
import numpy as np
import pytest
from chromadb.config import Settings
from jobs import FolderJob

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.stages.systems.embeddings import local
from harness.stages.systems.prompt_writer import index, passages
from harness.stages.systems.prompt_writer.address import Address
from harness.stages.systems.prompt_writer.collection import (
    ExactStore,
    filled,
    name_of,
    nodes_of,
    on_server,
    open_index,
)
from harness.stages.systems.prompt_writer.passages import Held, Piece

THINGS = ["lake water river boat", "snow ice glacier winter", "wheat maize farmer harvest"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    texts = [f"Text {i} of {THINGS[i % 3]} and {THINGS[i % 3].split()[i % 4]}." for i in range(30)]
    corpus.write(folder, [Row(text, "book", 0, i) for i, text in enumerate(texts)])
    return Corpus(folder)


@pytest.fixture(scope="module")
def embedder(given, tmp_path_factory):
    return local(given, dimensions=3, job=FolderJob(tmp_path_factory.mktemp("embedder")))


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """``chroma run`` on this machine."""

    def __init__(self, folder):
        port = free_port()
        self.address = Address.from_text(f"http://127.0.0.1:{port}")
        # What the command `chroma` does, without the seconds that its package takes to import.
        start = "import sys, chromadb_rust_bindings as chroma; chroma.cli(sys.argv[1:])"
        arguments = ["chroma", "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", start, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.listens = any(b"listening" in line for line in self.process.stdout)
        Thread(target=self.process.stdout.read, daemon=True).start()  # else it stops when the pipe is full

    def client(self):
        return chromadb.HttpClient(
            self.address.host, self.address.port, settings=Settings(anonymized_telemetry=False)
        )

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    started = Server(tmp_path_factory.mktemp("server"))
    if not started.listens:
        started.stop()
        pytest.skip("a Chroma server does not start on this machine")
    yield started
    started.stop()


def quietly(done, total, what):
    """Nobody is told."""


def random_passages(seed, count=700):
    vectors = np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Held([Piece(f"{seed:08x}{i:024x}", f"text {i}", "book", 0) for i in range(count)], vectors)


@pytest.mark.proves("prompt_writer.index", "server")
def test_the_server_gives_the_same_answers_as_the_folder(given, embedder, server, tmp_path):
    near, far = (
        index(given, embedder, server=address, job=FolderJob(tmp_path / str(bool(address))))
        for address in (None, server.address)
    )
    assert not (far.path / "chroma").exists()
    assert far.facts["collection"] == near.facts["collection"]
    assert (far.path / "passages.parquet").read_bytes() == (near.path / "passages.parquet").read_bytes()
    retrievers = [open_index(made.path, embedder.path, "cpu") for made in (near, far)]
    for query in ("a lake", "snow and ice", "farmers", "qqq"):
        here, there = (retriever.find(query, 9) for retriever in retrievers)
        assert here == there
    assert retrievers[1].find("a lake", 30)


def test_a_complete_collection_is_used_again_and_a_lost_one_made_anew(given, embedder, server, tmp_path):
    made = index(given, embedder, server=server.address, job=FolderJob(tmp_path / "first"))
    again = FolderJob(tmp_path / "again")
    index(given, embedder, server=server.address, job=again)
    assert not [what for _, _, what in again.reports if what == "passages stored"]
    client = server.client()
    client.delete_collection(made.facts["collection"])
    retriever = open_index(made.path, embedder.path, "cpu")
    assert len(retriever.find("a lake", 9)) == 9
    assert client.get_collection(made.facts["collection"]).count() == made.facts["passages"]
    client.close()


def test_what_a_killed_writer_left_is_completed(server):
    held = random_passages(1)
    with on_server(server.address) as client:
        half = client.create_collection(name_of(held), configuration={"hnsw": {"space": "cosine"}})
        ExactStore(chroma_collection=half).add(nodes_of(Held(held.pieces[:300], held.vectors[:300])))
        assert half.count() == 300
        collection = filled(client, held, quietly)
        assert collection.count() == 700
        assert set(collection.get(include=[])["ids"]) == {piece.id for piece in held.pieces}


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_two_writers_of_one_collection_both_end_right(server, seed):
    held, begin, ended = random_passages(seed), Barrier(2), []

    def write():
        with on_server(server.address) as client:
            begin.wait()
            collection = filled(client, held, quietly)
            ended.append((collection.count(), ExactStore.over(collection).query(_query(held.vectors[5])).ids))

    writers = [Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [count for count, _ in ended] == [700, 700]
    assert ended[0][1] == ended[1][1]
    assert ended[0][1][0] == held.pieces[5].id


def test_somebody_elses_passages_in_a_collection_are_noticed(server):
    held, other = random_passages(6, 20), random_passages(7, 30)
    with on_server(server.address) as client:
        wrong = client.create_collection(name_of(held), configuration={"hnsw": {"space": "cosine"}})
        ExactStore(chroma_collection=wrong).add(nodes_of(other))
        with pytest.raises(
            StageError, match="50 passages where 20 were stored; somebody else writes into it"
        ):
            filled(client, held, quietly)


def test_a_server_that_is_not_there_is_one_line_before_any_work(given, embedder, tmp_path):
    address = Address.from_text(f"http://127.0.0.1:{free_port()}")
    job = FolderJob(tmp_path)
    with pytest.raises(StageError) as e:
        index(given, embedder, server=address, job=job)
    assert str(e.value).startswith(f"server: {address.text}: no Chroma server answers there (")
    assert len(str(e.value).splitlines()) == 1
    assert job.reports == []
    assert not (tmp_path / "entry").exists()


def test_a_server_that_goes_away_is_one_line(given, embedder, tmp_path):
    leaving = Server(tmp_path / "server")
    if not leaving.listens:
        leaving.stop()
        pytest.skip("a Chroma server does not start on this machine")
    made = index(given, embedder, server=leaving.address, job=FolderJob(tmp_path))
    retriever = open_index(made.path, embedder.path, "cpu")
    leaving.stop()
    with pytest.raises(
        StageError, match=f"server: {leaving.address.text}: Chroma does not answer as it should"
    ):
        retriever.find("a lake", 3)
    with pytest.raises(StageError, match=f"server: {leaving.address.text}: no Chroma server answers there"):
        open_index(made.path, embedder.path, "cpu")
    assert json.loads((made.path / "index.json").read_text())["server"] == leaving.address.text
    assert len(passages.read(made.path).pieces) == 30


def _query(vector):
    from llama_index.core.vector_stores.types import VectorStoreQuery

    return VectorStoreQuery(query_embedding=[float(x) for x in vector], similarity_top_k=3)
