"""What was read and what ran is what the key says."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from planting import Answer, Bench, situation, threshold

FILE = """\
suite: planted/file
about: Texts from a folder.
subject: [texts]
stages:
  texts: {use: corpus.read, source: "path:../texts"}
  chunks: {use: corpus.chunk, corpus: texts, characters: 40}
  parts: {use: corpus.split, corpus: chunks, held_out: 0.5, by: row}
metrics:
  shared: {use: overlap.ngrams, train: parts.train, held_out: parts.held_out, n: 2}
"""

OWN = '''
"""A stage of another package, and its helper."""

import time
from pathlib import Path

from harness.artifact import Artifact
from harness.stage import Higher, Job, Scores, stage
from dataclasses import dataclass
from owned_helper import value


class Value(Artifact):
    """``value.txt``."""


@stage(version=1)
def make(*, job: Job) -> Value:
    """A value."""
    folder = job.folder()
    (folder / "value.txt").write_text(str(value()))
    edit = Path("edit-now")
    if edit.exists():
        edit.unlink()
        helper = Path(__file__).with_name("owned_helper.py")
        helper.write_text(helper.read_text().replace("0.5", "0.9"))
    return Value(folder)


@dataclass(frozen=True, kw_only=True)
class Read(Scores):
    value: Higher


@stage(version=1)
def read(made: Value) -> Read:
    """The value."""
    return Read(value=float((made.path / "value.txt").read_text()))
'''

HELPER = '''
"""Of the stage's own package."""


def value() -> float:
    """A number."""
    return 0.5
'''

SUITE = """\
suite: planted/owned
about: A stage of another package.
subject: [made]
stages:
  made: {use: owned.make}
metrics:
  read: {use: owned.read, made: made}
gate:
  read.value: 0.1
"""


def _archive(path: Path, words: str) -> None:
    """One text file with a fixed time; two archives differ in the words alone."""
    with tarfile.open(path, "w") as out:
        info = tarfile.TarInfo("texts/a.txt")
        body = (words * 60).encode()
        info.size, info.mtime = len(body), 1_700_000_000
        out.addfile(info, BytesIO(body))


@situation("two archives of one name, size and time are unpacked over one another", "the new words are read")
def _(bench: Bench) -> Answer:
    _archive(bench.folder / "v1.tar", "The river is wide. ")
    _archive(bench.folder / "v2.tar", "The field is flat. ")
    states = []
    for version in ("v1", "v2"):
        with tarfile.open(bench.folder / f"{version}.tar") as archive:
            archive.extractall(bench.folder, filter="data")
        bench.harness("run", bench.suite(FILE), "--out", version)
        states.append(_state(bench, version, "texts"))
    fresh = states == ["executed", "executed"]
    return Answer(
        "the new words are read" if fresh else "served from the cache", "a cache by time and size: stale"
    )


def _state(bench: Bench, run: str, node: str) -> str:
    record = json.loads((bench.folder / run / "run.json").read_text())
    return str(next(t["state"] for t in record["tasks"] if t["node"] == node))


@situation("a file is added to the data while an earlier stage runs", "exit code 5, nothing stored")
def _(bench: Bench) -> Answer:
    folder = bench.folder / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("The river is wide. " * 60)
    text = (
        FILE.replace("  texts: {", '  first: {use: planted.write, path: "texts/b.txt"}\n  texts: {')
        .replace("metrics:\n", "metrics:\n  wrote: {use: planted.worth, model: first}\n")
        .replace("subject: [texts]", "subject: [texts, first]")
    )
    ran = bench.harness("run", bench.suite(text), "--out", "run")
    tasks = json.loads((bench.folder / "run" / "run.json").read_text())["tasks"]
    state = next(t["state"] for t in tasks if t["node"] == "texts")
    told = f"exit code {ran.code}, {'nothing stored' if state == 'failed' else state}"
    return Answer(told, "no other tool asked looks again")


@situation("a.tif is a virtual raster that names a file outside the data", "refused in one line")
def _(bench: Bench) -> Answer:
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    inside = bench.folder / "rasters" / "water"
    inside.mkdir(parents=True)
    outside = bench.folder / "secret.tif"
    profile = {"driver": "GTiff", "width": 32, "height": 32, "count": 3, "dtype": "uint8"}
    with rasterio.open(outside, "w", transform=from_origin(0, 0, 1, 1), **profile) as out:
        out.write(np.full((3, 32, 32), 90, dtype=np.uint8))
    forest = bench.folder / "rasters" / "forest"
    forest.mkdir()
    shutil.copy(outside, forest / "b.tif")
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{b}"><SimpleSource><SourceFilename relativeToVRT="0">{outside}'
        f"</SourceFilename><SourceBand>{b}</SourceBand></SimpleSource></VRTRasterBand>"
        for b in (1, 2, 3)
    )
    (inside / "a.tif").write_text(f'<VRTDataset rasterXSize="32" rasterYSize="32">{bands}</VRTDataset>')
    text = (
        "suite: planted/rasters\nabout: Rasters.\nsubject: [tiles]\nstages:\n"
        '  tiles: {use: folders.geotiff, source: "path:../rasters", bands: [red, green, blue], '
        "order: [red, green, blue], scale: [0, 255]}\n"
        "  looks: {use: planted.look, images: tiles}\n"
        "metrics:\n  manifold: {use: kernel.distance, real: looks, generated: looks}\n"
    )
    ran = bench.harness("run", bench.suite(text), "--out", "run")
    lines = [line for line in ran.out.splitlines() + ran.err.splitlines() if "a.tif" in line]
    refused = ran.code == 5 and lines and str(outside) not in ran.out + ran.err
    return Answer("refused in one line" if refused else f"exit code {ran.code}", "rasterio by itself: read")


def _owned(bench: Bench) -> Path:
    """Another author's package with a helper module, found by its entry point."""
    home = bench.folder / "package"
    info = home / "owned-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: owned\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.stages]\nowned = owned.stages\n")
    package = home / "owned"
    package.mkdir()
    (package / "__init__.py").write_text('"""A package of its own."""\n')
    (package / "stages.py").write_text(OWN.replace("from owned_helper", "from owned.owned_helper"))
    (package / "owned_helper.py").write_text(HELPER)
    return home


def _run_owned(bench: Bench, home: Path, out: str) -> tuple[int, str]:
    process = bench.start("run", bench.suite(SUITE), "--out", out, PYTHONPATH=str(home))
    _, err = process.communicate(timeout=300)
    return int(process.returncode), err


@situation("a helper of a stage is edited", "executed again")
def _(bench: Bench) -> Answer:
    home = _owned(bench)
    _run_owned(bench, home, "one")
    helper = home / "owned" / "owned_helper.py"
    helper.write_text(helper.read_text().replace("0.5", "0.7"))
    _run_owned(bench, home, "two")
    return Answer(f"{_state(bench, 'two', 'made')} again", "a key of name and parameters: cached")


@situation("a comment and a docstring of it are edited", "cached")
def _(bench: Bench) -> Answer:
    home = _owned(bench)
    _run_owned(bench, home, "one")
    helper = home / "owned" / "owned_helper.py"
    helper.write_text(helper.read_text().replace("A number.", "Half.") + "\n# a comment\n")
    _run_owned(bench, home, "two")
    return Answer(_state(bench, "two", "made"), "a key of the file's bytes: executed again")


@situation("a helper of a stage is edited while it runs", "exit code 5, nothing stored")
def _(bench: Bench) -> Answer:
    home = _owned(bench)
    (bench.folder / "edit-now").write_text("")
    code, _ = _run_owned(bench, home, "one")
    state = _state(bench, "one", "made")
    return Answer(
        f"exit code {code}, {'nothing stored' if state == 'failed' else state}",
        "no other tool asked looks again",
    )


@situation("a metric's code is edited beside the model, under --baseline-ref", "incomparable")
def _(bench: Bench) -> Answer:
    home = _owned(bench)
    package = home / "owned"
    stages = package / "stages.py"
    stages.write_text(stages.read_text().replace("return Read(value=", "return Read(value=1.0 * "))
    assert _run_owned(bench, home, "one")[0] == 4
    accepted = bench.start("accept", "one", "--reason", "planted", PYTHONPATH=str(home))
    assert accepted.wait(timeout=300) == 0, accepted.communicate()
    for arguments in (["init", "-q"], ["add", "suites", "baselines"], ["commit", "-qm", "base"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=bench.folder, check=True)
    helper = package / "owned_helper.py"
    helper.write_text(helper.read_text().replace("0.5", "0.4"))
    stages.write_text(stages.read_text().replace("1.0 *", "2.0 *"))
    process = bench.start(
        "run", bench.suite(SUITE), "--baseline-ref", "HEAD", "--out", "two", PYTHONPATH=str(home)
    )
    process.communicate(timeout=300)
    compared = json.loads((bench.folder / "two" / "run.json").read_text())["comparison"]
    (found,) = [f for f in compared["findings"] if f["gated"]]
    change = found["estimate"]["candidate"] - found["estimate"]["baseline"]
    return Answer(found["verdict"], f"a threshold: {threshold(change, 0.1)}")
