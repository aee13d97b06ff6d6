"""Words that are drawn as something else: the risk, what settles it, and a list that can be trusted."""

import pytest
from hand_prompts import prompt

from harness.stages.metrics.prompts.homonyms import LARGE, LAYOUT, SENSES, unambiguous
from harness.stages.metrics.prompts.words import Context, content, singular

CONTEXT = Context((), (), {}, frozenset(), lambda text: [], 77, {}, {}, {}, {})


@pytest.mark.parametrize(
    ("risky", "settled"),
    [
        ("a satellite image of a pumpkin field", "parcels of pumpkins and wheat"),
        ("an aerial view of a crane", "an aerial view of a crane on a construction site"),
        ("the bank from above", "the bank of the river from above"),
        ("an aerial view of a plant", "an aerial view of a power plant"),
        ("a bed seen from above", "a bed of reeds seen from above"),
        ("a satellite image of the mouth", "a satellite image of the mouth of an estuary"),
        ("two tanks", "two storage tanks"),
        ("a large apple", "apple orchards"),
    ],
)
def test_another_word_settles_the_meaning(risky, settled):
    finding = unambiguous(prompt(risky), CONTEXT)
    assert finding.score == 1
    assert "may be drawn as" in finding.evidence[0]
    assert unambiguous(prompt(settled), CONTEXT).score == 0


def test_each_word_is_counted_once():
    assert unambiguous(prompt("a crane, cranes and a pumpkin"), CONTEXT).score == 2


def test_every_word_of_the_list_can_be_found_and_settled():
    """As prompts are read: without plurals, and no stop word. A word does not settle its own meaning."""
    assert len(SENSES) >= 40
    for word, homonym in SENSES.items():
        settling = homonym.settles.split()
        assert content(word) == [word]
        assert [content(other) for other in settling] == [[other] for other in settling]
        assert word not in settling
        assert homonym.meant != homonym.drawn
    assert len(LARGE) >= 40
    assert {singular(word) for word in LARGE | LAYOUT} == LARGE | LAYOUT
    assert not LARGE & LAYOUT
