"""Texts from outside, through every command: nothing that acts leaves the process, whatever a text holds."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from command_line import Project
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rated import exported, key_of, stored
from toy_suites import write_suite

NASTY = (
    "\x1b]0;owned\x07\x1b[31m\r::error title=a::b\n::set-output name=x::y\n##[error]z\n##vso[task.complete]"
    "\u202etxt\u2066 <script>alert(1)</script><img src=x onerror=alert(2)> [red]r[/red] `code` | cell | **b** ]]>"
    " &amp; @team \x9b31m\x00\ufffe\u2028 🛰️ صحراء ${{ secrets.X }} 'q' \"q\" \\ %0A"
)
TEXTS = st.text(
    st.sampled_from("\x1b\r\n\t\x00\x07\x9b\u202e\u2028\ufffe<>&\"'`|[]:#=%@\\/ab🛰")
    | st.characters(exclude_categories=["Cs"]),
    min_size=1,
    max_size=60,
)
SUITE = """\
suite: toy/hostile
about: {text}
subject: [images]
stages:
  world:  {{use: toy_hostile.world, text: {file}}}
  images: {{use: toy_hostile.paint, world: world, text: {text}}}
metrics:
  judged: {{use: toy_hostile.judge, images: images, text: {text}}}
{failing}
matrix:
  images.text: [{text}, plain]
seeds:
  images.seed: [0, 1, 2]
reference: {{images.text: plain}}
gate: {{judged.good: 0.1}}
"""
FAILING = """\
  one: {{use: toy_hostile.fail, images: images, text: {text}, own: true}}
  two: {{use: toy_hostile.fail, images: images, text: {text}, own: false}}
"""
COMMAND = re.compile(r"::(error|warning|notice) (file=[^:]*,line=\d+,)?title=[^:]*::")


class Page(HTMLParser):
    """What a browser would make of a page: the elements that could act."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.acting: list[str] = []
        self.scripts: list[str] = []
        self._is_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._is_script = tag == "script" and ("type", "application/json") not in attributes
        self.acting += [f"{tag} {name}" for name, value in attributes if name.startswith("on")]
        self.acting += [
            f"{tag} {name}" for name, value in attributes if (value or "").startswith("javascript:")
        ]

    def handle_data(self, data: str) -> None:
        if self._is_script:
            self.scripts.append(data)
            self._is_script = False


def acting(text: str) -> set[str]:
    """The characters of a text that do something; the harness itself isolates text from right to left."""
    controls = {c for c in text if unicodedata.category(c) in ("Cc", "Cs")} - {"\n", "\t"}
    return controls | (
        set(text) & set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\ufffe\uffff")
    )


def quoted(text: str) -> str:
    """As YAML writes it."""
    return '"' + "".join(c if c.isalnum() and c.isascii() else f"\\U{ord(c):08x}" for c in text) + '"'


def check_streams(*texts: str) -> None:
    for text in texts:
        assert not acting(text), text
        for line in text.splitlines():
            assert COMMAND.match(line) or not line.lstrip().startswith("::"), line
            assert not re.search(r"##\w*\[", line), line


def check_files(folder: Path) -> int:
    """Every rendering below a folder; returns how many there are."""
    found = 0
    for file in folder.rglob("*"):
        if file.suffix not in (".md", ".html", ".xml", ".csv"):
            continue
        text = file.read_bytes().decode("utf-8")
        found += 1
        assert not acting(text), (file, acting(text))
        if file.suffix == ".xml":
            ET.fromstring(text)
        if file.suffix == ".html":
            page = Page(text)
            assert page.acting == [], file
            assert not any("alert(1)" in script for script in page.scripts)
    return found


@settings(max_examples=3)
@given(text=TEXTS)
@example(text=NASTY)
@example(text="::error::x\n::stop-commands::t")
@example(text="\x1b[2J" * 100)
def test_nothing_that_acts_leaves_the_process(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    monkeypatch.chdir(folder)
    summary = folder / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    project.folder = folder
    written, file = quoted(text), quoted(text.replace("\0", "") + ".")
    for failing in ("", FAILING.format(text=written)):
        write_suite(folder, SUITE.format(text=written, file=file, failing=failing))
        commands: list[tuple[str, ...]] = [
            ("plan", "suites/suite.yaml"),
            ("plan", "suites/suite.yaml", "--set", f"images.text={text}"),
            ("run", "suites/suite.yaml", "--out", "first"),
            ("accept", "first", "--reason", f"x{text}"),
            ("run", "suites/suite.yaml", "--out", "run"),
            ("compare", "run"),
            ("compare", "run", "--against", f"images.text={text}"),
            ("compare", text),
            ("explain", "run", "judged.good"),
            ("explain", "run", text),
            ("history", "toy/hostile"),
            ("history", text),
            ("leaderboard", "run", "--to", "board"),
            ("leaderboard", text, "--by", text),
            ("review", "make", "run", "--count", "8"),
            ("stages", text),
            (text,),
        ]
        codes = {}
        for command in commands:
            command = tuple(word.replace("\0", "") for word in command)  # the system passes no such words
            said = project.harness(*command)
            codes[command[:2]] = said
            assert said.code in (0, 2, 4, 5, 6), (command, said.err)
            check_streams(said.out, said.err)
        assert codes["run", "suites/suite.yaml"].code == (5 if failing else 0), codes[
            "run", "suites/suite.yaml"
        ]
        if not failing:
            assert codes["review", "make"].code == 0, codes["review", "make"]
            body = exported(key_of(folder / "run"), f"A{text}", lambda *_: 3, comment=text)
            said = project.harness("review", "collect", "run", stored(folder, body, "ratings.json"))
            assert said.code == 0, said.err
            check_streams(said.out, said.err)
    assert check_files(folder) > 8
    assert not acting(summary.read_text(encoding="utf-8"))
