"""The readers behind ``harness.suite.typed``: one small class for each kind of value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen, MultipleOf

from harness.errors import SuiteError, nearest
from harness.suite.located_yaml import List, Map, Scalar, Tree


class Reader(Protocol):
    """Reads values of one type from located text."""

    @property
    def about(self) -> str:
        """What may be written, in words."""

    def schema(self) -> dict[str, Any]:
        """What may be written, as JSON Schema."""

    def read(self, tree: Tree, name: str) -> Any:
        """The value; raises SuiteError with ``name`` in the message."""


def _unexpected(tree: Tree, name: str, expected: str, hint: str = "") -> SuiteError:
    return SuiteError(tree.where, f"{name}: expected {expected}, not {tree}{hint}")


@dataclass(frozen=True)
class Plain:
    """One scalar, parsed by a function that returns None for text that is not such a value."""

    about: str
    convert: Callable[[str], Any]
    as_schema: Mapping[str, Any]
    quotable: bool = False
    article: str = ""

    def schema(self) -> dict[str, Any]:
        return dict(self.as_schema)

    def read(self, tree: Tree, name: str) -> Any:
        expected = f"{self.article}{self.about}"
        if not isinstance(tree, Scalar) or tree.is_null:
            raise _unexpected(tree, name, expected)
        value = self.convert(tree.text)
        if value is None or (tree.quoted and not self.quotable):
            raise _unexpected(tree, name, expected, "" if value is None else " in quotes")
        return value


@dataclass(frozen=True)
class Null:
    about: str = "null"

    def schema(self) -> dict[str, Any]:
        return {"type": "null"}

    def read(self, tree: Tree, name: str) -> None:
        if not (isinstance(tree, Scalar) and tree.is_null):
            raise _unexpected(tree, name, self.about)


@dataclass(frozen=True)
class Choice:
    """One of a few values, recognised by how they are written."""

    values: Mapping[str, Any]
    strings: frozenset[str]
    """The choices that may be quoted."""

    @property
    def about(self) -> str:
        return " | ".join(self.values)

    def schema(self) -> dict[str, Any]:
        words = {"true": True, "false": False, "null": None}
        listed = [
            s if s in self.strings else words.get(s, getattr(v, "value", v)) for s, v in self.values.items()
        ]
        return {"enum": listed}

    def read(self, tree: Tree, name: str) -> Any:
        if isinstance(tree, Scalar):
            text = "null" if tree.is_null else tree.text
            if text in self.values and (not tree.quoted or text in self.strings):
                return self.values[text]
        listed = ", ".join(self.values) if len(self.values) <= 12 else f"its {len(self.values)} values"
        close = nearest(tree.text, self.values) if isinstance(tree, Scalar) else ""
        raise SuiteError(tree.where, f"{name}: {tree} is none of {listed}{close}")


ASSET = "asset:"
"""Begins the name of what the package brings: ``asset:tiny-pipeline``, the same from any project."""
ASSETS = Path(__file__).parents[1] / "sources" / "assets"


def _asset(text: str) -> Path:
    """The folder of an asset.

    Raises:
        ValueError: there is none of this name.
    """
    known = sorted(p.name for p in ASSETS.iterdir() if p.is_dir())
    name = text.removeprefix(ASSET)
    if name not in known:
        hint = nearest(name, known) or f"; there is {', '.join(known)}"
        raise ValueError(f"{text!r}: no such asset{hint}")
    return ASSETS / name


@dataclass(frozen=True)
class FromText:
    """A class that parses its own text."""

    type: Any

    @property
    def about(self) -> str:
        return str(self.type.__name__)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}

    def read(self, tree: Tree, name: str) -> Any:
        if not isinstance(tree, Scalar) or tree.is_null:
            raise _unexpected(tree, name, f"text ({self.about})")
        is_source = hasattr(self.type, "relative_to") and is_dataclass(self.type)
        try:
            if is_source and tree.text.startswith(ASSET):
                return replace(self.type.from_text(f"path:{_asset(tree.text)}"), text=tree.text)
            value = self.type.from_text(tree.text)
            return value.relative_to(Path(tree.where.file).parent) if hasattr(value, "relative_to") else value
        except ValueError as e:
            raise SuiteError(tree.where, f"{name}: {e}") from None


@dataclass(frozen=True)
class Listed:
    """A list of any length."""

    item: Reader
    collect: Callable[[Iterable[Any]], Any]

    @property
    def about(self) -> str:
        return f"list of {self.item.about}"

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}

    def read(self, tree: Tree, name: str) -> Any:
        if not isinstance(tree, List):
            raise _unexpected(tree, name, f"a {self.about}")
        return self.collect(self.item.read(t, f"{name}[{i}]") for i, t in enumerate(tree.items))


@dataclass(frozen=True)
class Fixed:
    """A list of fixed length, each element with its own type."""

    items: tuple[Reader, ...]

    @property
    def about(self) -> str:
        return f"[{', '.join(i.about for i in self.items)}]"

    def schema(self) -> dict[str, Any]:
        count = len(self.items)
        prefix = [i.schema() for i in self.items]
        return {"type": "array", "prefixItems": prefix, "minItems": count, "maxItems": count}

    def read(self, tree: Tree, name: str) -> tuple[Any, ...]:
        if not isinstance(tree, List):
            raise _unexpected(tree, name, self.about)
        if len(tree.items) != len(self.items):
            raise SuiteError(tree.where, f"{name}: expected {len(self.items)} items, not {len(tree.items)}")
        pairs = zip(self.items, tree.items, strict=True)
        return tuple(item.read(t, f"{name}[{i}]") for i, (item, t) in enumerate(pairs))


@dataclass(frozen=True)
class Mapped:
    """A mapping from free names to values."""

    value: Reader

    @property
    def about(self) -> str:
        return f"mapping to {self.value.about}"

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.value.schema()}

    def read(self, tree: Tree, name: str) -> dict[str, Any]:
        if not isinstance(tree, Map):
            raise _unexpected(tree, name, f"a {self.about}")
        return {key: self.value.read(e.value, f"{name}.{key}") for key, e in tree.entries.items()}


@dataclass(frozen=True)
class OneOf:
    """The first of several types that accepts the text."""

    members: tuple[Reader, ...]

    @property
    def about(self) -> str:
        return " or ".join(m.about for m in self.members)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [m.schema() for m in self.members]}

    def read(self, tree: Tree, name: str) -> Any:
        refusals: list[SuiteError] = []
        for member in self.members:
            try:
                return member.read(tree, name)
            except SuiteError as e:
                refusals.append(e)
        wanted = [m for m in self.members if not isinstance(m, Null)]
        if isinstance(tree, Map):
            wanted = [m for m in wanted if isinstance(m, Mapped)] or wanted
        if len(wanted) == 1 and not (isinstance(tree, Scalar) and tree.is_null):
            raise refusals[self.members.index(wanted[0])]
        raise _unexpected(tree, name, self.about)


@dataclass(frozen=True)
class Limited:
    """A type with limits from ``annotated_types``."""

    inner: Reader
    limits: tuple[Any, ...]

    @classmethod
    def of(cls, inner: Reader, limits: Iterable[Any]) -> Reader:
        found = tuple(limits)
        return cls(inner, found) if found else inner

    @property
    def about(self) -> str:
        return ", ".join([self.inner.about, *(_LIMITS[type(x)].words(x) for x in self.limits)])

    def schema(self) -> dict[str, Any]:
        schema = self.inner.schema()
        for limit in self.limits:
            kind = _LIMITS[type(limit)]
            keyword = kind.keyword.get(str(schema.get("type")), kind.keyword["*"])
            schema[keyword] = kind.bound(limit)
        return schema

    def read(self, tree: Tree, name: str) -> Any:
        value = self.inner.read(tree, name)
        for limit in self.limits:
            kind = _LIMITS[type(limit)]
            if value is not None and not kind.holds(value, kind.bound(limit)):
                shown = str(tree).strip("'") if isinstance(tree, Scalar) else str(tree)
                raise SuiteError(tree.where, f"{name}: {shown} is not {kind.words(limit)}")
        return value


@dataclass(frozen=True)
class _Limit:
    wording: str
    bound: Callable[[Any], Any]
    holds: Callable[[Any, Any], bool]
    keyword: Mapping[str, str]
    """Keyword of JSON Schema for the limit, by the schema's type; ``*`` for every other type."""

    def words(self, limit: Any) -> str:
        return self.wording.format(self.bound(limit))


def _size(string: str, array: str, mapping: str) -> dict[str, str]:
    return {"*": string, "array": array, "object": mapping}


_LIMITS: Mapping[type, _Limit] = {
    Ge: _Limit("at least {}", lambda x: x.ge, lambda v, b: v >= b, {"*": "minimum"}),
    Gt: _Limit("greater than {}", lambda x: x.gt, lambda v, b: v > b, {"*": "exclusiveMinimum"}),
    Le: _Limit("at most {}", lambda x: x.le, lambda v, b: v <= b, {"*": "maximum"}),
    Lt: _Limit("less than {}", lambda x: x.lt, lambda v, b: v < b, {"*": "exclusiveMaximum"}),
    MultipleOf: _Limit(
        "a multiple of {}", lambda x: x.multiple_of, lambda v, b: v % b == 0, {"*": "multipleOf"}
    ),
    MinLen: _Limit(
        "at least {} long",
        lambda x: x.min_length,
        lambda v, b: len(v) >= b,
        _size("minLength", "minItems", "minProperties"),
    ),
    MaxLen: _Limit(
        "at most {} long",
        lambda x: x.max_length,
        lambda v, b: len(v) <= b,
        _size("maxLength", "maxItems", "maxProperties"),
    ),
}
