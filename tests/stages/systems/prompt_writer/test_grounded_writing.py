"""Prompts by a language model: from passages of a real index, by a model whose every word is known."""

import json

import pytest
from corpora import corpus
from jobs import FolderJob
from scripted_language_model import scripted_model
from tiny_adapter import tiny_adapter
from tiny_language_model import tiny_model

from harness.artifact import Prompts
from harness.errors import StageError
from harness.formats.prompts import read
from harness.stages.systems.embeddings import local
from harness.stages.systems.prompt_writer import index, write
from harness.stages.systems.prompt_writer.drafting import Instruction, Phrase
from harness.stages.systems.prompt_writer.selecting import select

pytestmark = pytest.mark.numeric

CLASSES = ("Crop Land", "Water Body")
TEXTS = [
    *(f"Crop land has fields of {plant} that are green in {month}, in a satellite image." for plant, month in
      [("wheat", "May"), ("maize", "June"), ("rice", "July"), ("rye", "April"), ("oats", "May"), ("beet", "June")]),
    *(f"A water body is a {kind} with {edge} on its shore, seen from a satellite." for kind, edge in
      [("lake", "reeds"), ("river", "sand"), ("pond", "reeds"), ("reservoir", "rock"), ("lagoon", "sand"),
       ("delta", "rock")]),
]  # fmt: skip
SAID = {
    "land": {"with": 0.5, "of": 0.5},
    "body": {"with": 0.5, "of": 0.5},
    "with": {"green": 0.4, "dark": 0.3, "pale": 0.3},
    "of": {"many": 0.5, "few": 0.5},
    **{
        word: {"parcels": 0.4, "shapes": 0.3, "edges": 0.3}
        for word in ("green", "dark", "pale", "many", "few")
    },
    "parcels": {"</s>": 1.0},
    "shapes": {"seen": 0.5, "</s>": 0.5},
    "edges": {"seen": 0.5, "</s>": 0.5},
    "seen": "from above",
    "Prompt:": {"parcels": 0.5, "shapes": 0.5},
}
"""After the beginning of a prompt, and after the harness's own instruction."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index and its embedder."""
    root = tmp_path_factory.mktemp("index")
    texts = corpus(root / "corpus", *TEXTS)
    embedder = local(texts, dimensions=4, job=FolderJob(root / "embedder"))
    return index(texts, embedder, job=FolderJob(root / "index")), embedder


@pytest.fixture(scope="module")
def speaker(tmp_path_factory):
    return scripted_model(tmp_path_factory.mktemp("speaker"), SAID)


def written(made, model, root, base=None, **parameters):
    given = {"classes": CLASSES, "per_class": 3, "style": "complete", "temperature": 1.0, **parameters}
    return write(*made, model, base, job=FolderJob(root), **given)


def texts_of(prompts):
    return [(prompt.name, prompt.text) for prompt in read(prompts)]


def test_prompts_of_each_class_begin_with_it_and_keep_passages_of_the_corpus(made, speaker, tmp_path):
    prompts = written(made, speaker, tmp_path)
    rows = read(prompts)
    assert [row.name for row in rows] == [
        f"{c}-{i:03d}" for c in ("crop-land", "water-body") for i in range(3)
    ]
    assert len({row.text for row in rows}) == 6
    for row in rows:
        assert row.text.startswith(f"A satellite image of {row.label.lower()} ")
        assert len(row.passages) == 3
        assert {passage.text for passage in row.passages} <= set(TEXTS)
        assert {passage.document for passage in row.passages} <= {f"{i}.txt" for i in range(len(TEXTS))}
    assert isinstance(prompts, Prompts)
    assert prompts.facts["per_class"] == dict.fromkeys(CLASSES, 3)
    assert prompts.facts["kept"] == {"echo": 0, "repeat": 0, "empty": 0}
    assert prompts.facts["cost"]["tokens"] >= 6
    assert prompts.conditions == {}


def test_passages_are_those_of_the_class_and_others_for_each_prompt(made, speaker, tmp_path):
    rows = read(written(made, speaker, tmp_path, pool=6))
    for row in rows:
        word = "Crop land" if row.label == "Crop Land" else "water body"
        assert all(word in passage.text for passage in row.passages)
    assert len({row.passages for row in rows}) == 6


@pytest.mark.proves(
    "prompt_writer.write",
    "classes per_class passages pool query style instruction max_tokens temperature top_p seed",
)
def test_every_parameter_of_writing_changes_the_prompts(made, speaker, tmp_path):
    def made_with(name, **parameters):
        return read(written(made, speaker, tmp_path / name, **{"pool": 6, **parameters}))

    first = made_with("first")
    assert made_with("again") == first
    others = {
        "classes": ("Water Body", "Crop Land"),
        "per_class": 2,
        "passages": 2,
        "pool": 4,
        "query": Phrase("sand on the shore of {class}"),
        "style": "instruct",
        "instruction": Instruction("{passages}\n\nAn aerial view of {class}"),
        "max_tokens": 1,
        "temperature": 0.01,
        "top_p": 0.3,
        "seed": 1,
    }
    for name, value in others.items():
        assert made_with(name, **{name: value}) != first, name


@pytest.mark.proves("prompt_writer.write", "attempts")
def test_attempts_are_what_a_repeated_prompt_gets(made, tmp_path):
    either = scripted_model(tmp_path / "model", {w: {"fields": 0.9, "roads": 0.1} for w in ("land", "body")})
    once = written(made, either, tmp_path / "once", per_class=2, attempts=1)
    often = written(made, either, tmp_path / "often", per_class=2, attempts=60)
    assert once.facts["kept"]["repeat"] > 0
    assert often.facts["kept"] == {"echo": 0, "repeat": 0, "empty": 0}
    assert often.facts["asked_again"] > 0
    assert texts_of(once) != texts_of(often)


def test_more_prompts_and_other_classes_leave_a_prompt_as_it_is(made, speaker, tmp_path):
    few = dict(texts_of(written(made, speaker, tmp_path / "few", per_class=2)))
    many = dict(texts_of(written(made, speaker, tmp_path / "many", per_class=4)))
    alone = dict(texts_of(written(made, speaker, tmp_path / "alone", per_class=4, classes=("Water Body",))))
    assert few.items() <= many.items()
    assert alone.items() <= many.items()
    assert len(alone) == 4


@pytest.mark.proves("prompt_writer.write", "batch_size")
def test_prompts_do_not_depend_on_batch_size(made, tmp_path):
    """By a model with attention: a pad that it saw would change its words."""
    phi = tiny_model(tmp_path / "phi")
    short = Instruction("{passages}\n{class}")
    first, *others = (
        read(written(made, phi, tmp_path / str(n), instruction=short, max_tokens=8, batch_size=n))
        for n in (1, 4, 6)
    )
    assert len(first) == 6
    assert all(other == first for other in others)


@pytest.mark.proves("prompt_writer.write", "precision four_bits")
def test_half_precision_and_four_bits_are_other_models_and_batch_size_a_condition(made, tmp_path):
    phi = tiny_model(tmp_path / "phi")
    given = {"instruction": Instruction("{passages}\n{class}"), "max_tokens": 8}
    full = written(made, phi, tmp_path / "full", **given)
    half = written(made, phi, tmp_path / "half", precision="bf16", batch_size=2, **given)
    packed = written(made, phi, tmp_path / "packed", four_bits=True, **given)
    assert half.conditions == {"batch_size": 2}
    assert full.conditions == packed.conditions == {}
    assert len({str(texts_of(prompts)) for prompts in (full, half, packed)}) == 3
    assert full.facts["passages_shortened"] == 6


def test_an_adapter_writes_on_its_base(made, tmp_path):
    phi = tiny_model(tmp_path / "phi")
    adapter, _ = tiny_adapter(tmp_path / "adapter", phi, targets=("q_proj", "fc1", "fc2"))
    given = {"instruction": Instruction("{passages}\n{class}"), "max_tokens": 8}
    tuned = written(made, adapter, tmp_path / "tuned", base=phi, **given)
    assert texts_of(tuned) != texts_of(written(made, phi, tmp_path / "plain", **given))


CHAT = "{% for m in messages %}{{ m['content'] }}{% endfor %} [model]"


def instructed(made, root, script, **parameters):
    """Prompts by a chat model that says the script when it is its turn."""
    model = scripted_model(root / "model", script, chat_template=CHAT, context=400)
    return written(made, model, root, style="instruct", per_class=1, **parameters)


def test_a_chat_model_is_instructed_and_its_answer_made_one_prompt(made, tmp_path):
    prompts = instructed(
        made, tmp_path, {"[model]": 'Sure, here is one: "Green fields from above." It shows'}
    )
    assert texts_of(prompts) == [
        ("crop-land-000", "Green fields from above."),
        ("water-body-000", "Green fields from above."),
    ]


def test_an_echo_is_kept_as_it_is_and_counted(made, tmp_path):
    prompts = instructed(made, tmp_path, {"[model]": "Write one prompt for a satellite image"})
    assert [text for _, text in texts_of(prompts)] == ["Write one prompt for a satellite image"] * 2
    assert prompts.facts["kept"] == {"echo": 2, "repeat": 0, "empty": 0}
    assert prompts.facts["asked_again"] == 4


def test_one_word_again_and_again_is_kept_for_the_checks_to_judge(made, tmp_path):
    prompts = instructed(
        made, tmp_path, {"[model]": {"pumpkin": 1.0}, "pumpkin": {"pumpkin": 1.0}}, max_tokens=3
    )
    assert [text for _, text in texts_of(prompts)] == ["pumpkin pumpkin pumpkin"] * 2


def test_what_it_leaves_empty_is_a_prompt_that_fails_and_none_that_is_missing(made, tmp_path):
    model = scripted_model(tmp_path / "model", {"land": {"fields": 0.5, "</s>": 0.5}, "body": {"reeds": 1.0}})
    prompts = written(made, model, tmp_path / "prompts", per_class=6, attempts=1)
    texts = [text for _, text in texts_of(prompts)]
    blank = texts.count("")
    assert len(texts) == 12
    assert 0 < blank < 6
    assert prompts.facts["per_class"] == dict.fromkeys(CLASSES, 6)
    assert prompts.facts["kept"]["empty"] == blank
    asked = select(prompts, counts=6, job=FolderJob(tmp_path / "asked"))
    assert "" not in [text for _, text in texts_of(asked)]
    assert asked.facts["per_class"] == dict.fromkeys(CLASSES, 6)
    assert (asked.facts["blank"], asked.facts["taken_again"]) == (blank, {"Crop Land": blank})


def test_a_model_that_says_nothing_for_a_class_is_refused_by_its_name(made, tmp_path):
    with pytest.raises(
        StageError, match="nothing for Crop Land, Water Body, asked 3 times for each prompt; style: "
    ):
        instructed(made, tmp_path / "all", {"[model]": {"</s>": 1.0}})
    model = scripted_model(tmp_path / "model", {"land": "of fields"})
    with pytest.raises(StageError, match=r"nothing for Water Body, asked 2 times for each prompt$"):
        written(made, model, tmp_path / "one", attempts=2)


def test_nothing_is_left_of_a_writing_that_is_refused(made, tmp_path):
    with pytest.raises(StageError):
        instructed(made, tmp_path, {"[model]": {"</s>": 1.0}})
    assert not (tmp_path / "entry").exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"classes": ()}, "classes: none"),
        ({"pool": 2}, "pool: 2 is less than passages: 3"),
        (
            {"instruction": Instruction("{class}: {passages}")},
            "instruction: with style: complete its last line",
        ),
        (
            {"query": Phrase("xyzzy {class} plugh"), "classes": ("Qwerty",)},
            "Qwerty: the index has no passage for",
        ),
        ({"max_tokens": 250}, "leaves no room for a passage"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_line(made, speaker, tmp_path, parameters, message):
    with pytest.raises(StageError, match=message):
        written(made, speaker, tmp_path, **parameters)


def test_rows_are_what_the_kind_says(made, speaker, tmp_path):
    prompts = written(made, speaker, tmp_path)
    first = json.loads((prompts.path / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert list(first) == ["file_name", "captions", "label", "writer", "passages"]
    assert list(first["passages"][0]) == ["id", "document", "page", "text"]
    assert first["writer"] == "language model"
