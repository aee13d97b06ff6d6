"""Image folders of one's own."""

import json

import numpy as np
import pytest
from image_files import class_folders, colour, everything, pixels, png, source
from jobs import FolderJob

from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.folders import captioned, images


def read(root, job_root, **parameters):
    return images(source=source(root), job=FolderJob(job_root), **parameters)


def metadata(root, *lines):
    (root / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def listed(tmp_path):
    root = tmp_path / "listed"
    root.mkdir()
    for i in range(4):
        (root / f"{i}.png").write_bytes(png(colour(i)))
    labels = ["lake", "town", "lake", "town"]
    metadata(
        root,
        *(
            {"file_name": f"{i}.png", "label": n, "kind": n[0], "text": f"a {n}"}
            for i, n in enumerate(labels)
        ),
    )
    return root


def test_folders_are_classes_in_alphabetical_order(tmp_path):
    root = class_folders(tmp_path / "own", ("town", "lake"))
    made = read(root, tmp_path / "job")
    assert made.facts["classes"] == ["lake", "town"]
    assert made.facts["per_class"] == {"lake": 3, "town": 3}
    found = {row.name: row for row in rows(made)}
    assert sorted(found) == [f"{c}/{i}.png" for c in ("lake", "town") for i in range(3)]
    assert found["town/1.png"].label == "town"
    assert (pixels(found["town/1.png"].path) == colour(1)).all()


def test_names_that_differ_only_in_suffix_stay_two_images(tmp_path):
    root = class_folders(tmp_path / "own")
    (root / "lake" / "0.bmp").write_bytes(png(colour(50)))
    made = read(root, tmp_path / "job")
    assert len({row.name for row in rows(made)}) == 7
    assert len({row.path.read_bytes() for row in rows(made)}) == 7


def test_rows_name_images_and_classes(listed, tmp_path):
    made = read(listed, tmp_path / "job")
    assert [(row.name, row.label) for row in rows(made)][:2] == [("0.png", "lake"), ("1.png", "town")]


@pytest.mark.proves("folders.images", "label")
def test_another_column_is_another_label(listed, tmp_path):
    assert read(listed, tmp_path / "job", label="kind").facts["classes"] == ["l", "t"]


def test_a_column_without_rows_is_refused(tmp_path):
    with pytest.raises(StageError, match=r"label: .* has no metadata\.jsonl"):
        read(class_folders(tmp_path / "own"), tmp_path / "job", label="kind")


@pytest.mark.proves("folders.images", "size resize")
@pytest.mark.parametrize("change", [{"size": 6}, {"size": 6, "resize": "nearest"}], ids=str)
def test_size_and_filter_change_the_output(tmp_path, change):
    root = class_folders(tmp_path / "own")
    before = {"size": 6} if "resize" in change else {}
    assert everything(read(root, tmp_path / "a", **before)) != everything(
        read(root, tmp_path / "b", **change)
    )


@pytest.mark.proves("folders.images", "scale")
def test_scale_changes_the_output(tmp_path):
    root = tmp_path / "own"
    for name in ("lake", "town"):
        (root / name).mkdir(parents=True)
        (root / name / "a.png").write_bytes(png(np.arange(0, 6400, 100, dtype=np.uint16).reshape(8, 8)))
    with pytest.raises(StageError, match=r"lake/a\.png: more than 8 bits"):
        read(root, tmp_path / "none")
    one, other = (read(root, tmp_path / f"{high}", scale=(0.0, high)) for high in (6300.0, 5000.0))
    assert one.facts["converted"] == {"scaled": 2}
    assert everything(one) != everything(other)


def test_what_is_not_read_is_counted(listed, tmp_path):
    root = class_folders(tmp_path / "own")
    (root / "notes.txt").write_text("")
    (root / "lake" / "0.png.aux.xml").write_text("")
    assert read(root, tmp_path / "folders").facts["unread"] == {".txt": 1, ".xml": 1}
    (listed / "5.png").write_bytes(png(colour(5)))
    assert read(listed, tmp_path / "rows").facts["unread"] == {".png": 1}


def test_an_image_in_no_class_is_refused(tmp_path):
    root = class_folders(tmp_path / "own")
    (root / "stray.png").write_bytes(png(colour(9)))
    with pytest.raises(
        StageError, match=r"stray\.png: in no class's folder; expected own/<class>/stray\.png"
    ):
        read(root, tmp_path / "job")


def test_an_empty_class_is_refused(tmp_path):
    root = class_folders(tmp_path / "own")
    (root / "snow").mkdir()
    with pytest.raises(StageError, match="no image of class 'snow'"):
        read(root, tmp_path / "job")


def test_one_class_only_is_refused(tmp_path):
    with pytest.raises(StageError, match=r"one class only \(lake\)"):
        read(class_folders(tmp_path / "own", ("lake",)), tmp_path / "job")


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "own").mkdir()
    with pytest.raises(StageError, match="no images"):
        read(tmp_path / "own", tmp_path / "job")


def test_flipped_bytes_are_named_by_file(tmp_path):
    root = class_folders(tmp_path / "own")
    file = root / "town" / "1.png"
    content = bytearray(file.read_bytes())
    content[50:70] = bytes(b ^ 0xFF for b in content[50:70])
    file.write_bytes(content)
    with pytest.raises(StageError, match=r"town/1\.png: not a readable image"):
        read(root, tmp_path / "job")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"file_name": "0.png", "labl": "lake"}, "metadata.jsonl:1: no 'label'.*did you mean 'labl'"),
        ({"file_name": "9.png", "label": "lake"}, "metadata.jsonl:1: no file 9.png"),
        ({"file_name": "../x.png", "label": "lake"}, "metadata.jsonl:1: ../x.png leads out of the folder"),
        ({"file_name": "0.png", "label": 3}, "metadata.jsonl:1: label must be a class's name, not 3"),
        ({"label": "lake"}, "metadata.jsonl:1: not a row of an image"),
        (["lake"], "metadata.jsonl:1: a list, expected an object"),
        ({"file_name": 3, "label": "lake"}, "metadata.jsonl:1: not a row of an image"),
        ({"file_name": "0" * 5000 + ".png", "label": "lake"}, "metadata.jsonl:1: no file 0{200}$"),
    ],
)
def test_a_bad_row_is_named_by_its_line(listed, tmp_path, line, message):
    metadata(listed, line)
    with pytest.raises(StageError, match=message):
        read(listed, tmp_path / "job")


def test_a_row_twice_is_refused(listed, tmp_path):
    metadata(listed, *[{"file_name": "0.png", "label": "lake"}] * 2)
    with pytest.raises(StageError, match=r"metadata\.jsonl:2: 0\.png a second time"):
        read(listed, tmp_path / "job")


def test_sentences_are_read_one_or_many(listed, tmp_path):
    made = captioned(source=source(listed), captions="text", job=FolderJob(tmp_path / "one"))
    assert next(row.captions for row in rows(made)) == ("a lake",)
    metadata(listed, {"file_name": "0.png", "captions": ["a lake", "water"], "text": "x"})
    made = captioned(source=source(listed), job=FolderJob(tmp_path / "many"))
    assert [row.captions for row in rows(made)] == [("a lake", "water")]
    assert made.facts["unread"] == {".png": 3}


@pytest.mark.proves("folders.captioned", "captions size resize")
@pytest.mark.parametrize(
    "change", [{"size": 6}, {"size": 6, "resize": "nearest"}, {"captions": "kind"}], ids=str
)
def test_every_parameter_of_captioned_changes_the_output(listed, tmp_path, change):
    base = {"captions": "text", **({"size": 6} if "resize" in change else {})}
    before = captioned(source=source(listed), **base, job=FolderJob(tmp_path / "a"))
    after = captioned(source=source(listed), **{**base, **change}, job=FolderJob(tmp_path / "b"))
    assert everything(before) != everything(after)


def test_sentences_need_rows(tmp_path):
    with pytest.raises(StageError, match=r"no metadata\.jsonl with rows like"):
        captioned(source=source(class_folders(tmp_path / "own")), job=FolderJob(tmp_path / "job"))


def test_a_hidden_image_is_refused_for_no_digest_has_it(listed, tmp_path):
    (listed / ".hidden.png").write_bytes(png(colour(0)))
    with (listed / "metadata.jsonl").open("a") as lines:
        lines.write(json.dumps({"file_name": ".hidden.png", "label": "lake", "captions": ["a"]}) + "\n")
    with pytest.raises(StageError, match=r"\.hidden\.png is hidden"):
        images(source=source(listed), job=FolderJob(tmp_path / "job"))


def test_links_to_elsewhere_are_followed_as_the_digest_does(listed, tmp_path):
    """A snapshot in the hub's cache is made of them."""
    before = everything(images(source=source(listed), job=FolderJob(tmp_path / "before")))
    first = next(path for path in sorted(listed.rglob("*.png")))
    first.rename(tmp_path / "blob")
    first.symlink_to(tmp_path / "blob")
    assert everything(images(source=source(listed), job=FolderJob(tmp_path / "after"))) == before
