"""Windows over a text: every token once, as much before it as fits, and the EleutherAI harness's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stages.systems.language_model.likelihood import windows

PREFIX = -1


@st.composite
def plans(draw):
    """A text of distinct tokens, so that a token tells its place; context, stride, prefix, repeat."""
    context = draw(st.integers(1, 12))
    return {
        "tokens": list(range(draw(st.integers(0, 60)))),
        "context": context,
        "stride": draw(st.integers(1, context)),
        "prefix": draw(st.sampled_from([PREFIX, None])),
        "repeat": draw(st.booleans()),
    }


@given(plans())
def test_every_token_is_predicted_exactly_once_and_in_order(plan):
    predicted = [token for window in windows(**plan) for token in window.targets]
    assert predicted == plan["tokens"][plan["prefix"] is None :]


@given(plans())
def test_every_token_is_predicted_from_the_ones_before_it(plan):
    for inputs, targets in windows(**plan):
        assert 1 <= len(targets) <= len(inputs) <= plan["context"]
        for place, token in enumerate(targets, start=len(inputs) - len(targets)):
            before = list(inputs[: place + 1])
            if plan["prefix"] is not None and before[0] == PREFIX:
                before = before[1:]
            assert before == list(range(token - len(before), token))


@given(plans())
def test_a_window_after_the_first_is_full_and_predicts_a_stride(plan):
    first, *rest = list(windows(**plan)) or [None]
    for inputs, _ in rest:
        assert len(inputs) == plan["context"]
    for _, targets in rest[:-1]:
        assert len(targets) == plan["stride"]
    if rest:
        assert len(first.targets) == plan["context"]


def test_a_prefix_begins_the_first_window_or_every_one():
    def begins(repeat):
        made = windows(list(range(20)), context=5, stride=3, prefix=PREFIX, repeat=repeat)
        return [window.inputs[0] == PREFIX for window in made]

    assert begins(repeat=True) == [True] * 6
    assert begins(repeat=False) == [True] + [False] * 5


def test_windows_of_the_whole_context_with_a_prefix_each_are_texts_of_their_own():
    made = list(windows(list(range(8)), context=4, stride=4, prefix=PREFIX, repeat=True))
    assert made == [([PREFIX, 0, 1, 2], [0, 1, 2, 3]), ([PREFIX, 4, 5, 6], [4, 5, 6, 7])]


@pytest.mark.slow
@given(plans())
def test_they_are_the_rolling_windows_of_the_eleutherai_harness(plan):
    from lm_eval.utils import get_rolling_token_windows

    context, stride = plan["context"], plan["stride"]
    own = windows(plan["tokens"], context=context, stride=stride, prefix=PREFIX, repeat=False)
    theirs = get_rolling_token_windows(plan["tokens"], PREFIX, context, context - stride + 1)
    assert [(list(i), list(t)) for i, t in own] == list(theirs)
