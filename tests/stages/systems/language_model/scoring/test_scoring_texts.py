"""What is scored as one text, and what of it is predicted."""

import pytest
from tokenizers import Tokenizer, models, normalizers, processors
from transformers import PreTrainedTokenizerFast

from harness.errors import StageError
from harness.formats.corpus import Row
from harness.stages.systems.language_model.windows import Rule, Text, rule, texts

ROWS = [Row("b", "one", 2, 1), Row("x", "two", 1, 0), Row("a", "one", 1, 0)]
NO_PREFIX = Rule(context=8, stride=8, prefix=None, repeat=False, eos=None)


def of_characters(**special: str) -> PreTrainedTokenizerFast:
    """A token for each of a few characters, a space in front as SentencePiece has it, <s> added by the tokenizer."""
    vocabulary = {c: i for i, c in enumerate(["<unk>", "<s>", "</s>", "▁", "a", "b", "é", "雪"])}
    inner = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", **special)


def a_rule(tokenizer: PreTrainedTokenizerFast, **changes: object) -> Rule:
    settings = {"context": 8, "stride": 4, "bos": "text", "eos": False, "longest": 16}
    return rule(tokenizer, **{**settings, **changes})


def test_a_documents_rows_are_joined_in_their_order_or_are_texts_of_their_own():
    assert texts(ROWS, "document") == [Text("one", "one", "a\nb"), Text("two", "two", "x")]
    assert texts(ROWS, "row") == [
        Text("one:1", "one", "b"),
        Text("two:0", "two", "x"),
        Text("one:0", "one", "a"),
    ]


def test_a_row_that_is_there_twice_is_refused():
    with pytest.raises(StageError, match="one: row 1 is there twice"):
        texts([*ROWS, Row("again", "one", 1, 1)], "row")


def test_special_tokens_are_the_rules_and_not_doubled_by_the_tokenizers_own():
    tokenizer = of_characters(bos_token="<s>", eos_token="</s>")
    assert tokenizer("ab")["input_ids"] == [1, 3, 4, 5]
    how = a_rule(tokenizer)
    planned = how.plan("ab", tokenizer)
    assert (list(planned.ids), planned.tokens, planned.bytes) == ([3, 4, 5], 3, 2)
    assert list(how.windows(planned)) == [([1, 3, 4], [3, 4, 5])]
    ended = a_rule(tokenizer, eos=True).plan("ab", tokenizer)
    assert (list(ended.ids), ended.tokens, ended.bytes) == ([3, 4, 5, 2], 4, 2)


def test_without_bos_the_first_token_is_not_predicted_and_its_bytes_do_not_count():
    tokenizer = of_characters(eos_token="</s>")
    planned = NO_PREFIX.plan("é雪a", tokenizer)
    assert (list(planned.ids), planned.tokens, planned.bytes) == ([3, 6, 7, 4], 3, 6)
    assert list(NO_PREFIX.windows(planned)) == [([3, 6, 7], [6, 7, 4])]
    inner = Tokenizer(models.BPE({"é": 0, "雪": 1, "a": 2}, []))
    planned = NO_PREFIX.plan("é雪a", PreTrainedTokenizerFast(tokenizer_object=inner))
    assert (planned.tokens, planned.bytes) == (2, 4)


def test_nothing_is_predicted_of_an_empty_text_or_of_one_token_without_bos():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE({"a": 0}, [])))
    assert NO_PREFIX.plan("", tokenizer) is None
    assert NO_PREFIX.plan("a", tokenizer) is None
    assert Rule(8, 8, prefix=0, repeat=False, eos=0).plan("", tokenizer) is None


def test_unknown_tokens_are_counted():
    tokenizer = of_characters(bos_token="<s>")
    assert a_rule(tokenizer).plan("azbz", tokenizer).unknown == 2


def test_eos_is_the_prefix_where_there_is_no_bos():
    assert a_rule(of_characters(bos_token="<s>", eos_token="</s>")).prefix == 1
    assert a_rule(of_characters(eos_token="</s>")).prefix == 2
    assert a_rule(of_characters(eos_token="</s>"), bos="none").prefix is None


@pytest.mark.parametrize(
    ("special", "changes", "message"),
    [
        ("<s>", {"context": 32, "stride": 8}, "context: 32 tokens; this model takes at most 16"),
        ("<s>", {"stride": 9}, "stride: 9 is more than the context of 8"),
        (None, {}, "bos: text, but the tokenizer has neither BOS nor EOS; set bos: none"),
        ("<s>", {"eos": True}, "eos: yes, but the tokenizer has no EOS; set eos: no"),
    ],
)
def test_what_cannot_be_is_refused_with_its_numbers(special, changes, message):
    tokenizer = of_characters(**({} if special is None else {"bos_token": special}))
    with pytest.raises(StageError, match=message):
        a_rule(tokenizer, **changes)
