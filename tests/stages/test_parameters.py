"""No parameter of a built-in stage does nothing: each has a test that shows what changing it changes.

Most of these tests stand beside their stage and say what they prove: ``@pytest.mark.proves("stage", "parameter …")``.
An ``Execution`` parameter is proved to change nothing. This file fails when a parameter has no such test, or when a
test has no word about a parameter that it is said to prove. Parameters of readers are tried here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import rasterio
from affine import Affine
from image_files import class_folders, colour, everything, parquet, png, source
from jobs import FolderJob
from toy_plans import keys_of
from toy_suites import write_suite

from harness.artifact import Artifact
from harness.engine import suite_sources
from harness.engine.plan import make
from harness.stage import Stage
from harness.store.artifacts import Store
from harness.suite import load, registry

pytestmark = pytest.mark.numeric

TESTS = Path(__file__).parents[1]

Change = tuple[str, str, dict[str, Any], dict[str, Any]]
"""Stage, parameter, and two bindings that differ in it alone."""


def knob(stage: str, name: str, before: object, after: object, **rest: object) -> Change:
    return stage, name, {**rest, name: before}, {**rest, name: after}


BANDS = ("red", "green", "blue")
CAPTIONS, PLACES = {"image": "image", "captions": "captions"}, {"image": "image", "captions": "place"}
LOW, HIGH = (0.0, 5000.0), (0.0, 6300.0)

CHANGES = [
    knob("folders.captioned", "source", "listed", "listed again"),
    knob("folders.captioned", "scale", LOW, HIGH, source="listed deep"),
    knob("folders.geotiff", "source", "rasters", "rasters again", bands=BANDS, scale=(0.0, 255.0)),
    knob("folders.hub", "source", "hub", "hub again"),
    knob("folders.hub_captioned", "source", "hub", "hub again"),
    knob("folders.hub_captioned", "split", "train", "test", source="hub"),
    knob("folders.hub_captioned", "columns", CAPTIONS, PLACES, source="hub"),
    knob("folders.hub_captioned", "size", 12, 6, source="hub"),
    knob("folders.hub_captioned", "resize", "bicubic", "nearest", source="hub", size=6),
    knob("folders.hub_captioned", "scale", LOW, HIGH, source="hub deep"),
    knob("folders.images", "source", "classes", "classes again"),
    knob("rsicd.load", "source", "hub", "hub again"),
    knob("rsicd.load", "size", 12, 6, source="hub"),
    knob("rsicd.load", "resize", "bicubic", "nearest", source="hub", size=6),
    knob("rsicd.published", "source", "hub", "hub again"),
    knob("rsicd.published", "size", 12, 6, source="hub"),
    knob("rsicd.published", "resize", "bicubic", "nearest", source="hub", size=6),
    knob("rsicd.split", "source", "hub", "hub again", held_out=2),
]


def built_in() -> dict[str, Stage]:
    """The stages of the harness itself (the tests' toys are another package)."""
    return {s.name: s for s in registry.all_stages() if s.function.__module__.startswith("harness.")}


class Proof(NamedTuple):
    """What a test is said to prove."""

    stage: str
    parameters: tuple[str, ...]
    test: str
    words: frozenset[str]
    """That the test uses."""


@cache
def proofs() -> list[Proof]:
    """From the marks in all files of tests, as they are written."""
    found = [proof for file in sorted(TESTS.rglob("test_*.py")) for proof in proofs_in(file)]
    tried = [Proof(stage, (name,), "here", frozenset({name})) for stage, name, _, _ in CHANGES]
    return found + tried


def proofs_in(file: Path) -> Iterator[Proof]:
    text = file.read_text(encoding="utf-8")
    for function in ast.parse(text).body if "mark.proves(" in text else ():
        for decorator in getattr(function, "decorator_list", ()):
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.proves":
                stage, parameters = (ast.literal_eval(argument) for argument in decorator.args)
                words = frozenset(words_of(file, function.name))
                yield Proof(stage, tuple(parameters.split()), f"{file.name}::{function.name}", words)


def test_each_parameter_of_each_stage_has_a_proof() -> None:
    parameters = {f"{s.name}.{p}" for s in built_in().values() for p in s.parameters}
    proved = [f"{proof.stage}.{p}" for proof in proofs() for p in proof.parameters]
    assert sorted(parameters - set(proved)) == [], "without a test that shows what they change"
    assert sorted(set(proved) - parameters) == [], "no such parameters"
    assert len(set(proved)) > 50


def test_each_proof_is_about_its_parameters() -> None:
    assert [(p.test, name) for p in proofs() for name in p.parameters if name not in p.words] == []


@pytest.mark.parametrize(
    ("stage", "before", "after"), [pytest.param(s, b, a, id=f"{s}.{p}") for s, p, b, a in CHANGES]
)
def test_another_value_is_another_output(
    places: Path, tmp_path: Path, stage: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    function = registry.find(stage).function
    assert output(function, before, places, tmp_path / "a") == output(
        function, before, places, tmp_path / "b"
    )
    assert output(function, before, places, tmp_path / "c") != output(function, after, places, tmp_path / "d")


@pytest.mark.proves("folders.torchgeo", "dataset source")
def test_another_torchgeo_data_set_is_another_key(tmp_path: Path) -> None:
    """By the key: another class of TorchGeo's wants files of another layout, all of which it checks."""
    for name in ("one", "other"):
        (tmp_path / "suites" / name).mkdir(parents=True)
        (tmp_path / "suites" / name / "file").write_text(name)
    keys = {key_of(tmp_path, dataset=d, source=s) for d in ("EuroSAT", "UCMerced") for s in ("one", "other")}
    assert len(keys) == 4


def key_of(folder: Path, *, dataset: str, source: str) -> str:
    suite = load(
        write_suite(
            folder,
            "suite: toy/sets\nabout: Two data sets of TorchGeo.\nsubject: [parts]\nstages:\n"
            f"  own: {{use: folders.torchgeo, dataset: {dataset}, source: 'path:{source}'}}\n"
            "  parts: {use: folders.split, images: own, held_out: 0.5}\n"
            "  model: {use: land_cover.train, train: parts.train, validation: parts.held_out, weights: null}\n"
            "  predictions: {use: land_cover.predict, classifier: model, images: parts.held_out}\n"
            "metrics:\n  scores: {use: classification.scores, predictions: predictions}\n",
        )
    )
    resolved, _ = suite_sources.resolve(suite, mirror=None, store=Store(folder / "store"), download=False)
    (key,) = keys_of(make(resolved), "own")
    return key


def output(function: Callable[..., Any], bound: dict[str, Any], places: Path, job: Path) -> list[Any]:
    """Everything in the folders of all that a stage returns."""
    given = {**bound, "source": replace(source(places / bound["source"]), text="the same")}
    made = function(**given, job=FolderJob(job))
    sides = [made] if isinstance(made, Artifact) else list(made)
    found = [everything(side) for side in sides]
    assert all(found)
    return found


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small data of every layout, each with a second folder that has other pixels."""
    root = tmp_path_factory.mktemp("places")
    for name, first in (("", 0), (" again", 40)):
        class_folders(root / f"classes{name}", ("lake", f"town{name}"))
        listed(root / f"listed{name}", [colour(first + i) for i in range(2)])
        hub(root / f"hub{name}", first)
        for i, label in enumerate(("lake", "town")):
            raster(root / f"rasters{name}" / label / "0.tif", first + i)
    deep = np.arange(0, 6400, 100, dtype=np.uint16).reshape(8, 8)
    listed(root / "listed deep", [deep, deep])
    parquet(root / "hub deep" / "train-00000-of-00001.parquet", [{"image": png(deep), "captions": "sea"}])
    return root


def listed(root: Path, images: list[np.ndarray]) -> None:
    root.mkdir()
    lines = [f'{{"file_name": "{i}.png", "captions": "scene {i}"}}\n' for i in range(len(images))]
    (root / "metadata.jsonl").write_text("".join(lines))
    for i, pixels in enumerate(images):
        (root / f"{i}.png").write_bytes(png(pixels))


def hub(root: Path, first: int) -> None:
    """RSICD's columns, and a few more that other data sets have."""
    for split, start in (("train", 0), ("valid", 4), ("test", 8)):
        rows = [
            {
                "filename": f"{('pond', 'beach')[i % 2]}_{i}.jpg",
                "captions": [f"scene {i}"],
                "place": f"place {i}",
                "label": ("pond", "beach")[i % 2],
                "image": {"bytes": png(colour(first + i, size=16)), "path": None},
            }
            for i in range(start, start + 4)
        ]
        parquet(root / f"{split}-00000-of-00001.parquet", rows)


def raster(file: Path, index: int) -> None:
    file.parent.mkdir(parents=True)
    shape = {"driver": "GTiff", "count": 3, "height": 8, "width": 8, "dtype": "uint8"}
    with rasterio.open(file, "w", **shape, transform=Affine(10, 0, 5e5, 0, -10, 5e6)) as out:
        out.write(colour(index).transpose(2, 0, 1))
        out.descriptions = BANDS


def words_of(file: Path, test: str) -> set[str]:
    """Names and strings in a test, its decorators, and what of its own module these name."""
    body = ast.parse(file.read_text()).body
    defined: dict[str, Any] = {s.name: s for s in body if isinstance(s, ast.FunctionDef)}
    for s in body:
        target = s.targets[0] if isinstance(s, ast.Assign) else getattr(s, "target", None)
        if isinstance(target, ast.Name):
            defined[target.id] = s
    assert test in defined, f"{file}: no {test}"
    words: set[str] = set()
    function = defined[test]
    function.decorator_list = [d for d in function.decorator_list if "mark.proves" not in ast.unparse(d)]
    waiting: list[ast.stmt] = [function]
    for statement in waiting:
        for node in ast.walk(statement):
            words.update(w for f in ("id", "value", "arg") if isinstance(w := getattr(node, f, None), str))
            if isinstance(node, ast.Name) and isinstance(
                constant := defined.pop(node.id, None), ast.Assign | ast.AnnAssign
            ):
                waiting.append(constant)
    return words
