"""Perplexity from stored likelihoods: weighted by tokens, comparable across tokenizers, and with an honest interval."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Likelihoods
from harness.compare import stats
from harness.compute.influence import ratio
from harness.errors import StageError
from harness.formats.likelihoods import TABLE, Likelihood, write
from harness.stages.metrics import perplexity

pytestmark = pytest.mark.numeric

PROTOCOL = "context=512, stride=256, bos=text, eos=no, unit=row, fp32"
LN2 = math.log(2)


def likelihoods(folder: Path, rows, unknown=0) -> Likelihoods:
    folder.mkdir(exist_ok=True)
    write(folder, [Likelihood(*row) for row in rows])
    return Likelihoods(folder, facts={"protocol": PROTOCOL, "unknown_tokens": unknown})


def test_every_token_has_the_same_weight_whatever_text_it_is_of(tmp_path):
    rows = [("a:0", "a", 1, 4, 2 * LN2), ("b:0", "b", 3, 16, 2 * LN2)]
    scores = perplexity.scores(likelihoods(tmp_path, rows))
    assert scores.nll == pytest.approx(LN2)
    assert scores.perplexity == pytest.approx(2.0)
    assert scores.bits_per_byte == pytest.approx(4 / 20)
    assert scores.conditions == {"texts": 2, "tokens": 4}
    assert scores.details["name"] == f"ppl[{PROTOCOL}]"


def test_the_paper_is_the_exponential_of_its_training_loss_give_or_take(tmp_path):
    """Loss 3.3855 is perplexity 29.5; the 30.5 beside it in the paper is of another loss, 3.418."""
    scores = perplexity.scores(likelihoods(tmp_path, [("a", "a", 1000, 4000, 3385.5)]))
    assert scores.perplexity == pytest.approx(29.53, abs=0.005)


def test_bits_per_byte_are_the_same_for_two_spellings_of_one_distribution(tmp_path):
    """Uniform over four letters: as letters ln 4 a token, as pairs of letters ln 16 for each of half as many."""
    letters = likelihoods(tmp_path / "letters", [("a", "a", 64, 64, 64 * math.log(4))])
    pairs = likelihoods(tmp_path / "pairs", [("a", "a", 32, 64, 32 * math.log(16))])
    assert [perplexity.scores(each).perplexity for each in (letters, pairs)] == pytest.approx([4, 16])
    for each in (letters, pairs):
        scores = perplexity.per_byte(each)
        assert scores.bits_per_byte == pytest.approx(2.0) == perplexity.scores(each).bits_per_byte
        assert scores.conditions == {"texts": 1, "bytes": 64}


texts = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 500), st.integers(1, 2000), st.floats(0.0, 3000.0)),
    min_size=1,
    max_size=12,
)


@draws(50)
@given(texts)
def test_every_column_has_its_field_as_its_mean(tmp_path, drawn):
    rows = [
        (f"{d}:{i}", str(d), tokens, size, min(nll, 9.0 * tokens))
        for i, (d, tokens, size, nll) in enumerate(drawn)
    ]
    made = likelihoods(tmp_path, rows)
    for scores in (perplexity.scores(made), perplexity.per_byte(made)):
        assert scores.items.columns
        assert scores.items.item == [row[0] for row in rows]
        assert scores.items.cluster == [row[1] for row in rows]
        for name, column in scores.items.columns.items():
            assert np.mean(column) == pytest.approx(getattr(scores, name), rel=1e-9, abs=1e-9), name


def drawn_corpus(generator: np.random.Generator, documents: int = 40) -> tuple[np.ndarray, ...]:
    """Chunks of documents of very unequal length: document, tokens, and nll of a model and of one 0.05 worse.

    A document is easy or hard as a whole, for both models and for the difference between them; so is each chunk.
    """
    chunks = np.maximum(1, generator.lognormal(1.0, 0.6, documents).astype(int))
    document = np.repeat(np.arange(documents), chunks)
    tokens = generator.integers(20, 200, len(document))
    hard = generator.normal(0, 0.3, documents)[document]
    gap = generator.normal(0.05, 0.05, documents)[document]
    before = 3 + hard + generator.normal(0, 0.3, len(document))
    after = before + gap + generator.normal(0, 0.1, len(document))
    return document, tokens, before * tokens, after * tokens


def test_nine_of_ten_intervals_over_documents_hold_the_truth():
    """Of one model, and of the difference of two on the same texts.

    The plain share of the sum, nll_i I / tokens, has the same mean; for one model its interval is far wider.
    """
    generator = np.random.default_rng(0)
    repeats, one, two, width, plain_width = 300, 0, 0, 0.0, 0.0
    for _ in range(repeats):
        document, tokens, before, after = drawn_corpus(generator)
        clusters, sizes = document.tolist(), tokens.tolist()
        first, second = (ratio(sums.tolist(), sizes, clusters)[1] for sums in (before, after))
        low, high = stats.clustered(first, clusters).interval()
        one += low <= 3.0 <= high
        width += high - low
        changes = [c - b for b, c in zip(first, second, strict=True)]
        low, high = stats.clustered(changes, clusters).interval()
        two += low <= 0.05 <= high
        low, high = stats.clustered((before * len(sizes) / sum(sizes)).tolist(), clusters).interval()
        plain_width += high - low
    assert 0.85 <= one / repeats <= 0.95
    assert 0.85 <= two / repeats <= 0.95
    assert plain_width > 1.3 * width


@pytest.mark.parametrize("documents", [10, 20])
def test_an_interval_over_few_documents_covers_what_it_says(documents):
    """Linearised rows would cover 85 %."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(600):
        document, tokens, nll, _ = drawn_corpus(generator, documents)
        column = ratio(nll.tolist(), tokens.tolist(), document.tolist())[1]
        low, high = stats.clustered(column, document.tolist()).interval()
        held += low <= 3.0 <= high
    assert 0.87 <= held / 600 <= 0.93


def test_the_columns_are_the_rows_of_a_ratio(tmp_path):
    rows = [("a:0", "a", 10, 40, 30.0), ("a:1", "a", 30, 120, 60.0), ("b:0", "b", 20, 80, 50.0)]
    scores = perplexity.scores(likelihoods(tmp_path, rows))
    mean, values = ratio([30.0, 60.0, 50.0], [10, 30, 20], ["a", "a", "b"])
    assert mean == pytest.approx(140 / 60, rel=1e-15)
    assert scores.items.columns["nll"] == values
    expected = [math.exp(mean) * (1 + value - mean) for value in values]
    assert scores.items.columns["perplexity"] == pytest.approx(expected, rel=1e-12)


def test_the_interval_of_the_perplexity_is_that_of_its_logarithm_over_documents(tmp_path):
    rows = [("a:0", "a", 10, 40, 30.0), ("a:1", "a", 30, 120, 60.0), ("b:0", "b", 20, 80, 50.0)]
    scores = perplexity.scores(likelihoods(tmp_path / "two", rows))
    low, high = stats.clustered(scores.items.columns["nll"], ["a", "a", "b"]).interval()
    assert scores.details["interval_90"] == pytest.approx([math.exp(low), math.exp(high)])
    assert scores.details["documents"] == 2
    alone = perplexity.scores(likelihoods(tmp_path / "one", rows[:2]))
    assert alone.details["interval_90"] is None
    apart = [("a", "a", 1, 4, 1.0), ("b", "b", 1, 4, 600.0)]
    assert perplexity.scores(likelihoods(tmp_path / "apart", apart)).details["interval_90"] is None


def test_the_longest_documents_have_a_row_each_by_name(tmp_path):
    rows = [
        (f"{d:02d}:{i}", f"{d:02d}", 1 + d, 4, (1 + d) * LN2 * (1 + i)) for d in range(60) for i in (0, 1)
    ]
    listed = perplexity.scores(likelihoods(tmp_path, rows)).details["longest_documents"]
    assert [row["document"] for row in listed] == [f"{d:02d}" for d in range(10, 60)]
    assert [row["tokens"] for row in listed] == [2 * (1 + d) for d in range(10, 60)]
    assert [row["perplexity"] for row in listed] == pytest.approx([2**1.5] * 50)


def test_unknown_tokens_stand_beside_bits_per_byte(tmp_path):
    scores = perplexity.per_byte(likelihoods(tmp_path, [("a", "a", 1, 4, 1.0)], unknown=3))
    assert scores.details == {"name": f"bits per byte[{PROTOCOL}]", "unknown_tokens": 3}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no likelihoods"),
        ([("a", "a", 1, 4, 1.0), ("b", "b", 0, 4, 0.0)], "b: 0 tokens and 4 bytes"),
        (
            [("a", "a", 1, 4, 1.0), ("b", "b", 1, 4, float("nan"))],
            "b: a likelihood that is not a finite number",
        ),
        ([("a", "a", 1, 0, 1.0)], "no bytes were predicted"),
        ([("a", "a", 1, 4, 701.0)], "all texts: 701 nats per token, of which there is no exponential"),
        ([("a", "a", 1, 4, 800.0), ("b", "b", 9, 4, 9.0)], "a: 800 nats per token"),
    ],
)
def test_what_cannot_be_scored_is_named(tmp_path, rows, message):
    with pytest.raises(StageError, match=message):
        perplexity.scores(likelihoods(tmp_path, rows))


def test_a_file_that_holds_no_likelihoods_is_refused(tmp_path):
    made = Likelihoods(tmp_path, facts={"protocol": PROTOCOL, "unknown_tokens": 0})
    with pytest.raises(StageError, match="cannot be read as likelihoods"):
        perplexity.scores(made)
    pq.write_table(pa.table({"item": ["a"]}), tmp_path / TABLE)
    with pytest.raises(
        StageError, match="columns item string; expected item, document, tokens, bytes and nll"
    ):
        perplexity.scores(made)
