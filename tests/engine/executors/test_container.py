"""Tasks in containers: keys are those of the images, and every fault is told before or without loss."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_docker
import pytest
from command_line import ITSELF, TOYS, Said, environment, package
from toy_suites import TOY, changed, write_suite

from harness.engine.executors.container import launch, mounts, variables
from harness.engine.executors.engines import Container, Docker, driver
from harness.engine.images import Image
from harness.errors import UsageError

A, B = (f"h.io/{name}@sha256:{digit * 64}" for name, digit in (("a", "a"), ("b", "b")))
ONE_POINT = changed(
    ("  model.rate: [0.1, 0.2]\n", ""), (", model.rate: 0.1}", "}"), ("[square, absolute]", "[square]")
)
IMAGED = ONE_POINT.replace("subject: [model]", f"subject: [model]\nimage: '{A}'")

Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in the project beside a Docker that has the images A and B."""
    images = {A: ["sha256:" + "1" * 64, A], B: ["sha256:" + "2" * 64, B]}
    other = tmp_path / "other"
    package(
        other,
        "toy",
        (TOYS / "toy.py").read_text().replace("values[:cut], values[cut:]", "values[:cut], values[cut:][:]"),
    )
    path = f"{other}:{ITSELF}"
    docker = fake_docker.install(tmp_path / "docker", images, {B: path})

    def command(*arguments: str | Path, **more: str) -> Said:
        ran = subprocess.run(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=tmp_path,
            env={**environment(), **docker, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(ran.returncode, ran.stdout, ran.stderr)

    return command


def asked(tmp_path: Path) -> list[list[str]]:
    return [json.loads(line) for line in (tmp_path / "docker" / "asked.jsonl").read_text().splitlines()]


def record(tmp_path: Path, out: str) -> Any:
    return json.loads((tmp_path / out / "run.json").read_text())


def test_a_run_in_containers_is_the_run_inline(tmp_path: Path, run: Run) -> None:
    file = write_suite(tmp_path, IMAGED)
    assert run("run", file, "--out", "inline", "--store", "s1").code == 4
    said = run("run", file, "--executor", "container", "--jobs", "2", "--out", "boxed", "--store", "s2")
    assert said.code == 4, said.err
    inline, boxed = record(tmp_path, "inline"), record(tmp_path, "boxed")
    assert [t["key"] for t in boxed["tasks"]] == [t["key"] for t in inline["tasks"]]
    assert [[r["values"] for r in s["repeats"]] for s in boxed["scores"]] == [
        [r["values"] for r in s["repeats"]] for s in inline["scores"]
    ]
    environments = boxed["environments"].values()
    assert {(e["image"], e.get("image_config")) for e in environments if "image" in e} == {
        (A.partition("@")[2], None)
    }
    starts = [a for a in asked(tmp_path) if a[0] == "run"]
    assert [a[-1] for a in starts] == ["identify", "worker", "worker"]
    store = tmp_path / "s2"
    for line in starts[1:]:
        assert {"--network=none", "--read-only", "--pull=never"} <= set(line)
        assert [a for a in line if a.startswith("--mount")] == [
            f"--mount=type=bind,source={store / 'objects'},target={store / 'objects'},readonly",
            f"--mount=type=bind,source={store / 'work'},target={store / 'work'}",
        ]
    assert run("run", file, "--executor", "container", "--out", "again", "--store", "s2").code == 4
    assert [a[-1] for a in asked(tmp_path) if a[0] == "run"] == [
        "identify",
        "worker",
        "worker",
    ]  # probed once


def test_the_code_of_the_image_counts_and_not_that_of_the_host(tmp_path: Path, run: Run) -> None:
    """B holds another ``split``: what follows from it has other keys, what comes before it does not."""
    file = write_suite(tmp_path, IMAGED)
    assert run("run", file, "--executor", "container", "--out", "a").code == 4
    write_suite(tmp_path, IMAGED.replace(A, B))
    assert run("run", file, "--executor", "container", "--out", "b").code == 4
    states = {(t["node"], t["state"]) for t in record(tmp_path, "b")["tasks"]}
    assert states == {
        ("numbers", "cached"),
        ("parts", "executed"),
        ("model", "executed"),
        ("fit", "executed"),
    }


def test_each_stage_in_its_image(tmp_path: Path, run: Run) -> None:
    file = write_suite(tmp_path, IMAGED.replace("epochs: 5}", f"epochs: 5, image: '{B}'}}"))
    said = run("run", file, "--executor", "container", "--out", "two")
    assert said.code == 4, said.err
    workers = [a for a in asked(tmp_path) if a[0] == "run" and a[-1] == "worker"]
    assert {a[-2] for a in workers} == {A, B}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE_POINT, "'numbers' has no image; a run in containers needs 'image' in the suite"),
        (
            IMAGED.replace(A, A.replace("/a@", "/c@")),
            "is not on this machine (docker); 'harness pull SUITE' fetches it",
        ),
        (IMAGED.replace(A, "all"), "image 'all' is not in images.lock; 'harness image lock' writes it"),
        (IMAGED.replace(A, "h.io/a:latest"), "a tag can be moved"),
    ],
)
def test_what_cannot_run_is_said_before_anything_runs(tmp_path: Path, run: Run, text: str, says: str) -> None:
    for command in ("run", "plan"):
        said = run(command, write_suite(tmp_path, text), "--executor", "container")
        assert said.code == 2
        assert says in said.error
    assert not (tmp_path / ".harness" / "objects").exists()


def test_an_image_without_a_stage(tmp_path: Path, run: Run) -> None:
    (tmp_path / "docker" / "paths.json").write_text(json.dumps({A: str(ITSELF)}))
    said = run("run", write_suite(tmp_path, IMAGED), "--executor", "container")
    assert said.code == 2
    assert f"image {A} has no stage toy.draw" in said.error


def test_names_are_pinned_by_the_lock(tmp_path: Path, run: Run) -> None:
    built = "localhost/mine:latest"
    images = {built: ["sha256:" + "3" * 64], A: ["sha256:" + "1" * 64, A]}
    images["sha256:" + "3" * 64] = images[built]
    (tmp_path / "docker" / "images.json").write_text(json.dumps(images))
    write_suite(tmp_path, IMAGED.replace(A, "mine"))
    said = run("image", "lock", f"mine={built}", f"theirs={A}")
    assert said.code == 0, said.err
    assert json.loads((tmp_path / "images.lock").read_text())["images"] == {
        "mine": {"reference": None, "config": "sha256:" + "3" * 64},
        "theirs": {"reference": A, "config": "sha256:" + "1" * 64},
    }
    said = run("run", "suites/suite.yaml", "--executor", "container", "--out", "out")
    assert said.code == 4, said.err
    [environment] = {
        e["image_config"] for e in record(tmp_path, "out")["environments"].values() if "image_config" in e
    }
    assert environment == "sha256:" + "3" * 64
    for wrong, says in (
        ("mine", "expected NAME=IMAGE"),
        ("a/b=c", "expected NAME=IMAGE"),
        ("x=h.io/no", "No such image"),
        ("x=--help", "not the name of an image"),
    ):
        said = run("image", "lock", wrong)
        assert (said.code, says in said.error) == (2, True)
    (tmp_path / "images.lock").write_text("{}")
    assert (
        "not as 'harness image lock' writes it"
        in run("plan", "suites/suite.yaml", "--executor", "container").error
    )


@pytest.mark.parametrize(
    ("reference", "config", "says"),
    [
        ("h.io/a:latest", None, "a tag can be moved"),
        ("a", None, "is not HOST/NAME@sha256"),
        (None, "thin", "is not sha256: and 64 hex digits"),
        (None, None, "neither a reference nor a configuration"),
    ],
)
def test_a_lock_that_does_not_pin_is_refused(
    tmp_path: Path, run: Run, reference: str | None, config: str | None, says: str
) -> None:
    body = {"schema": 1, "images": {"mine": {"reference": reference, "config": config}}}
    (tmp_path / "images.lock").write_text(json.dumps(body))
    said = run("run", write_suite(tmp_path, IMAGED.replace(A, "mine")), "--executor", "container")
    assert (said.code, says in said.error) == (2, True)
    assert not (tmp_path / ".harness" / "objects").exists()


def test_pull_fetches_what_is_not_there(tmp_path: Path, run: Run) -> None:
    new = f"h.io/new@sha256:{'d' * 64}"
    file = write_suite(tmp_path, IMAGED.replace("epochs: 5}", f"epochs: 5, image: '{new}'}}"))
    said = run("pull", file)
    assert (said.code, said.out) == (0, f"{A}: here\n{new}: fetched\n")
    assert "it names no image" in run("pull", write_suite(tmp_path, TOY)).error


def test_containers_of_a_driver_that_is_gone_are_removed(tmp_path: Path, run: Run) -> None:
    import os

    host = os.uname().nodename
    lines = [
        f"dead other=1,harness.driver={host}/999999999/1,more=2",
        f"gone map[harness.driver:{host}/999999999/2 other:1]",
        f"live harness.driver={driver()}",
        "far harness.driver=elsewhere/1/1",
        f"another not.harness.driver={host}/999999999/1",
    ]
    (tmp_path / "docker" / "left.txt").write_text("".join(f"{line}\n" for line in lines))
    assert run("run", write_suite(tmp_path, IMAGED), "--executor", "container", "--out", "out").code == 4
    assert [a[-1] for a in asked(tmp_path) if a[0] == "rm" and not a[-1].startswith("harness-")] == [
        "dead",
        "gone",
    ]


def test_an_end_by_137_is_a_lack_of_memory() -> None:
    limited = launch(Docker(), Container(A, ("harness", "worker"), "n", "d", memory="16g"))
    assert limited.died(137) == "out of memory, or killed (limit 16g)"
    free = launch(Docker(), Container(A, ("harness", "worker"), "n", "d"))
    assert free.died(137) == "out of memory, or killed (no limit set)"
    assert free.died(1) == f"the worker ended with exit code 1 (image {A})"


def test_what_is_mounted(tmp_path: Path) -> None:
    """Links lead out of a source, as in the hub's cache; a path inside another is mounted with it."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "1"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    (blobs / "x").write_text("x")
    (snapshot / "model").symlink_to(blobs / "x")
    assert mounts([snapshot, snapshot / "model"]) == [snapshot, blobs]
    with pytest.raises(UsageError, match="cannot be mounted"):
        mounts([tmp_path / "a,b"])


def test_the_variables_of_a_container() -> None:
    found = variables(
        Image(A, None),
        ("GPU-1", "GPU-2"),
        1,
        {"ATEN_CPU_CAPABILITY": "avx2", "SECRET": "x", "OMP_NUM_THREADS": "3"},
    )
    assert "SECRET" not in found
    assert found["ATEN_CPU_CAPABILITY"] == "avx2"
    assert found["MKL_NUM_THREADS"] == "3"
    assert found["HF_HUB_OFFLINE"] == "1"
    assert found["CUDA_VISIBLE_DEVICES"] == "0,1"
    assert found["HARNESS_IMAGE_DIGEST"] == A.partition("@")[2]


def test_a_source_s_path_needs_no_folder_on_the_way(tmp_path: Path, run: Run) -> None:
    """``path:../data`` is mounted at its own place; the suite's folder is not in the container."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.json").write_text("[1, 2, 3]")
    text = f"suite: x\nimage: '{A}'\nstages:\n  d: {{use: toy.gather, source: 'path:../data'}}\n"
    file = write_suite(tmp_path, text + "metrics:\n  n: {use: toy.size, data: d}\n")
    assert run("run", file, "--executor", "container", "--out", "out").code == 4
    [worker] = [a for a in asked(tmp_path) if a[0] == "run" and a[-1] == "worker"]
    data = tmp_path / "data"
    assert f"--mount=type=bind,source={data},target={data},readonly" in worker


def test_a_link_on_the_way_is_followed_before_the_step_back(tmp_path: Path, run: Run) -> None:
    (tmp_path / "elsewhere" / "suites").mkdir(parents=True)
    (tmp_path / "elsewhere" / "data").mkdir()
    (tmp_path / "elsewhere" / "data" / "a.json").write_text("[1]")
    (tmp_path / "suites").rmdir() if (tmp_path / "suites").exists() else None
    (tmp_path / "suites").symlink_to(tmp_path / "elsewhere" / "suites")
    text = f"suite: x\nimage: '{A}'\nstages:\n  d: {{use: toy.gather, source: 'path:../data'}}\n"
    file = write_suite(tmp_path, text + "metrics:\n  n: {use: toy.size, data: d}\n")
    assert run("run", file, "--executor", "container", "--out", "out").code == 4
    [worker] = [a for a in asked(tmp_path) if a[0] == "run" and a[-1] == "worker"]
    assert any(f"source={tmp_path / 'elsewhere' / 'data'}," in a for a in worker)
