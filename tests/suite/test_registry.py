"""Stage names lead to stages: built-in ones, and those of other packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.suite.registry import all_stages, find


def test_another_packages_stage_is_found_by_its_entry_point() -> None:
    stage = find("toy.train")
    assert stage.name == "toy.train"
    assert list(stage.inputs) == ["data", "start"]
    assert not stage.is_metric
    assert find("toy.measure").is_metric


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy.trian", "no stage 'toy.trian'; 'toy' has .*; did you mean 'toy.train'?"),
        ("tyo.train", "no stage 'tyo.train', for there is no module 'tyo'; did you mean 'toy.train'?"),
        ("train", "'train' is not of the form module.function"),
        ("toy.train.x", "'toy.train.x' is not of the form module.function"),
        ("toy.Count", "no stage 'toy.Count'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        find(name)


def test_all_stages_are_listed_once_and_by_name() -> None:
    names = [s.name for s in all_stages()]
    assert {"toy.draw", "toy.measure"} <= set(names)
    assert names == sorted(set(names))


def package(folder: Path, name: str, module: str, code: str, word: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[harness.stages]\n{word} = {module}\n")
    (folder / f"{module}.py").write_text(code)


COUNT = """
from harness.artifact import Images
from harness.stage import stage
@stage(version=1)
def keep(images: Images) -> Images:
    return images
again = keep
"""


def test_a_module_may_have_another_name_than_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "sharpness", "sharpness_stages_under_test", COUNT, "sharp")
    monkeypatch.syspath_prepend(tmp_path)
    assert find("sharp.keep").name == "sharp.keep"
    assert [s.name for s in all_stages() if s.name.startswith("sharp.")] == ["sharp.keep"]


def test_two_packages_with_one_word_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "other-toys", "other_toys_under_test", COUNT, "toy")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"(?=.*toy-harness)(?=.*other-toys).*'toy\.…'"):
        find("toy.train")


def test_a_package_that_does_not_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "torn", "torn_under_test", "import no_such_package_anywhere", "torn")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=r"of torn: torn_under_test does not import: .*no_such_package"):
        find("torn.x")


def test_finding_a_stage_imports_its_module_alone() -> None:
    script = (
        "import sys; from harness.suite.registry import find; find('toy.train');"
        "ours = ('harness.stages.data.', 'harness.stages.systems.', 'harness.stages.metrics.');"
        "toys_own = ('harness.sources.content', 'harness.sources.hub');"
        "heavy = ('torch', 'pandas', 'numpy');"
        "print([m for m in sys.modules if m.startswith(ours) and m not in toys_own or m in heavy])"
    )
    toys = str(Path(__file__).parents[1] / "toy_package")
    answer = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": toys}, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
