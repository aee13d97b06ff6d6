"""Which level of folders is the class, and what must not be taken for one."""

import shutil
import unicodedata

import pytest
from image_files import class_folders, colour, everything, png, source
from jobs import FolderJob

from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.folders import captioned, geotiff, images
from harness.stages.data.folders.by_class import is_split


def read(root, job, **parameters):
    return images(source=source(root), job=FolderJob(job), **parameters)


def lay(root, *names):
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(png(colour(i)))
    return root


@pytest.mark.parametrize(
    "name",
    [
        *(
            "train",
            "Test",
            "VAL",
            "valid",
            "validation",
            "test_images",
            "train2017",
            "Training Set",
            "held_out",
        ),
        *(
            "trainval",
            "train_val",
            "trainA",
            "testB",
            "01_train",
            "2-val",
            "x_train",
            "fold1",
            "Fold_02",
            "split 3",
        ),
        *(
            "entrenamiento",
            "Validación",
            "entraînement",
            unicodedata.normalize("NFD", "évaluation"),
            "treino",
        ),
        *("Validierung", "\u8bad\u7ec3\u96c6", "\u6d4b\u8bd5"),
    ],
)
def test_names_of_splits(name):
    assert is_split(name)


@pytest.mark.parametrize(
    "name", ["trains", "testbed", "forest", "Water Body", "valley", "devon", "evaluators", "fold", "split"]
)
def test_names_of_classes(name):
    assert not is_split(name)


@pytest.mark.parametrize(
    "names",
    [
        ("train/lake/0.png", "train/town/0.png", "extra/0.png"),
        ("Train/0.png", "Val/0.png", "extra/0.png"),
        ("train/0.png",),
        ("train_images/0.png", "test_images/0.png"),
    ],
)
def test_splits_among_other_folders_are_no_classes(tmp_path, names):
    with pytest.raises(StageError, match=r"of the data, not classes; write source: '.*/own/[Tt]rain"):
        read(lay(tmp_path / "own", *names), tmp_path / "job")


def test_splits_without_classes_in_them_are_no_classes(tmp_path):
    root = lay(tmp_path / "own", "train/0.png", "test/0.png")
    with pytest.raises(
        StageError, match=r"test, train are splits of the data, not classes; write source: "
    ) as e:
        read(root, tmp_path / "job")
    assert "level: 2" not in str(e.value)
    assert read(root, tmp_path / "classes", level=1).facts["classes"] == ["test", "train"]


def test_a_class_that_is_called_train_is_one_among_others(tmp_path):
    root = lay(tmp_path / "own", "bus/0.png", "car/0.png", "train/0.png")
    assert read(root, tmp_path / "job").facts["classes"] == ["bus", "car", "train"]


@pytest.mark.parametrize(
    "names",
    [
        ("2019/lake/0.png", "2019/town/0.png", "2020/lake/0.png", "2020/town/0.png"),
        ("images/lake/0.png", "images/town/0.png"),
        ("lake/tile_1/0.png", "town/tile_2/0.png"),
        ("lake/0.png", "town/more/0.png"),
        ("lake/train/0.png", "town/train/0.png"),
    ],
)
def test_folders_in_folders_have_to_be_chosen_from(tmp_path, names):
    with pytest.raises(
        StageError, match=r"folders in folders, such as .*; say which are the classes: level: 1 for"
    ):
        read(lay(tmp_path / "own", *names), tmp_path / "job")


def test_a_single_folder_on_top_is_named_as_the_source(tmp_path):
    with pytest.raises(StageError, match=r"or source: 'path:.*/own/images'$"):
        read(lay(tmp_path / "own", "images/lake/0.png", "images/town/0.png"), tmp_path / "job")


@pytest.mark.proves("folders.images", "level")
def test_the_level_chooses_the_folder(tmp_path):
    root = lay(tmp_path / "own", "2019/lake/0.png", "2019/town/0.png", "2020/lake/0.png", "2020/town/0.png")
    one, two = (read(root, tmp_path / str(n), level=n) for n in (1, 2))
    assert (one.facts["classes"], two.facts["classes"]) == (["2019", "2020"], ["lake", "town"])
    assert everything(one) != everything(two)
    with pytest.raises(StageError, match=r"in no class's folder; expected own/2019/lake/<class>/0\.png"):
        read(root, tmp_path / "three", level=3)


def test_a_level_makes_folders_the_classes_even_beside_a_list(tmp_path):
    root = class_folders(tmp_path / "own")
    (root / "metadata.jsonl").write_text('{"file_name": "lake/0.png", "label": "x"}\n')
    assert read(root, tmp_path / "job", level=1).facts["classes"] == ["lake", "town"]
    with pytest.raises(StageError, match="label: level makes the folders the classes"):
        read(root, tmp_path / "label", level=1, label="kind")


def test_an_empty_folder_at_the_level_is_a_class_without_images(tmp_path):
    root = lay(tmp_path / "own", "2019/lake/0.png", "2019/town/0.png")
    (root / "2019" / "snow").mkdir()
    with pytest.raises(StageError, match="no image of class 'snow'"):
        read(root, tmp_path / "job", level=2)


@pytest.mark.parametrize(
    ("name", "other"), [("labels.xlsx", ""), ("train/metadata.csv", "write source: 'path:.*/own/train', or")]
)
def test_label_files_name_the_way_to_read_them(tmp_path, name, other):
    root = lay(tmp_path / "own", "train/0.png", "test/0.png", name)
    with pytest.raises(StageError, match=rf"{name}: seems to name the classes, but is not read; {other}"):
        read(root, tmp_path / "job")


def test_geotiff_names_a_list_that_only_the_other_reader_takes(tmp_path):
    root = tmp_path / "own"
    lay(root, "lake/0.tif", "town/0.tif", "metadata.jsonl")
    with pytest.raises(StageError, match=r"metadata\.jsonl: seems to name the classes, but is not read"):
        geotiff(source=source(root), bands=("r", "g", "b"), scale=(0.0, 1.0), job=FolderJob(tmp_path / "job"))


@pytest.mark.parametrize("name", ["notes.txt", "LICENSE", "README.md", "lake/0.png.aux.xml", "palette.json"])
def test_other_files_are_counted(tmp_path, name):
    root = class_folders(tmp_path / "own")
    (root / name).write_text("x")
    assert sum(read(root, tmp_path / "job").facts["unread"].values()) == 1


def test_two_lists_are_refused(tmp_path):
    root = class_folders(tmp_path / "own")
    for name in ("metadata.jsonl", "metadata.csv"):
        (root / name).write_text("")
    with pytest.raises(StageError, match=r"metadata\.jsonl and metadata\.csv; keep the one to read"):
        read(root, tmp_path / "job")


def test_a_further_label_file_beside_a_list_is_a_warning(tmp_path):
    root = class_folders(tmp_path / "own")
    (root / "metadata.csv").write_text("file_name,label\nlake/0.png,a\ntown/0.png,b\n")
    (root / "labels.txt").write_text("x")
    made = read(root, tmp_path / "job")
    assert made.facts["warnings"] == ["labels.txt: not read, since metadata.csv names the images"]


def test_a_list_in_a_folder_below_is_pointed_to(tmp_path):
    root = class_folders(tmp_path / "own")
    shutil.move(root / "lake", root / "train")
    (root / "train" / "metadata.jsonl").write_text('{"file_name": "0.png", "captions": "x"}\n')
    with pytest.raises(StageError, match="; name the folder own/train as the source"):
        captioned(source=source(root), job=FolderJob(tmp_path / "job"))


def test_unicode_forms_of_a_name_are_one_name(tmp_path):
    root = lay(tmp_path / "own", unicodedata.normalize("NFD", "forêt.png"), "lac.png")
    lines = ['{"file_name": "forêt.png", "label": "a"}\n', '{"file_name": "lac.png", "label": "b"}\n']
    (root / "metadata.jsonl").write_text("".join(lines))
    made = read(root, tmp_path / "job")
    assert made.facts["unread"] == {}
    assert len(list(rows(made))) == 2
    again = unicodedata.normalize("NFD", lines[0])
    (root / "metadata.jsonl").write_text("".join([*lines, again]))
    with pytest.raises(StageError, match=r"jsonl:3: .* a second time, first at .*jsonl:1$"):
        read(root, tmp_path / "twice")


def test_a_list_in_a_cell_of_csv_is_a_list(tmp_path):
    root = lay(tmp_path / "own", "0.png")
    (root / "metadata.csv").write_text('file_name,captions\n0.png,"[""a lake"", ""water""]"\n')
    made = captioned(source=source(root), job=FolderJob(tmp_path / "job"))
    assert [row.captions for row in rows(made)] == [("a lake", "water")]


@pytest.mark.parametrize("cell", ["['a lake', 'water']", "['a lake' 'water']", "['a lake']"])
def test_a_list_that_is_not_of_json_is_no_sentence(tmp_path, cell):
    root = lay(tmp_path / "own", "0.png")
    (root / "metadata.csv").write_text(f'file_name,captions\n0.png,"{cell}"\n')
    with pytest.raises(StageError, match=r"csv:2: captions is .*, a list but not of JSON; write \["):
        captioned(source=source(root), job=FolderJob(tmp_path / "job"))


def test_brackets_in_a_sentence_and_blank_sentences(tmp_path):
    root = lay(tmp_path / "own", "0.png")
    (root / "metadata.csv").write_text("file_name,captions\n0.png,[sic] a lake\n")
    made = captioned(source=source(root), job=FolderJob(tmp_path / "job"))
    assert [row.captions for row in rows(made)] == [("[sic] a lake",)]
    (root / "metadata.csv").write_text("file_name,captions\n0.png, \n")
    with pytest.raises(StageError, match="csv:2: captions is blank; expected a sentence"):
        captioned(source=source(root), job=FolderJob(tmp_path / "blank"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LAKE/0.PNG", "; did you mean 'lake/0.png'?"),
        ("lake\\0.png", "; write / between folders: lake/0.png"),
    ],
)
def test_a_name_that_is_nearly_that_of_a_file_is_told_so(tmp_path, name, hint):
    root = lay(tmp_path / "own", "lake/0.png", "town/0.png")
    if (root / "LAKE").exists():
        pytest.skip("this file system is blind to case")
    (root / "metadata.csv").write_text(f"file_name,label\n{name},lake\n")
    with pytest.raises(StageError) as e:
        read(root, tmp_path / "job")
    assert str(e.value).endswith(f"csv:2: no file {name}{hint}")


def test_names_that_differ_in_case_are_two_images_where_they_are_two_files(tmp_path):
    root = lay(tmp_path / "own", "lake/a.png", "lake/A.png", "town/a.png")
    if len(list((root / "lake").iterdir())) == 1:
        pytest.skip("this file system is blind to case")
    made = read(root, tmp_path / "job")
    assert len({row.name.casefold() for row in rows(made)}) == 3


def test_classes_that_differ_in_case_are_refused(tmp_path):
    root = lay(tmp_path / "own", "Lake/0.png", "lake/1.png", "town/0.png")
    if len(list(root.iterdir())) == 2:
        pytest.skip("this file system is blind to case")
    with pytest.raises(StageError, match="the classes 'Lake' and 'lake' are one name but for case"):
        read(root, tmp_path / "job")


@pytest.mark.parametrize("suffix", [".zip", ".txt"])
def test_a_file_for_a_folder_is_one_line(tmp_path, suffix):
    file = tmp_path / f"own{suffix}"
    file.write_bytes(b"PK\3\4")
    with pytest.raises(
        StageError, match=rf"own\{suffix}: a file, expected a folder with one folder of images"
    ) as e:
        read(file, tmp_path / "job")
    assert str(e.value).endswith("; unpack it") == (suffix == ".zip")
