"""An embedding that is learnt from a corpus: what lies near what, and that it is the same every time."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats.corpus import Row, write
from harness.stages.data.corpus import chunk
from harness.stages.data.corpus.texts import docstrings
from harness.stages.systems.embeddings import local, open_embedder
from harness.stages.systems.embeddings.latent_semantic import LatentSemantic, features, learn

pytestmark = pytest.mark.numeric

TEXTS = [
    "A river flows into the lake, and boats cross the water.",
    "Boats on the river; the water of the lake is clear.",
    "Snow covers the glacier, and ice lasts all year.",
    "The ice of a glacier under fresh snow.",
    "Wheat and maize grow on fields that farmers plough.",
    "Farmers harvest wheat from their fields in summer.",
]


def corpus(folder, texts=TEXTS):
    folder.mkdir(parents=True)
    write(folder, [Row(text, "book", 0, i) for i, text in enumerate(texts)])
    return Corpus(folder)


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """The corpus of the smoke suites: docstrings of TorchGeo's data sets."""
    folder = tmp_path_factory.mktemp("described")
    return chunk(docstrings(job=FolderJob(folder / "read")), job=FolderJob(folder / "chunks"))


@pytest.fixture(scope="module")
def embedder(described, tmp_path_factory):
    made = local(described, job=FolderJob(tmp_path_factory.mktemp("embedder")))
    assert made.facts["words"] > 1000
    return open_embedder(made.path, "cpu")


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("a lake with clear water", "Permanent water bodies: rivers, lakes, reservoirs", "Snow and ice"),
        ("mountains under snow", "Snow and ice. Lands under ice cover", "Permanent water bodies"),
        ("tall trees of a dense forest", "woody vegetation", "bare land"),
        ("melting glaciers", "snow and glacier ice", "water bodies"),
    ],
)
def test_a_text_lies_nearest_to_what_it_is_about(embedder, text, near, far):
    to_near, to_far = embedder.embed([near, far]) @ embedder.embed([text])[0]
    assert to_near > to_far + 0.05


def test_vectors_have_length_one_and_unknown_texts_none(embedder):
    vectors = embedder.embed(["a lake", "qqq zzz", "", "Snow Ice"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (4, 256)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 0, 1], abs=1e-6)
    assert embedder.embed([]).shape == (0, 256)


def test_texts_do_not_influence_one_another(embedder):
    together = embedder.embed(["a lake", "snow and ice"])
    assert np.array_equal(together[1:], embedder.embed(["snow and ice"]))
    assert np.array_equal(together, embedder.embed_queries(["a lake", "snow and ice"]))


def test_the_embedding_is_the_same_for_any_number_of_threads(described, tmp_path):
    made = []
    for threads in (1, 3):
        with threadpool_limits(threads):
            made.append(local(described, dimensions=64, job=FolderJob(tmp_path / str(threads))))
    first, second = (open_embedder(m.path, "cpu").embed(["a lake with clear water"]) for m in made)
    assert np.abs(first - second).max() < 1e-6


@pytest.mark.proves("embeddings.local", "dimensions")
def test_other_dimensions_are_another_embedding(tmp_path):
    given = corpus(tmp_path / "corpus")
    made = [local(given, dimensions=d, job=FolderJob(tmp_path / str(d))) for d in (2, 3)]
    opened = [open_embedder(m.path, "cpu") for m in made]
    assert [e.dimensions for e in opened] == [2, 3]
    assert [e.name for e in opened] == ["latent-semantic-2", "latent-semantic-3"]
    assert opened[0].digest != opened[1].digest
    assert [m.facts["dimensions"] for m in made] == [2, 3]


def test_words_that_share_texts_are_near_without_sharing_one(tmp_path):
    made = local(corpus(tmp_path / "corpus"), dimensions=3, job=FolderJob(tmp_path))
    lake, boats, wheat = open_embedder(made.path, "cpu").embed(["lakes", "boats", "wheat"])
    assert lake @ boats > 0.9
    assert abs(lake @ wheat) < 0.1


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("Lakes", ["lake"]),
        ("bodies", ["body"]),
        ("grass", ["grass"]),
        ("radius", ["radius"]),
        ("trees and the trees", ["tree", "tree"]),
        ("Sentinel-2 of 2021, x", ["sentinel"]),
        ("Wälder", ["wälder"]),
    ],
)
def test_words_are_counted_without_their_plural(word, kept):
    assert features(word) == kept


@given(st.text(max_size=40))
def test_any_text_has_words_that_count_in_any_case(text):
    assert all(len(word) >= 1 and word == word.lower() for word in features(text))
    assert features(f"{text} lakes") == [*features(text), "lake"]


def test_too_little_text_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(StageError, match=r"dimensions: 6 of 6 rows with \d+ words .*; there can be 5"):
        local(corpus(tmp_path / "few"), dimensions=6, job=FolderJob(tmp_path / "a"))
    with pytest.raises(StageError, match="no text to learn an embedding from"):
        local(corpus(tmp_path / "none", [" ", ""]), dimensions=2, job=FolderJob(tmp_path / "b"))
    with pytest.raises(StageError, match="no word is in 2 of its 2 rows"):
        local(corpus(tmp_path / "apart", ["lake", "snow"]), dimensions=1, job=FolderJob(tmp_path / "c"))
    repeated = corpus(tmp_path / "repeated", TEXTS[:2] * 5)
    with pytest.raises(StageError, match="dimensions: 4; the corpus repeats itself, and has 2"):
        local(repeated, dimensions=4, job=FolderJob(tmp_path / "d"))


def test_damaged_files_are_refused_in_one_line(tmp_path):
    learn(TEXTS, 3, tmp_path)
    LatentSemantic.open(tmp_path, "")
    held = load_file(tmp_path / "model.safetensors")
    save_file({**held, "idf": held["idf"][1:]}, tmp_path / "model.safetensors")
    with pytest.raises(StageError, match="they do not fit"):
        open_embedder(tmp_path, "cpu")
    (tmp_path / "model.safetensors").write_bytes(b"{")
    with pytest.raises(StageError, match="cannot be opened as a local embedder"):
        open_embedder(tmp_path, "cpu")
    (tmp_path / "embedder.json").write_text(json.dumps({"kind": "other", "name": "x"}))
    with pytest.raises(StageError, match="kind 'other'; expected latent-semantic or sentence-transformer"):
        open_embedder(tmp_path, "cpu")
    (tmp_path / "embedder.json").unlink()
    with pytest.raises(StageError, match="cannot be read as an embedder"):
        open_embedder(tmp_path, "cpu")
