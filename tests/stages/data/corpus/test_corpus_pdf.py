"""PDFs as a corpus. They are made here, the whole ones by reportlab, and then encrypted, cut and damaged."""

import io
import logging
import random
import struct
from collections import Counter
from pathlib import Path

import matplotlib
import pytest
from image_files import colour, source
from jobs import FolderJob
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    IndirectObject,
    NameObject,
    NumberObject,
    StreamObject,
)
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen import canvas

from harness.errors import StageError
from harness.formats import corpus
from harness.stages.data.corpus import read_pdfs

PAPER = [
    ["Deep learning for remote sens-", "ing has made great progress.", "Sentinel-", "2 has 13 bands."],
    ["A CNN-", "based model maps land", "cover in Europe."],
]


def pdf(pages, font="Helvetica"):
    """A PDF with one line of text below the other on each page."""
    out = io.BytesIO()
    paper = canvas.Canvas(out, invariant=True)
    for lines in pages:
        text = paper.beginText(50, 800)
        text.setFont(font, 12)
        text.textLines(lines)
        paper.drawText(text)
        paper.showPage()
    paper.save()
    return out.getvalue()


def scan(pages=2):
    out = io.BytesIO()
    paper = canvas.Canvas(out)
    for index in range(pages):
        paper.drawImage(ImageReader(Image.fromarray(colour(index, size=32))), 50, 50, 200, 200)
        paper.showPage()
    paper.save()
    return out.getvalue()


def changed(content, change):
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(content)))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def encrypted(content, password):
    return changed(
        content,
        lambda writer: writer.encrypt(
            user_password=password, owner_password="of the owner", algorithm="AES-256"
        ),
    )


def with_stream(content, page, data):
    """The content stream of a page replaced by bytes that do not unpack."""

    def damage(writer):
        stream = StreamObject()
        stream.set_data(data)
        stream[NameObject("/Filter")] = NameObject("/FlateDecode")
        writer.pages[page][NameObject("/Contents")] = writer._add_object(stream)

    return changed(content, damage)


def with_contents(content, page, contents):
    def replace(writer):
        writer.pages[page][NameObject("/Contents")] = contents

    return changed(content, replace)


NOISE = bytes(random.Random(0).randrange(256) for _ in range(4000))

FOLDER = {
    "broken/binary.pdf": NOISE,
    "broken/html.pdf": b"<!doctype html><p>404, no such paper",
    "broken/truncated.pdf": pdf(PAPER)[:900],
    "broken/zero.pdf": b"",
    "damaged.pdf": with_stream(pdf([*PAPER, *PAPER]), 1, NOISE),
    "empty.pdf": pdf([[], []]),
    "good.PDF": pdf(PAPER),
    "hopeless.pdf": with_stream(pdf(PAPER[:1]), 0, NOISE),
    "locked.pdf": encrypted(pdf(PAPER), "secret"),
    "open.pdf": encrypted(pdf(PAPER), ""),
    "partly.pdf": pdf([PAPER[0], [], PAPER[1]]),
    "scanned.pdf": scan(),
}


def lay(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return source(root)


def account(status, pages=0, read=0, failed=(), empty=0):
    return {"status": status, "pages": pages, "read": read, "failed": failed, "empty": empty, "unclear": {}}


def test_a_folder_of_good_broken_encrypted_and_scanned_files_has_an_exact_account(tmp_path):
    place = lay(tmp_path / "papers", {**FOLDER, "notes.txt": b"not read", "broken/LICENSE": b""})
    made = read_pdfs(source=place, job=FolderJob(tmp_path))
    files = made.facts["files"]
    notes = {name: found.pop("note") for name, found in files.items()}
    assert files == {
        "broken/binary.pdf": account("broken"),
        "broken/html.pdf": account("broken"),
        "broken/truncated.pdf": account("broken"),
        "broken/zero.pdf": account("broken"),
        "damaged.pdf": account("read", 4, 3, failed=(2,)),
        "empty.pdf": account("empty", 2, empty=2),
        "good.PDF": account("read", 2, 2),
        "hopeless.pdf": account("broken", 1, failed=(1,)),
        "locked.pdf": account("encrypted"),
        "open.pdf": account("read", 2, 2),
        "partly.pdf": account("read", 3, 2, empty=1),
        "scanned.pdf": account("scanned", 2, empty=2),
    }
    assert "decompressing" in notes["damaged.pdf"]
    assert notes["good.PDF"] is None
    assert notes["locked.pdf"] == "needs a password"
    assert notes["open.pdf"] == "opened with an empty password"
    assert notes["scanned.pdf"] == "images only"
    assert "empty file" in notes["broken/zero.pdf"]
    assert all("\n" not in note and len(note) < 220 for note in notes.values() if note)
    totals = {name: made.facts[name] for name in ("documents", "rows", "pages", "failed_pages", "unread")}
    assert totals == {
        "documents": 4,
        "rows": 9,
        "pages": 16,
        "failed_pages": 2,
        "unread": {".txt": 1, "broken/LICENSE": 1},
    }
    assert made.facts["statuses"] == {"broken": 5, "empty": 1, "encrypted": 1, "read": 4, "scanned": 1}
    every = corpus.read(made.path)
    assert Counter(row.document for row in every) == {
        name: found["read"] for name, found in files.items() if found["read"]
    }


def test_rows_are_the_pages_with_text_in_order(tmp_path):
    made = read_pdfs(source=lay(tmp_path / "a", {"b.pdf": FOLDER["partly.pdf"]}), job=FolderJob(tmp_path))
    first = "Deep learning for remote sensing has made great progress. Sentinel-2 has 13 bands."
    second = "A CNN-based model maps land cover in Europe."
    assert corpus.read(made.path) == [(first, "b.pdf", 1, 0), (second, "b.pdf", 3, 1)]
    assert made.conditions == {"text": corpus.digest(corpus.read(made.path))}


def test_pages_in_other_scripts_are_read_and_their_hyphens_mended(tmp_path):
    """A font with outlines and a table of its own, as typesetting programs embed it, and one that is only named."""
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    pdfmetrics.registerFont(TTFont("DejaVu", fonts / "DejaVuSans.ttf"))
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    languages = {
        "ελληνικά.pdf": ("DejaVu", ["Ο δορυφόρος είδε το ποτά-", "μι."], "Ο δορυφόρος είδε το ποτάμι."),
        "русский.pdf": (
            "DejaVu",
            ["Спутник снимает зем-", "лю из космоса."],
            "Спутник снимает землю из космоса.",
        ),
        "中文.pdf": ("STSong-Light", ["卫星每天经过三角洲两次。"], "卫星每天经过三角洲两次。"),
    }
    files = {name: pdf([lines], font) for name, (font, lines, _) in languages.items()}
    made = read_pdfs(source=lay(tmp_path / "a", files), job=FolderJob(tmp_path))
    assert {row.document: row.text for row in corpus.read(made.path)} == {
        name: text for name, (_, _, text) in languages.items()
    }
    assert made.facts["statuses"] == {"read": 3}


def test_one_file_may_be_the_source(tmp_path):
    lay(tmp_path / "a", {"b.pdf": pdf(PAPER)})
    made = read_pdfs(source=source(tmp_path / "a" / "b.pdf"), job=FolderJob(tmp_path))
    assert [row.document for row in corpus.read(made.path)] == ["b.pdf", "b.pdf"]


def test_what_systems_leave_beside_the_papers_is_counted(tmp_path):
    left = {"__MACOSX/._b.pdf": b"x", "Thumbs.db": b"x", ".DS_Store": b"x"}
    made = read_pdfs(
        source=lay(tmp_path / "a", {"b.pdf": pdf(PAPER), **left}), strict=True, job=FolderJob(tmp_path)
    )
    assert made.facts["passed over"] == {".DS_Store": 1, "Thumbs.db": 1, "__MACOSX": 1}
    assert made.facts["unread"] == {}


@pytest.mark.proves("corpus.read_pdfs", "strict")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("locked.pdf", "1 of 2 PDFs not wholly read: locked.pdf \\(encrypted: needs a password"),
        ("damaged.pdf", "1 of 2 PDFs not wholly read: damaged.pdf \\(page 2: .*decompressing"),
        ("scanned.pdf", "scanned.pdf \\(scanned: images only"),
        ("empty.pdf", "empty.pdf \\(empty: nothing to read"),
        ("hopeless.pdf", "hopeless.pdf \\(broken: "),
    ],
)
def test_strict_makes_a_file_that_is_not_wholly_read_an_error(tmp_path, name, message):
    place = lay(tmp_path / "a", {"a.pdf": pdf(PAPER), name: FOLDER[name]})
    assert read_pdfs(source=place, strict=False, job=FolderJob(tmp_path / "job")).facts["rows"] >= 2
    with pytest.raises(StageError, match=message) as e:
        read_pdfs(source=place, strict=True, job=FolderJob(tmp_path / "strict"))
    assert len(str(e.value).splitlines()) == 1


def test_strict_has_nothing_against_an_empty_password_or_an_empty_page(tmp_path):
    place = lay(tmp_path / "a", {name: FOLDER[name] for name in ("open.pdf", "partly.pdf")})
    assert read_pdfs(source=place, strict=True, job=FolderJob(tmp_path)).facts["rows"] == 4


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b"text", "b.txt": b"text"}, "no PDF, only 2 .txt"),
        ({"a.pdf": b"", "b.pdf": NOISE}, "2 of 2 PDFs not wholly read: a.pdf \\(broken: .*, b.pdf"),
        ({f"{i}.pdf": b"" for i in range(7)}, "7 of 7 .*4.pdf .* and 2 more"),
    ],
)
def test_no_text_at_all_is_an_error(tmp_path, files, message):
    with pytest.raises(StageError, match=message):
        read_pdfs(source=lay(tmp_path / "a", files), job=FolderJob(tmp_path))


@pytest.mark.proves("corpus.read_pdfs", "source")
def test_another_source_is_another_corpus(tmp_path):
    one = read_pdfs(source=lay(tmp_path / "a", {"a.pdf": pdf(PAPER)}), job=FolderJob(tmp_path / "1"))
    other = read_pdfs(source=lay(tmp_path / "b", {"a.pdf": pdf(PAPER[:1])}), job=FolderJob(tmp_path / "2"))
    assert one.conditions != other.conditions


def test_what_pypdf_says_goes_into_the_log_and_not_to_the_terminal(tmp_path, caplog, capfd):
    job = FolderJob(tmp_path)
    before = logging.getLogger("pypdf").handlers[:]
    read_pdfs(
        source=lay(tmp_path / "a", {n: FOLDER[n] for n in ("damaged.pdf", "broken/binary.pdf")}), job=job
    )
    assert any(line.startswith("damaged.pdf: page 2: ") for line in job.lines)
    assert any(line.startswith("broken/binary.pdf: pypdf: ") for line in job.lines)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pypdf").handlers == before


@pytest.mark.parametrize(
    ("contents", "note"),
    [
        (IndirectObject(999, 0, None), "Object 999 0 not defined"),
        (ArrayObject([NumberObject(7)]), "Expected StreamObject, got NumberObject"),
        (DictionaryObject(), "Page contents are not a stream"),
    ],
)
def test_a_page_that_pypdf_passes_over_with_a_warning_has_failed(tmp_path, contents, note):
    place = lay(tmp_path / "a", {"a.pdf": with_contents(pdf(PAPER), 0, contents)})
    made = read_pdfs(source=place, job=FolderJob(tmp_path))
    found = made.facts["files"]["a.pdf"]
    assert (found["read"], found["failed"], found["empty"]) == (1, (1,), 0)
    assert found["note"].startswith(note)


@pytest.mark.parametrize("position", range(0, 1000, 125))
def test_every_page_of_a_file_cut_or_scribbled_upon_is_accounted_for(tmp_path, position):
    whole = pdf(PAPER)
    files = {
        "cut.pdf": whole[: len(whole) - position - 1],
        "scribbled.pdf": whole[:position] + NOISE[:40] + whole[position + 40 :],
        "whole.pdf": whole,
    }
    made = read_pdfs(source=lay(tmp_path / "a", files), job=FolderJob(tmp_path))
    for found in made.facts["files"].values():
        assert found["pages"] == found["read"] + len(found["failed"]) + found["empty"]
        assert (found["status"] == "read") == (found["read"] > 0)
        assert found["note"] is not None or found["status"] == "read"
    assert made.facts["files"]["whole.pdf"]["read"] == 2


CASE = Path(__file__).parents[3] / "cases" / "03"


def with_font(codes, font):
    """A page that shows codes of one font: its dictionary, with streams as bytes."""
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)

    def stream(data):
        made = DecodedStreamObject()
        made.set_data(data)
        return writer._add_object(made)

    def written(value):
        match value:
            case bytes():
                return stream(value)
            case dict():
                return DictionaryObject({NameObject(f"/{k}"): written(v) for k, v in value.items()})
            case list():
                return ArrayObject(map(written, value))
            case int():
                return NumberObject(value)
            case _:
                return NameObject(value)

    fonts = DictionaryObject({NameObject("/F1"): written({"Type": "/Font", "BaseFont": "/ABCDEF+X", **font})})
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    page[NameObject("/Contents")] = stream(f"BT /F1 12 Tf 20 100 Td <{codes.hex()}> Tj ET".encode())
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def read(tmp_path, content, **parameters):
    place = lay(tmp_path / "papers", {"paper.pdf": content})
    made = read_pdfs(source=place, job=FolderJob(tmp_path / "job"), **parameters)
    return " ".join(row.text for row in corpus.read(made.path)), made.facts


NAMED = {"Subtype": "/Type1", "Encoding": {"Differences": [1, "/f_f", "/f_f_i", "/uni0066006C", "/g31"]}}
MAP = b"beginbfchar <01> <0000> <02> <FFFD> <03> <E001> endbfchar"


@pytest.mark.parametrize("font", [NAMED, {**NAMED, "ToUnicode": MAP}], ids=["no map", "a map to nothing"])
def test_ligatures_are_told_from_the_names_of_their_glyphs(tmp_path, font):
    text, facts = read(tmp_path, with_font(b"di\x01erent coe\x02cients, \x03ow", font))
    assert text == "different coefficients, flow"
    assert facts["unclear"] == 0
    assert "warnings" not in facts


def test_ligatures_are_told_from_an_embedded_program(tmp_path):
    program = b"%!PS-AdobeFont-1.0\n/Encoding 256 array\ndup 11 /ff put\ndup 97 /a put\ndup 101 /e put\neexec"
    font = {"Subtype": "/Type1", "FontDescriptor": {"Type": "/FontDescriptor", "FontFile": program}}
    mapped = {
        **font,
        "ToUnicode": b"beginbfrange <0A> <0B> <0000> endbfrange beginbfchar <61> <0061> endbfchar",
    }
    assert read(tmp_path, with_font(b"a\x0be", mapped))[0] == "affe"


def test_ligatures_are_told_from_the_glyphs_of_a_composite_font(tmp_path):
    names = b"\x03f_f\x01a"
    post = struct.pack(">L28xHHHH", 0x20000, 3, 0, 258, 259) + names
    program = struct.pack(">LHHHH4sLLL", 0x10000, 1, 0, 0, 0, b"post", 0, 28, len(post)) + post
    below = {"Subtype": "/CIDFontType2", "FontDescriptor": {"Type": "/FontDescriptor", "FontFile2": program}}
    font = {"Subtype": "/Type0", "Encoding": "/Identity-H", "DescendantFonts": [below]}
    assert read(tmp_path, with_font(b"\0\2\0\1\0\2", font))[0] == "affa"


def test_a_declared_encoding_outranks_the_program_s(tmp_path):
    program = b"%!PS-AdobeFont-1.0\n/Encoding 256 array\ndup 84 /ffi put\neexec"
    font = {
        "Subtype": "/Type1",
        "Encoding": "/MacRomanEncoding",
        "FontDescriptor": {"Type": "/FontDescriptor", "FontFile": program},
    }
    assert read(tmp_path, with_font(b"Theorem", font))[0] == "Theorem"


def test_a_name_that_says_nothing_is_counted(tmp_path):
    text, facts = read(tmp_path, with_font(b"a\x04b \x04", NAMED))
    assert text == "a\ufffdb \ufffd"
    assert facts["files"]["paper.pdf"]["unclear"] == {"1": 2}
    assert facts["unclear"] == 2
    assert facts["warnings"] == [
        "2 glyphs of 1 PDFs have no character in the file, and are U+FFFD in the text: paper.pdf"
    ]
    with pytest.raises(StageError, match=r"paper\.pdf \(page 1: 2 glyphs whose character it does not say\)$"):
        read(tmp_path / "strict", with_font(b"a\x04b \x04", NAMED), strict=True)


def test_case_03_is_counted_for_each_page_and_strict_fails(tmp_path):
    made = read_pdfs(source=source(CASE), job=FolderJob(tmp_path / "job"))
    assert {name: found["unclear"] for name, found in made.facts["files"].items()} == {
        "lig_fffd.pdf": {"1": 5},
        "lig_null.pdf": {"1": 5},
        "no_tounicode.pdf": {"1": 77},
    }
    assert made.facts["files"]["no_tounicode.pdf"]["failed"] == (1,)
    for row in corpus.read(made.path):
        assert row.text.startswith("di\ufffderent sensors a\ufffdect the coe\ufffdcients.")
    with pytest.raises(StageError) as e:
        read_pdfs(source=source(CASE), strict=True, job=FolderJob(tmp_path / "strict"))
    told = str(e.value)
    assert "\n" not in told
    for name in made.facts["files"]:
        assert f"{name} (" in told
    assert "page 1: 5 glyphs whose character it does not say" in told
