"""An index and what is found in it: exact, the same every time, without a network, and only with its embedder."""

import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from jobs import FolderJob
from rounding import rounded

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats.corpus import Row, write
from harness.formats.embedder import digest_of
from harness.stages.systems.embeddings import local, open_embedder
from harness.stages.systems.prompt_writer import collection, index, passages
from harness.stages.systems.prompt_writer.collection import ExactStore, open_index
from harness.stages.systems.prompt_writer.passages import Held, Piece

pytestmark = pytest.mark.numeric

NEAR = rounded(terms=16)
"""Of cosines of unit vectors of 16 numbers."""

THINGS = [
    "lake water river boat",
    "snow ice glacier winter",
    "wheat maize farmer harvest",
    "forest tree leaf wood",
]
QUERY = "a lake with clear water"


def corpus(folder, texts=None):
    """Sentences of four kinds, in words that only one kind has."""
    if texts is None:
        draw = np.random.default_rng(0)
        drawn = [draw.permutation(THINGS[i % 4].split())[:3] for i in range(40)]
        texts = [f"The {' and the '.join(things)} are number {i}." for i, things in enumerate(drawn)]
    folder.mkdir(parents=True)
    write(folder, [Row(text, f"book {i % 3}", i, i) for i, text in enumerate(texts)])
    return Corpus(folder)


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("given") / "corpus")


@pytest.fixture(scope="module")
def embedder(given, tmp_path_factory):
    return local(given, dimensions=6, job=FolderJob(tmp_path_factory.mktemp("embedder")))


@pytest.fixture(scope="module")
def made(given, embedder, tmp_path_factory):
    return index(given, embedder, job=FolderJob(tmp_path_factory.mktemp("made")))


def found(made, embedder, query=QUERY, count=5):
    retriever = open_index(made.path, embedder.path, "cpu")
    try:
        return retriever.find(query, count)
    finally:
        retriever.close()


def test_what_is_found_is_what_brute_force_finds(made, embedder):
    held = passages.read(made.path)
    retriever = open_index(made.path, embedder.path, "cpu")
    for query in (QUERY, "snow", "farmers harvest", "the forest and the ice"):
        hits = retriever.find(query, 7)
        of = open_embedder(embedder.path, "cpu").embed_queries([query])[0]
        cosines = dict(zip((piece.id for piece in held.pieces), held.vectors @ of, strict=True))
        assert [hit.score for hit in hits] == pytest.approx(sorted(cosines.values())[:-8:-1], abs=NEAR)
        assert [hit.score for hit in hits] == pytest.approx([cosines[hit.id] for hit in hits], abs=NEAR)
        assert [(-hit.score, hit.id) for hit in hits] == sorted((-hit.score, hit.id) for hit in hits)
        kept = {piece.id: piece for piece in held.pieces}
        assert [(h.id, h.text, h.document, h.page) for h in hits] == [tuple(kept[h.id]) for h in hits]
    retriever.close()


def test_the_search_is_exact_where_vectors_crowd_and_where_they_are_equal(tmp_path):
    draw = np.random.default_rng(1)
    vectors = draw.standard_normal((1500, 16))
    vectors[:700] = vectors[0] + 0.02 * vectors[:700]
    vectors[700:720] = vectors[700]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    held = Held([Piece(f"{i * 7919 % 1500:032x}", f"text {i}", "book", 0) for i in range(1500)], vectors)
    with collection.in_folder(tmp_path / "chroma") as client:
        store = ExactStore.over(collection.filled(client, held, lambda *_: None))
        for query in (*vectors[:3], vectors[705], *draw.standard_normal((3, 16))):
            direction = (query / np.linalg.norm(query)).astype(np.float32)
            answer = store.query(_query(direction, 25))
            cosines = dict(zip((piece.id for piece in held.pieces), vectors @ direction, strict=True))
            assert answer.similarities == pytest.approx(sorted(cosines.values())[:-26:-1], abs=NEAR)
            assert answer.similarities == pytest.approx([cosines[name] for name in answer.ids], abs=NEAR)
            assert len(set(answer.ids)) == 25
        equal = store.query(_query(vectors[700], 20)).ids
        assert equal == sorted(held.pieces[i].id for i in range(700, 720))


def _query(direction, count):
    from llama_index.core.vector_stores.types import VectorStoreQuery

    return VectorStoreQuery(query_embedding=[float(x) for x in direction], similarity_top_k=count)


def test_passages_are_about_what_is_asked(made, embedder):
    hits = found(made, embedder)
    assert len(hits) == 5
    assert all(set(hit.text.replace(".", "").split()) & {"lake", "water", "river", "boat"} for hit in hits)
    assert hits[0].score > 0.9


def test_fewer_are_found_where_there_are_fewer_and_none_for_words_unknown(made, embedder):
    assert len(found(made, embedder, count=1000)) == 40
    assert found(made, embedder, "qqq zzz") == []
    assert found(made, embedder, "") == []


def test_the_same_corpus_gives_the_same_index_and_the_same_answer(given, embedder, made, tmp_path):
    again = index(given, embedder, job=FolderJob(tmp_path))
    assert again.facts == made.facts
    assert (again.path / "passages.parquet").read_bytes() == (made.path / "passages.parquet").read_bytes()
    assert found(again, embedder, count=40) == found(made, embedder, count=40)


def test_what_is_stored_is_not_written_to(made, embedder):
    before = digest_of(made.path)
    assert found(made, embedder)
    assert digest_of(made.path) == before


def test_the_copy_that_is_opened_goes_with_the_retriever(made, embedder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    closed, dropped = (open_index(made.path, embedder.path, "cpu") for _ in range(2))
    assert len(list(tmp_path.iterdir())) == 2
    closed.close()
    closed.close()
    assert len(list(tmp_path.iterdir())) == 1
    del dropped
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_two_indices_are_open_at_once(given, embedder, made, tmp_path):
    other = index(corpus(tmp_path / "other", ["A lake and its water."]), embedder, job=FolderJob(tmp_path))
    first, second = (open_index(i.path, embedder.path, "cpu") for i in (made, other))
    assert [hit.text for hit in second.find(QUERY, 9)] == ["A lake and its water."]
    assert len(first.find(QUERY, 9)) == 9


@pytest.mark.proves("prompt_writer.index", "chunk_size overlap")
def test_chunk_size_and_overlap_change_the_passages(embedder, tmp_path):
    text = "The lake is deep. The river is wide. The ice is cold. The snow is white."
    of = corpus(tmp_path / "corpus", [text])
    settings = {
        "whole": {},
        "short": {"chunk_size": 8, "overlap": 0},
        "shared": {"chunk_size": 8, "overlap": 4},
    }
    cut = {
        name: passages.read(index(of, embedder, **given, job=FolderJob(tmp_path / name)).path).pieces
        for name, given in settings.items()
    }
    assert [piece.text for piece in cut["whole"]] == [text]
    assert [piece.text for piece in cut["short"]] == [text[:36], text[37:]]
    assert [piece.text[:12] for piece in cut["shared"]] == ["The lake is ", "The river is", "The ice is c"]


def test_doubles_and_unknown_words_are_counted(embedder, tmp_path):
    texts = ["A lake and water.", "A lake  and water.", "Qqq zzz.", " ", "Snow and ice."]
    made = index(corpus(tmp_path / "corpus", texts), embedder, job=FolderJob(tmp_path))
    counts = {name: made.facts[name] for name in ("passages", "duplicates", "unknown", "empty", "documents")}
    assert counts == {"passages": 2, "duplicates": 1, "unknown": 1, "empty": 1, "documents": 2}


def test_what_makes_no_index_is_refused_in_one_line(given, embedder, tmp_path):
    def refused(message, of=given, **settings):
        with pytest.raises(StageError, match=message):
            index(of, embedder, **settings, job=FolderJob(tmp_path / str(len(list(tmp_path.iterdir())))))

    refused("overlap: 20 tokens of 20 leave nothing new", chunk_size=20, overlap=20)
    refused("no text in its 2 rows", corpus(tmp_path / "empty", ["", "\x00 \n"]))
    refused("latent-semantic-6 knows no word of the corpus", corpus(tmp_path / "foreign", ["Qqq.", "Zzz."]))


def test_an_index_opens_with_its_own_embedder_only(given, made, tmp_path):
    smaller = local(given, dimensions=3, job=FolderJob(tmp_path / "smaller"))
    with pytest.raises(StageError) as e:
        open_index(made.path, smaller.path, "cpu")
    assert str(e.value) == (
        "embedder: latent-semantic-3 with 3 dimensions is not the one that the index was made with: "
        "latent-semantic-6 with 6"
    )
    other = local(
        corpus(tmp_path / "other", [f"{text} x{i}" for i, text in enumerate(THINGS * 8)]),
        dimensions=3,
        job=FolderJob(tmp_path / "trained"),
    )
    assert open_embedder(other.path, "cpu").name == "latent-semantic-3"
    with pytest.raises(StageError, match="is not the one"):
        open_index(made.path, other.path, "cpu")


def test_a_damaged_index_is_refused_in_one_line(made, embedder, tmp_path):
    with pytest.raises(StageError, match=r"index\.json: cannot be read as an index"):
        open_index(tmp_path, embedder.path, "cpu")
    (tmp_path / "index.json").write_text("{}")
    with pytest.raises(StageError, match="expected dimensions, embedder, embedder_name, server"):
        open_index(tmp_path, embedder.path, "cpu")
    (tmp_path / "index.json").write_text((made.path / "index.json").read_text())
    with pytest.raises(StageError, match="cannot be read as passages"):
        open_index(tmp_path, embedder.path, "cpu")


OFFLINE = """
import json, os, sys
calls = []
asked = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname")
sys.addaudithook(lambda event, arguments: calls.append(event) if event.startswith(asked) else None)
from pathlib import Path
from jobs import FolderJob
from harness.artifact import Corpus, TextEmbedder
from harness.stages.systems.prompt_writer import index
from harness.stages.systems.prompt_writer.collection import open_index
corpus, embedder, folder = map(Path, sys.argv[1:])
made = index(Corpus(corpus), TextEmbedder(embedder), job=FolderJob(folder))
retriever = open_index(made.path, embedder, "cpu")
hits = len(retriever.find("a lake", 3))
links = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{n}")]
tables = "".join(Path(f"/proc/self/net/{kind}").read_text() for kind in ("tcp", "tcp6", "udp", "udp6"))
network = [link for link in links if link.startswith("socket:") and f" {link[8:-1]} " in tables]
print(json.dumps({"calls": calls, "network": network, "files": len(links), "hits": hits}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs /proc to see a process's sockets")
def test_neither_indexing_nor_looking_up_opens_a_connection(given, embedder, tmp_path):
    tests = Path(__file__).parents[3]
    answer = subprocess.run(
        [sys.executable, "-c", OFFLINE, str(given.path), str(embedder.path), str(tmp_path)],
        env={"PYTHONPATH": f"{tests}:{tests.parent}", "PATH": "", "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    seen = json.loads(answer.stdout.splitlines()[-1])
    assert seen["hits"] == 3
    assert seen["files"] > 3
    assert seen["calls"] == []
    assert seen["network"] == []
