"""Images of another system are taken with their prompts, and nothing about them is guessed."""

import json

import numpy as np
import pytest
from image_files import colour, everything, pixels, png
from image_files import source as resolved
from jobs import FolderJob

from harness.artifact import GeneratedImages
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.metrics import cost
from harness.stages.systems.text_to_image import folder

LINES = [
    {"prompt": "a lake", "short": "lake", "asks": "Water Body", "real": "r/7.png", "kind": "wet", "photo": "p/7.png"},
    {"prompt": "a town", "short": "town", "asks": "Bare Land", "real": "r/3.png", "kind": "dry", "photo": "p/3.png"},
]  # fmt: skip


def made_elsewhere(root, *lines):
    root.mkdir()
    text = "".join(json.dumps({"file_name": f"{i}.jpg", **line}) + "\n" for i, line in enumerate(lines))
    (root / "metadata.jsonl").write_text(text)
    for i in range(len(lines)):
        (root / f"{i}.jpg").write_bytes(png(colour(i, 16)))
    return root


@pytest.fixture
def elsewhere(tmp_path):
    return made_elsewhere(tmp_path / "elsewhere", *LINES)


@pytest.fixture
def read(elsewhere, tmp_path_factory):
    def generated(source=elsewhere, **parameters):
        return folder(source=resolved(source), **parameters, job=FolderJob(tmp_path_factory.mktemp("job")))

    return generated


def test_images_come_with_their_prompt_their_class_and_the_real_image_it_describes(read):
    made = read(label="asks", of="real")
    assert isinstance(made, GeneratedImages)
    first, second = rows(made)
    assert (first.captions, first.label, first.columns) == (("a lake",), "Water Body", {"of": "r/7.png"})
    assert (second.captions, second.label, second.columns) == (("a town",), "Bare Land", {"of": "r/3.png"})
    assert (pixels(second.path) == colour(1, 16)).all()
    assert made.facts["count"] == 2


def test_what_is_not_named_is_not_guessed(read):
    for row in rows(read()):
        assert row.label is None
        assert row.columns == {}


KNOBS = [
    ({}, {"prompt": "short"}), ({"label": "asks"}, {"label": "kind"}), ({"of": "real"}, {"of": "photo"}),
    ({}, {"size": 8}), ({"size": 8}, {"size": 8, "resize": "nearest"}),
]  # fmt: skip


@pytest.mark.proves("text_to_image.folder", "prompt label of size resize")
@pytest.mark.parametrize(("before", "after"), KNOBS, ids=str)
def test_every_parameter_changes_the_output(read, before, after):
    plain = everything(read(**before))
    assert everything(read(**before)) == plain
    assert everything(read(**after)) != plain


def deep(root, *lines):
    """The same with images of 16 bits, from 0 to 5000."""
    made_elsewhere(root, *lines)
    for i in range(len(lines)):
        values = np.linspace(0, 5000, 256).reshape(16, 16).astype(np.uint16)
        (root / f"{i}.jpg").write_bytes(png(values))
    return root


@pytest.mark.proves("text_to_image.folder", "scale")
def test_scale_says_which_values_of_16_bits_become_0_and_255(read, tmp_path):
    root = deep(tmp_path / "deep", *LINES)
    with pytest.raises(StageError, match=r"values 0 to 5000; say .* scale: \[low, high\]"):
        read(source=root)
    one, other = (read(source=root, scale=(0.0, high)) for high in (5000.0, 4000.0))
    assert everything(one) != everything(other)
    assert {int(pixels(row.path).max()) for row in rows(one)} == {255}
    with pytest.raises(StageError, match="scale: no image has more than 8 bits"):
        read(scale=(0.0, 5000.0))


@pytest.mark.proves("text_to_image.folder", "source")
def test_another_source_is_another_output(read, tmp_path):
    other = made_elsewhere(tmp_path / "other", *reversed(LINES))
    assert everything(read(source=other)) != everything(read())


def test_their_cost_is_unknown_and_not_made_up(read):
    with pytest.raises(StageError, match="without a known cost"):
        cost.sampling(read())


@pytest.mark.parametrize(
    ("lines", "parameters", "message"),
    [
        ([{"promt": "a lake"}], {}, r"metadata\.jsonl:1: no 'prompt'.*did you mean 'promt'"),
        (
            [{"prompt": ["a lake", "a sea"]}],
            {},
            r"metadata\.jsonl:1: 2 sentences in 'prompt'; an image has one",
        ),
        ([LINES[0], {"prompt": "  "}], {}, r"metadata\.jsonl:2: prompt is blank; expected a sentence"),
        ([{"prompt": ""}], {}, r"metadata\.jsonl:1: prompt is blank"),
        (LINES, {"label": "ask"}, r"metadata\.jsonl:1: no 'ask'.*did you mean 'asks'"),
        (
            [LINES[0], {"prompt": "a", "real": 3}],
            {"of": "real"},
            r"metadata\.jsonl:2: real must be a name, not 3",
        ),
    ],
)
def test_a_row_that_does_not_say_what_it_should_is_named(read, tmp_path, lines, parameters, message):
    with pytest.raises(StageError, match=message):
        read(source=made_elsewhere(tmp_path / "bad", *lines), **parameters)


def test_a_damaged_image_is_named(read, elsewhere):
    (elsewhere / "1.jpg").write_bytes(b"\x89PNG")
    with pytest.raises(StageError, match=r"1\.jpg: not a readable image"):
        read()


def test_a_folder_without_prompts_is_refused(read, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(StageError, match=r"no metadata\.jsonl"):
        read(source=tmp_path / "bare")
