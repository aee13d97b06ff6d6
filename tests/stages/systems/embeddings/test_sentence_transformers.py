"""Sentence-transformers models from elsewhere: what they compute, what is kept, what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from image_files import source
from jobs import FolderJob
from rounding import rounded
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.stages.systems.embeddings import load, open_embedder
from harness.stages.systems.prompt_writer import index
from harness.stages.systems.prompt_writer.collection import open_index

pytestmark = pytest.mark.numeric

NEAR = rounded(terms=16, layers=8)
"""Of the numbers of unit vectors from a BERT that is 16 wide and one layer deep."""

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [
    "a",
    "the",
    "lake",
    "water",
    "snow",
    "ice",
    "wheat",
    "field",
    "and",
    "of",
    "with",
    "clear",
    "query",
    ":",
    ".",
]
TEXTS = ["the lake with clear water.", "snow and ice", "a field of wheat", "a lake"]


def library():
    """The library, which brings in much: it is imported by the tests that need it, and not to collect them."""
    import sentence_transformers

    return sentence_transformers


def build(folder, pooling="mean", prompts=None, normalise=True, network=None):
    """A BERT of 32 positions and some thousand weights, or another network, as its library saves it."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    torch.manual_seed(0)
    words = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, initializer_range=0.5,
    )  # fmt: skip
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    marks = [("[CLS]", words["[CLS]"]), ("[SEP]", words["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $0 [SEP]", special_tokens=marks)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    (network or BertModel(config)).save_pretrained(folder / "bert")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names).save_pretrained(
        folder / "bert"
    )
    parts = [Transformer(str(folder / "bert")), Pooling(16, pooling)] + [Normalize()] * normalise
    model = library().SentenceTransformer(modules=parts, device="cpu", prompts=prompts)
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return build(tmp_path_factory.mktemp("original"))


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "model")


def loaded(folder, tmp_path, query_prefix=None):
    return load(source=source(folder), query_prefix=query_prefix, job=FolderJob(tmp_path / "load"))


def refused(folder, tmp_path):
    with pytest.raises(StageError) as e:
        loaded(folder, tmp_path)
    message = str(e.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(f"path:{folder}")
    return message


def edit(file, change):
    read = json.loads(file.read_text())
    change(read)
    file.write_text(json.dumps(read))


@pytest.mark.parametrize(("pooling", "normalise"), [("mean", True), ("cls", False)])
def test_vectors_are_those_of_the_library_with_length_one(tmp_path, pooling, normalise):
    made = loaded(build(tmp_path, pooling, normalise=normalise), tmp_path)
    opened = open_embedder(made.path, "cpu")
    vectors = opened.embed(TEXTS)
    plain = (
        library()
        .SentenceTransformer(str(tmp_path / "model"), device="cpu")
        .encode(TEXTS, normalize_embeddings=True)
    )
    assert vectors.dtype == np.float32
    assert np.abs(vectors - plain).max() < NEAR
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1] * 4)
    assert opened.embed([]).shape == (0, 16)
    assert (opened.name, opened.dimensions, opened.context) == ("model", 16, 30)


def test_the_encoder_of_a_t5_is_all_that_is_needed(tmp_path):
    config = T5Config(vocab_size=19, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    made = loaded(build(tmp_path, network=T5EncoderModel(config)), tmp_path)
    plain = library().SentenceTransformer(str(tmp_path / "model"), device="cpu")
    vectors = open_embedder(made.path, "cpu").embed(TEXTS)
    assert np.abs(vectors - plain.encode(TEXTS, normalize_embeddings=True)).max() < NEAR


def test_pooling_is_what_the_model_says(tmp_path):
    mean, cls = (
        open_embedder(loaded(build(tmp_path / p, p), tmp_path / p).path, "cpu") for p in ("mean", "cls")
    )
    assert np.abs(mean.embed(TEXTS) - cls.embed(TEXTS)).max() > 0.01
    assert mean.digest != cls.digest


def test_the_layout_of_published_models_is_read(folder, tmp_path):
    """Of bge-small-en-v1.5 and all-MiniLM-L6-v2, which older versions of the library wrote."""
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    parts = [
        {"idx": i, "name": str(i), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for i, (place, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(parts))
    pooling = {
        "word_embedding_dimension": 16,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
    }
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 24, "do_lower_case": false}')
    (folder / "config_sentence_transformers.json").write_text(
        '{"__version__": {"sentence_transformers": "2.2.2"}}'
    )
    opened = open_embedder(loaded(folder, tmp_path).path, "cpu")
    cls = open_embedder(loaded(build(tmp_path / "cls", "cls"), tmp_path / "cls").path, "cpu")
    assert np.abs(opened.embed(TEXTS) - cls.embed(TEXTS)).max() < NEAR
    assert opened.context == 22


def test_every_weight_is_kept_and_no_path_of_this_machine(original, tmp_path):
    made = loaded(original, tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (original, made.path))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    texts = [file.read_text() for file in made.path.rglob("*.json")]
    assert len(texts) > 4
    assert not any(str(original) in text or str(tmp_path) in text for text in texts)
    assert made.facts["parameters"] == sum(w.numel() for w in before.values())
    assert {"kind": "sentence-transformer", "dimensions": 16, "context": 30}.items() <= made.facts.items()


@pytest.mark.proves("embeddings.load", "source")
def test_another_source_is_another_embedder(folder, original, tmp_path):
    state = load_file(folder / "model.safetensors")
    state["embeddings.word_embeddings.weight"] *= -1
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    one, other = (
        open_embedder(loaded(source, tmp_path / source.parent.name).path, "cpu")
        for source in (original, folder)
    )
    assert np.abs(one.embed(TEXTS) - other.embed(TEXTS)).max() > 0.01
    assert one.digest != other.digest


@pytest.mark.proves("embeddings.load", "query_prefix")
def test_query_prefix_is_put_before_queries_only(original, tmp_path):
    plain = open_embedder(loaded(original, tmp_path / "a").path, "cpu")
    asked = open_embedder(loaded(original, tmp_path / "b", query_prefix="query: ").path, "cpu")
    assert np.array_equal(plain.embed(TEXTS), asked.embed(TEXTS))
    assert np.array_equal(plain.embed(TEXTS), plain.embed_queries(TEXTS))
    assert np.abs(asked.embed_queries(TEXTS) - plain.embed([f"query: {t}" for t in TEXTS])).max() < NEAR


def test_the_models_own_prompts_are_respected(tmp_path):
    prompts = {"query": "snow : ", "document": "ice : "}
    made = loaded(build(tmp_path, prompts=prompts), tmp_path)
    opened, plain = (
        open_embedder(made.path, "cpu"),
        library().SentenceTransformer(str(tmp_path / "model"), device="cpu"),
    )
    assert made.facts["prompts"] == prompts
    for vectors, prefix in ((opened.embed_queries(TEXTS), "snow : "), (opened.embed(TEXTS), "ice : ")):
        wanted = plain.encode([prefix + text for text in TEXTS], prompt="", normalize_embeddings=True)
        assert np.abs(vectors - wanted).max() < NEAR


def test_pickles_are_refused_with_the_command_that_converts_them(folder, tmp_path):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    message = refused(folder, tmp_path)
    assert "pytorch_model.bin is a pickle" in message
    assert "S('model').save_pretrained('model-safe')" in message


def test_code_beside_the_weights_is_not_run(folder, tmp_path):
    witness = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(witness)!r}, 'w')\nclass Own: ...\n")
    edit(
        folder / "config.json", lambda c: c.update(auto_map={"AutoModel": "own.Own", "AutoConfig": "own.Own"})
    )
    assert loaded(folder, tmp_path).facts["dimensions"] == 16
    edit(folder / "modules.json", lambda m: m[1].update(type="own.Own"))
    assert "a part of type own.Own; expected Transformer, Pooling" in refused(folder, tmp_path)
    assert not witness.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("pooler.dense.bias"), "no weights for pooler.dense.bias"),
        (lambda s: s.update(extra=torch.ones(1)), "the configuration has no place for extra"),
        (lambda s: s.update({"pooler.dense.bias": torch.ones(7)}), "pooler.dense.bias has shape (7,)"),
        (lambda s: s["pooler.dense.bias"].fill_(torch.nan), "16 of 16 values that are not finite"),
    ],
)
def test_every_weight_is_accounted_for(folder, tmp_path, change, message):
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    assert message in refused(folder, tmp_path)


def test_what_is_no_model_is_refused_in_one_line(folder, tmp_path):
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-9])
    assert "model.safetensors is damaged" in refused(folder, tmp_path)
    (folder / "model.safetensors").write_bytes(weights)
    edit(folder / "modules.json", lambda m: m[0].update(path="../elsewhere"))
    assert "modules.json leads out of the folder" in refused(folder, tmp_path)
    (folder / "modules.json").write_text("[")
    assert "modules.json cannot be read" in refused(folder, tmp_path)
    (folder / "modules.json").unlink()
    said = refused(folder, tmp_path)
    assert "no modules.json in a BertModel of transformers; expected a model's folder as sentence-" in said


def test_passages_are_looked_up_by_it_and_never_longer_than_it_reads(original, tmp_path):
    embedder = loaded(original, tmp_path)
    corpus.write(tmp_path, [Row(text, "book", 0, i) for i, text in enumerate([*TEXTS, "a lake . " * 30])])
    with pytest.raises(StageError, match="chunk_size: 31 tokens; model reads 30 at once"):
        index(Corpus(tmp_path), embedder, chunk_size=31, job=FolderJob(tmp_path / "a"))
    made = index(Corpus(tmp_path), embedder, chunk_size=30, overlap=0, job=FolderJob(tmp_path / "b"))
    assert made.facts["longest"] <= 30
    assert made.facts["split"] == 1
    hits = open_index(made.path, embedder.path, "cpu").find("snow and ice", 2)
    assert (hits[0].text, round(hits[0].score, 4)) == ("snow and ice", 1.0)
