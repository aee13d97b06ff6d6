"""Prompts from files: read as they stand, or refused with the line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import source
from jobs import FolderJob

from harness.errors import StageError
from harness.formats import prompts as table
from harness.stages.systems.prompt_writer.filed import from_file

ROWS = [("rows of wheat", "Crop Land"), ("a “deep”, blue lake", "Water Body"), ("rice\tfields ", "Crop Land")]
READ = [
    ("crop-land-000", "rows of wheat", "Crop Land"),
    ("crop-land-001", "rice fields", "Crop Land"),
    ("water-body-000", "a “deep”, blue lake", "Water Body"),
]


def jsonl(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def files(root):
    """The same prompts in files of every kind."""
    root.mkdir()
    rows = [{"prompt": text, "label": label} for text, label in ROWS]
    jsonl(root / "a.jsonl", rows)
    quoted = [f'"{text}",{label}\r\n' for text, label in ROWS]
    (root / "a.csv").write_bytes("".join(["\ufeffprompt,label\r\n", *quoted]).encode())
    pq.write_table(pa.Table.from_pylist(rows), root / "a.parquet")
    (root / "texts").mkdir()
    (root / "texts" / "Crop Land.txt").write_text("rows of wheat\n\nrice\tfields \n", encoding="utf-8")
    (root / "texts" / "Water Body.txt").write_text("a “deep”, blue lake", encoding="utf-8")
    return [root / name for name in ("a.jsonl", "a.csv", "a.parquet", "texts")]


def read(place, root, **parameters):
    return from_file(source=source(place), job=FolderJob(root), **parameters)


def rows(prompts):
    return [(p.name, p.text, p.label) for p in table.read(prompts)]


@pytest.mark.parametrize("kind", range(4), ids=["jsonl", "csv", "parquet", "txt"])
def test_prompts_are_read_as_they_stand_in_every_kind_of_file(kind, tmp_path):
    prompts = read(files(tmp_path / "files")[kind], tmp_path)
    assert rows(prompts) == READ
    assert prompts.facts["per_class"] == {"Crop Land": 2, "Water Body": 1}


def test_bad_prompts_are_read_too_for_the_checks_to_judge(tmp_path):
    bad = ["pumpkin pumpkin pumpkin", "<b>a field</b>", "field " * 120 + ".", "a field", "a field"]
    place = jsonl(tmp_path / "bad.jsonl", [{"prompt": text, "label": "Crop Land"} for text in bad])
    assert [text for _, text, _ in rows(read(place, tmp_path))] == [" ".join(text.split()) for text in bad]


@pytest.mark.proves("prompt_writer.from_file", "source prompt label writer")
def test_every_parameter_of_files_changes_the_prompts(tmp_path):
    place = jsonl(tmp_path / "a.jsonl", [{"prompt": "a", "other": "b", "label": "X", "second": "Y"}])
    first = table.read(read(place, tmp_path / "first"))
    others = {"prompt": "other", "label": "second", "writer": "by hand"}
    for name, value in others.items():
        assert table.read(read(place, tmp_path / name, **{name: value})) != first, name
    with pytest.raises(StageError, match="no prompt of Y"):
        read(place, tmp_path / "classes", classes=("X", "Y"))
    elsewhere = jsonl(tmp_path / "b.jsonl", [{"prompt": "c", "label": "X"}])
    assert table.read(read(elsewhere, tmp_path / "source")) != first


@pytest.mark.proves("prompt_writer.from_file", "classes")
def test_classes_give_the_order(tmp_path):
    place = files(tmp_path / "files")[0]
    found = rows(read(place, tmp_path, classes=("Water Body", "Crop Land")))
    assert [label for *_, label in found] == ["Water Body", "Crop Land", "Crop Land"]


def test_prompts_that_were_written_elsewhere_keep_their_passages(tmp_path):
    kept = (table.Passage("p1", "a.pdf", 3, "Wheat is green."),)
    (tmp_path / "elsewhere").mkdir()
    table.write(tmp_path / "elsewhere", [table.Prompt("x", "fields of wheat", "Crop Land", "gpu", kept)])
    place = tmp_path / "elsewhere" / "metadata.jsonl"
    prompts = read(place, tmp_path, prompt="captions", writer="mistral")
    assert table.read(prompts) == [
        table.Prompt("crop-land-000", "fields of wheat", "Crop Land", "mistral", kept)
    ]
    assert prompts.facts["unread"] == ["file_name", "writer"]


def test_a_cell_of_a_table_holds_no_passages(tmp_path):
    (tmp_path / "a.csv").write_text("prompt,label,note,passages\nrows of wheat,Crop Land,x,Wheat is green.\n")
    prompts = read(tmp_path / "a.csv", tmp_path)
    assert table.read(prompts)[0].passages == ()
    assert prompts.facts["unread"] == ["note", "passages"]


def test_class_numbers_in_parquet_become_the_names_that_datasets_wrote(tmp_path):
    features = {"info": {"features": {"label": {"names": ["Bare Land", "Crop Land"], "_type": "ClassLabel"}}}}
    plain = pa.table({"prompt": ["rows", "dunes"], "label": [1, 0]})
    pq.write_table(
        plain.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "a.parquet"
    )
    assert [(t, c) for _, t, c in rows(read(tmp_path / "a.parquet", tmp_path))] == [
        ("rows", "Crop Land"),
        ("dunes", "Bare Land"),
    ]


def test_a_text_file_by_itself_is_of_the_class_that_is_named(tmp_path):
    place = files(tmp_path / "files")[3] / "Crop Land.txt"
    found = rows(read(place, tmp_path / "named", classes=("Bare Land",)))
    assert [label for *_, label in found] == ["Bare Land"] * 2
    with pytest.raises(StageError, match="name it under classes"):
        read(place, tmp_path / "nameless")


def test_text_files_may_be_named_as_prompts_are(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "crop-land.txt").write_text("rows of wheat\n")
    [(_, _, label)] = rows(read(tmp_path / "texts", tmp_path, classes=("Crop Land",)))
    assert label == "Crop Land"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.jsonl",
            b'{"prompt": "a", "label": "X"}\n{"prompt": "\xff"}\n',
            r"a\.jsonl:2: not text in UTF-8",
        ),
        ("a.jsonl", b'{"prompt": "a", "label": "X"}\n{oops\n', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", b'{"prompt": "\\ud83d", "label": "X"}\n', r"a\.jsonl:1: not JSON"),
        ("a.jsonl", b"[" * 100_000 + b"\n", r"a\.jsonl:1: not JSON"),
        ("a.jsonl", b"[]\n", r"a\.jsonl:1: a list, expected an object"),
        (
            "a.jsonl",
            b'{"promt": "a", "label": "X"}\n',
            r"a\.jsonl:1: no 'prompt', only promt, label; did you mean 'promt'",
        ),
        (
            "a.jsonl",
            b'{"prompt": " ", "label": "X"}\n',
            r"a\.jsonl:1: its prompt is ' ', expected a sentence",
        ),
        ("a.jsonl", b'{"prompt": 7, "label": "X"}\n', r"a\.jsonl:1: its prompt is 7"),
        ("a.jsonl", b'{"prompt": ["a", "b"], "label": "X"}\n', r"a\.jsonl:1: its prompt is \['a', 'b'\]"),
        ("a.jsonl", b'{"prompt": "a", "label": null}\n', r"a\.jsonl:1: its class is None"),
        ("a.jsonl", b'{"prompt": "a", "label": "Z"}\n', r"a\.jsonl:1: 'Z' is none of the classes"),
        (
            "a.jsonl",
            b'{"prompt": "a\\u0007b", "label": "X"}\n',
            r"a\.jsonl:1: a control character \(U\+0007\)",
        ),
        (
            "a.jsonl",
            b'{"prompt": "a", "label": "X", "passages": [1]}\n',
            r"a\.jsonl:1: passages must be a list",
        ),
        ("a.jsonl", b"\n", "no prompt of X"),
        ("a.csv", b"prompt,label\na,X\nb\n", r"a\.csv:3: 1 cells, expected 2: prompt, label"),
        ("a.csv", b"prompt,prompt\na,X\n", r"a\.csv:1: two columns are called 'prompt'"),
        ("a.csv", b'prompt,label\n"a" b,X\n', r"a\.csv:2: no CSV"),
        ("a.csv", b"text,label\na,X\n", r"a\.csv:2: no 'prompt', only text, label"),
        ("a.parquet", b"PAR1", r"a\.parquet: cut short, damaged or no parquet"),
        ("a.doc", b"", r"a\.doc: no prompts; expected \.jsonl, \.csv"),
    ],
)
def test_what_is_no_prompt_is_refused_with_its_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StageError, match=message):
        read(tmp_path / name, tmp_path, classes=("X",))


def test_files_of_two_kinds_and_columns_of_texts_are_refused(tmp_path):
    places = files(tmp_path / "files")
    with pytest.raises(StageError, match=r"files that end in \.csv and \.jsonl and \.parquet and \.txt"):
        read(tmp_path / "files", tmp_path)
    with pytest.raises(StageError, match="a text file has no columns"):
        read(places[3], tmp_path, label="class")


def test_classes_in_a_file_that_only_differ_in_marks_are_refused(tmp_path):
    place = jsonl(
        tmp_path / "a.jsonl", [{"prompt": "a", "label": label} for label in ("Crop Land", "crop_land")]
    )
    with pytest.raises(
        StageError, match="'Crop Land' and 'crop_land' would give their prompts the same names"
    ):
        read(place, tmp_path)
