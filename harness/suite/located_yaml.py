"""Read YAML as located text: every scalar keeps the characters that were written, with its file and line.

Types come later, from stage signatures, so ``no`` can be a word and ``1e-6`` a number. Confusing or dangerous features
of YAML are refused: tags, anchors and aliases, merge keys, duplicate keys, several documents. Mistakes in the text are
collected, so that they can be corrected together before the next try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from harness.errors import SuiteError, UsageError, Where, nearest
from harness.formats import files

MAX_BYTES = 1_000_000
MAX_DEPTH = 20

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(frozen=True)
class Scalar:
    where: Where
    text: str
    quoted: bool = False

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in ("null", "~")

    def __str__(self) -> str:
        return "null" if self.is_null else repr(shorten(self.text))


@dataclass(frozen=True)
class List:
    where: Where
    items: tuple[Tree, ...]

    def __str__(self) -> str:
        return "a list"


@dataclass(frozen=True)
class Entry:
    """A value of a mapping, and the place of its key."""

    key_where: Where
    value: Tree


@dataclass(frozen=True)
class Map:
    where: Where
    entries: Mapping[str, Entry]

    def __str__(self) -> str:
        return "a mapping"


Tree: TypeAlias = Scalar | List | Map
"""``str(tree)`` is the text for messages."""

Read: TypeAlias = Callable[[Path], str]


def read_file(path: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        OSError: the file cannot be read.
        UsageError: the file is larger than 1 MB or is not UTF-8.
    """
    with files.opened(path) as f:
        data = f.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: larger than 1 MB, which no suite is")
    return files.text_of(data, str(path))


def load(path: Path, read: Read = read_file, *, named_at: Where | None = None) -> Map:
    """Read a suite file as a tree.

    Args:
        path: the file.
        read: function that reads its text; a git reference is read by another function.
        named_at: place that refers to the file, for the message if the file cannot be read.

    Raises:
        UsageError: the file cannot be read.
        SuiteError: its text is not a suite.
    """
    try:
        source = read(path)
    except OSError as e:
        problem = f"{path}: cannot be read ({e.strerror or e})"
        raise (UsageError(problem) if named_at is None else SuiteError(named_at, problem)) from None
    tree = parse(source, str(path))
    if not isinstance(tree, Map):
        raise SuiteError(tree.where, f"a suite is a mapping of 'suite', 'stages', 'metrics' …, not {tree}")
    return tree


def parse(source: str, file: str, first_line: int = 1) -> Tree:
    """Parse a YAML text as a tree.

    Args:
        source: the text.
        file: name of the file in messages.
        first_line: the number of its first line.

    Raises:
        SuiteError: a syntax error, or a YAML feature that suites do not allow.
    """
    if len(source) > MAX_BYTES or not _encodable(source):
        raise SuiteError(Where(file, first_line), "not a text of at most 1 MB in UTF-8")
    try:
        return _Builder(file, first_line).document(yaml.parse(source, Loader=_LOADER))
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        last = max(
            len(source.splitlines()) - 1, 0
        )  # at the end of the text, the parser's mark is one line too far
        line = first_line + (min(mark.line, last) if mark else 0)
        problem = ", ".join(p for p in (e.problem, e.context) if p)
        raise SuiteError(Where(file, line), f"not YAML: {problem}") from None
    except yaml.reader.ReaderError as e:
        line = first_line + source.encode()[: e.position].count(b"\n")
        raise SuiteError(Where(file, line), f"not YAML: {e.reason}") from None


def shorten(text: str, limit: int = 80) -> str:
    """``text``, shortened for a message of one line."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _encodable(source: str) -> bool:
    """Whether a text has no lone surrogates, which stand for bytes on the command line that are not UTF-8."""
    try:
        source.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Builder:
    """Builds the tree from the parser's events, so that a YAML bomb is refused before it is expanded."""

    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self.first_line = first_line

    def document(self, events: Iterator[Any]) -> Tree:
        tree: Tree | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and tree is not None:
                raise SuiteError(self._where(event), "a second document; a suite is one")
            if isinstance(event, yaml.NodeEvent):
                tree = self._node(event, events, depth=1)
        if tree is None or _is_blank(tree):
            raise SuiteError(Where(self.file, self.first_line), "empty")
        return tree

    def _node(self, event: Any, events: Iterator[Any], depth: int) -> Tree:
        where = self._where(event)
        if event.anchor is not None:
            what = (
                f"alias *{event.anchor}" if isinstance(event, yaml.AliasEvent) else f"anchor &{event.anchor}"
            )
            raise SuiteError(where, f"{shorten(what)}: suites have no anchors and aliases; see 'extends'")
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise SuiteError(where, f"tag {shorten(tag)}: suites have no tags; the stage says the type")
        if depth > MAX_DEPTH:
            raise SuiteError(where, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(where, event.value, quoted=event.style in ("'", '"', "|", ">"))
        if isinstance(event, yaml.SequenceStartEvent):
            return List(where, tuple(self._items(events, depth)))
        return Map(where, self._entries(events, depth))

    def _items(self, events: Iterator[Any], depth: int) -> Iterator[Tree]:
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            item = self._node(event, events, depth + 1)
            if _is_blank(item):
                raise SuiteError(item.where, "an item of the list is empty (null says 'none')")
            yield item

    def _entries(self, events: Iterator[Any], depth: int) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(event, events, depth + 1)
            if not isinstance(key, Scalar) or not key.text:
                raise SuiteError(key.where, f"a key is a word, not {key}")
            if key.text == "<<" and not key.quoted:
                raise SuiteError(key.where, "key '<<': suites have no merge keys; see 'extends'")
            if key.text in entries:
                first = entries[key.text].key_where.line
                raise SuiteError(key.where, f"key {key} stands twice (first in line {first})")
            value = self._node(next(events), events, depth + 1)
            if _is_blank(value):
                raise SuiteError(key.where, f"{key} has no value (null says 'none')")
            entries[key.text] = Entry(key.where, value)
        return entries

    def _where(self, event: Any) -> Where:
        return Where(self.file, self.first_line + event.start_mark.line)


def _is_blank(tree: Tree) -> bool:
    return isinstance(tree, Scalar) and not tree.quoted and tree.text == ""


class Problems:
    """Collects mistakes, in the order in which they are found."""

    def __init__(self) -> None:
        self.found: list[SuiteError] = []

    def add(self, where: Where, message: str) -> None:
        self.found.append(SuiteError(where, message))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Collect an error raised in the block; the rest of the block is skipped."""
        try:
            yield
        except SuiteError as e:
            self.found.append(e)

    def stop(self) -> None:
        """Raise the collected mistakes, one line each.

        Raises:
            SuiteError: there was at least one mistake; its place is that of the first.
        """
        if not self.found:
            return
        first, *rest = dict.fromkeys(str(e) for e in self.found)
        where = self.found[0].where
        raise SuiteError(where, first.removeprefix(f"{where}: "), *rest) from None


def mapping(entry: Entry, name: str) -> Map:
    """The entry's value; raises an error if it is not a mapping."""
    if not isinstance(entry.value, Map):
        raise SuiteError(entry.key_where, f"{name}: expected a mapping, not {entry.value}")
    return entry.value


def listed(tree: Tree, name: str) -> List:
    """The tree as a list; raises an error if it is not a list or is empty."""
    if not isinstance(tree, List):
        raise SuiteError(tree.where, f"{name}: expected a list, not {tree}")
    if not tree.items:
        raise SuiteError(tree.where, f"{name}: the list is empty")
    return tree


def closed(entries: Mapping[str, Entry], known: Iterable[str], name: str, problems: Problems) -> None:
    """Note every key that is not in ``known`` as a mistake."""
    words = list(known)
    for key, entry in entries.items():
        if key not in words:
            hint = nearest(key, words) or f"; it has {', '.join(words) or 'nothing'}"
            problems.add(entry.key_where, f"{name} has no {shorten(key)!r}{hint}")
