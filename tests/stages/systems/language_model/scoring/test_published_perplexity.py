"""A trained model on real text, beside two independent implementations: a C program and the EleutherAI harness."""

import json
import os
from pathlib import Path

import pytest
from rounding import rounded

from harness.artifact import LanguageModel
from harness.formats.likelihoods import read
from harness.stages.metrics import perplexity
from harness.stages.systems.language_model.likelihood import likelihood

pytestmark = pytest.mark.numeric

NEAR = rounded(terms=172, layers=36)
"""Five layers of seven matrices, and the vocabulary's; the widest adds up 172 products."""

STORIES = "karpathy/stories260K"


@pytest.fixture
def mirror() -> Path:
    found = os.environ.get("HARNESS_MIRROR")
    if not found:
        pytest.skip("the golden data is beside the mirror: set HARNESS_MIRROR")
    return Path(found)


def beginning(tokenizer, text: str, tokens: int) -> str:
    """As much of a text as makes so many tokens."""
    end = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"][
        tokens - 1
    ][1]
    return text[:end]


def test_the_golden_perplexities_of_an_independent_c_program(mirror, corpus, jobs):
    """512 tokens with the <s> that begins them: 511 are predicted."""
    from transformers import AutoTokenizer

    golden = mirror.parent / "golden" / "perplexity"
    tokenizer = AutoTokenizer.from_pretrained(mirror / STORIES)
    cases = json.loads((golden / "expected.json").read_text())["cases"]
    assert len(cases) == 2
    for case in cases:
        text = beginning(tokenizer, (golden / case["file"]).read_text(), case["tokens"] - 1)
        made = likelihood(LanguageModel(mirror / STORIES), corpus([("d", text)]), job=next(jobs))
        assert made.facts["tokens"] == case["tokens"] - 1
        scores = perplexity.scores(made)
        assert scores.nll == pytest.approx(case["mean_nll"], rel=NEAR)
        assert scores.perplexity == pytest.approx(case["perplexity"], rel=NEAR)


@pytest.mark.slow
def test_the_rolling_log_likelihoods_of_the_eleutherai_harness(mirror, corpus, jobs):
    """Texts longer than the context, one shorter, two scripts; ``add_bos_token=False``, for theirs would double it."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    golden = mirror.parent / "golden" / "perplexity"
    texts = [(golden / f"{name}.txt").read_text() for name in ("remote_sensing", "wikitext")]
    texts += ["One day a girl saw snow: 雪."]
    made = likelihood(
        LanguageModel(mirror / STORIES),
        corpus([(str(i), text) for i, text in enumerate(texts)]),
        job=next(jobs),
    )
    theirs = HFLM(
        pretrained=AutoModelForCausalLM.from_pretrained(mirror / STORIES),
        tokenizer=AutoTokenizer.from_pretrained(mirror / STORIES),
        add_bos_token=False,
        batch_size=2,
        device="cpu",
    )
    asked = [
        Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=i)
        for i, text in enumerate(texts)
    ]
    found = theirs.loglikelihood_rolling(asked, disable_tqdm=True)
    rows = read(made.path)
    assert rows[0].tokens > 512
    assert [-row.nll for row in rows] == pytest.approx(found, rel=NEAR)
