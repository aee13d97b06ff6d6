from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest
from report.test_golden import COMPARISON, RUN

from harness import compare
from harness.store import record, record_file

DOCUMENT = Path(__file__).parents[2] / "docs" / "run-json.md"


def documented() -> dict[str, set[str]]:
    """Heading → the names in the first column of the table below it."""
    found: dict[str, set[str]] = {}
    for part in re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        first = re.findall(r"^\| (`[^|]*) \|", body, flags=re.MULTILINE)
        found[title.replace("Top level: ", "").strip("`")] = set(re.findall(r"`(\w+)`", " ".join(first)))
    return found


def declared(module: ModuleType) -> list[type]:
    classes = [c for c in vars(module).values() if isinstance(c, type) and is_dataclass(c)]
    return [c for c in classes if c.__module__ == module.__name__]


@pytest.mark.parametrize("kind", declared(record) + declared(compare), ids=lambda c: c.__name__)
def test_every_field_of_the_record_is_documented_where_it_belongs(kind: type) -> None:
    names = {f.name for f in fields(kind)}
    assert names
    assert names - documented()[kind.__name__] == set()


def test_a_real_record_has_the_documented_top_level() -> None:
    body = {**record_file.sealed(record_file.to_json(RUN)), "comparison": COMPARISON.to_json()}
    assert set(json.loads(json.dumps(body))) == documented()["Run"]
    assert set(body["comparison"]) == documented()["Comparison"]


def test_the_columns_of_the_item_rows_are_documented() -> None:
    columns = {"metric", "point", "seeds", "item", "cluster", "field", "value"}
    assert documented()["items.parquet"] == columns


def test_the_document_names_the_schema_that_the_code_writes() -> None:
    assert f"`{record_file.SCHEMA}`" in DOCUMENT.read_text(encoding="utf-8").splitlines()[0]
