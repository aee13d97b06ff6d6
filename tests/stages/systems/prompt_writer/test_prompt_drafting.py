"""Which answers become prompts: those that asking for one after the other would give, whatever is asked at once."""

from hypothesis import given
from hypothesis import strategies as st

from harness.stages.systems.prompt_writer.drafting import Answer, Draft, Place, Turn, drafts

EMPTY, ECHO = Answer("", "empty"), Answer("Write one prompt", "echo")
CROPS = [Place("Crop Land", i) for i in range(3)]


def asked(script, places, attempts):
    """What is drafted, and which turns were asked for, from a table of what each turn would give."""
    turns: list[Turn] = []

    def ask(wanted):
        turns.extend(wanted)
        return [script[turn.place][turn.attempt] for turn in wanted]

    return drafts(places, attempts, ask), turns


def test_first_answers_are_taken_where_they_are_prompts():
    script = {place: [Answer(f"field {i}", "")] for i, place in enumerate(CROPS)}
    found, turns = asked(script, CROPS, 3)
    assert [draft.text for draft in found] == ["field 0", "field 1", "field 2"]
    assert turns == [Turn(place, 0) for place in CROPS]


def test_what_is_no_prompt_or_one_already_is_asked_for_again():
    script = {
        CROPS[0]: [EMPTY, Answer("wheat", "")],
        CROPS[1]: [Answer("Rice!", "")],
        CROPS[2]: [Answer("rice", ""), ECHO, Answer("maize", "")],
    }
    found, turns = asked(script, CROPS, 3)
    assert [(d.text, d.turn.attempt, d.problem) for d in found] == [
        ("wheat", 1, ""),
        ("Rice!", 0, ""),
        ("maize", 2, ""),
    ]
    assert len(turns) == 6


def test_after_all_attempts_the_best_is_kept_with_its_problem():
    script = {
        CROPS[0]: [Answer("rice", "")],
        CROPS[1]: [ECHO, Answer("rice", "")],
        CROPS[2]: [EMPTY, EMPTY],
    }
    found, _ = asked(script, CROPS, 2)
    assert [(d.text, d.problem) for d in found] == [("rice", ""), ("rice", "repeat"), ("", "empty")]


def test_another_class_may_say_the_same():
    places = [Place("Crop Land", 0), Place("Bare Land", 0)]
    found, _ = asked({place: [Answer("dry soil", "")] for place in places}, places, 2)
    assert [draft.problem for draft in found] == ["", ""]


ANSWERS = st.sampled_from([EMPTY, ECHO, *(Answer(text, "") for text in "abc")])


def one_after_the_other(script, places, attempts):
    """The plain way: each place in turn, with all its attempts, before the next."""
    found, taken = [], set()
    for place in places:
        tries = [
            Draft(
                place,
                Turn(place, n),
                a.text,
                a.problem or ("repeat" if (place.label, a.text) in taken else ""),
            )
            for n, a in enumerate(script[place][:attempts])
        ]
        best = min(tries, key=lambda draft: ["", "repeat", "echo", "empty"].index(draft.problem))
        taken.add((place.label, best.text))
        found.append(best)
    return found


@given(
    st.lists(st.tuples(st.sampled_from("XY"), st.lists(ANSWERS, min_size=3, max_size=3)), max_size=7),
    st.integers(1, 3),
)
def test_asking_for_many_at_once_gives_what_asking_one_after_the_other_gives(rows, attempts):
    script = {Place(label, i): answers for i, (label, answers) in enumerate(rows)}
    found, _ = asked(script, list(script), attempts)
    assert found == one_after_the_other(script, list(script), attempts)
    half = list(script)[: len(script) // 2]
    assert asked(script, half, attempts)[0] == found[: len(half)]
