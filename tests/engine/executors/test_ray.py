"""Tasks on a Ray cluster: the results are those of a run inline, whatever is killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_docker
import pytest
import ray_cluster
from command_line import Said, environment, finish, package, start
from ray_cluster import TwoNodes
from toy_suites import TOY, write_suite

STAGES = """
import os, time
from pathlib import Path
from harness.errors import StageError
from harness.stage import Job, Resources, Seed, stage
from toy import Numbers, _write

def _begun(folder: str, seed: int) -> Path:
    (Path(folder) / f"begun.{seed}.{os.getpid()}.{os.getppid()}").touch()
    return Path(folder)

@stage(version=1)
def wait(*, folder: str, seed: Seed = 0, job: Job) -> Numbers:
    here = _begun(folder, seed)
    while not (here / f"go.{seed}").exists():
        time.sleep(0.02)
    return Numbers(_write(job.folder(), [float(seed)]))

@stage(version=1)
def fail(*, folder: str, seed: Seed = 0, job: Job) -> Numbers:
    _begun(folder, seed)
    if seed == 1:
        raise StageError("seed 1 is none of mine")
    return Numbers(_write(job.folder(), [float(seed)]))

@stage(version=1)
def die(*, folder: str, seed: Seed = 0, job: Job) -> Numbers:
    _begun(folder, seed)
    if seed == 1:
        os.kill(os.getpid(), 9)
    return Numbers(_write(job.folder(), [float(seed)]))

@stage(version=1, resources=Resources(gpu="one"))
def see_one(*, seed: Seed = 0, job: Job) -> Numbers:
    return Numbers(_write(job.folder(), [float(n) for n in os.environ["CUDA_VISIBLE_DEVICES"].split(",")]))

@stage(version=1, resources=Resources(gpu="all"))
def see_all(*, seed: Seed = 0, job: Job) -> Numbers:
    return Numbers(_write(job.folder(), [float(n) for n in os.environ["CUDA_VISIBLE_DEVICES"].split(",")]))
"""
IMAGE = f"h.io/all@sha256:{'a' * 64}"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The variables of a cluster's nodes; drivers of this module have them, too."""
    folder = tmp_path_factory.mktemp("ray")
    own = package(folder / "site", "trial", STAGES)
    docker = fake_docker.install(folder / "docker", {IMAGE: ["sha256:" + "1" * 64, IMAGE]})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ray_cluster.variables(folder), **docker}.items():
            patch.setenv(name, value)
        found = environment(own)
        patch.setenv("TRIAL", str(own))
        patch.delenv("COLUMNS", raising=False)  # a log's lines are not broken
        yield found


@pytest.fixture(scope="module")
def cluster(surroundings: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with TwoNodes(surroundings, tmp_path_factory.mktemp("nodes")) as nodes:
        yield nodes


def begin(folder: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return start(folder, "run", "suites/suite.yaml", *arguments, packages=(Path(os.environ["TRIAL"]),))


def suite(folder: Path, stage: str, seeds: int = 2) -> None:
    """A suite of one stage at several seeds."""
    takes = "" if stage.startswith("see") else f", folder: {folder}"
    write_suite(
        folder,
        f"suite: x\nstages:\n  it: {{use: trial.{stage}{takes}}}\nmetrics:\n  n: {{use: toy.size, data: it}}\n"
        f"seeds:\n  it.seed: {list(range(seeds))}\n",
    )


def begun(folder: Path, seed: int) -> list[tuple[int, int]]:
    """Worker and its parent, for each time that the task of a seed was begun."""
    found = sorted(folder.glob(f"begun.{seed}.*"), key=lambda p: p.stat().st_mtime_ns)
    return [(int(p.name.split(".")[2]), int(p.name.split(".")[3])) for p in found]


def await_begun(folder: Path, seed: int, times: int, driver: subprocess.Popen[str]) -> list[tuple[int, int]]:
    while len(begun(folder, seed)) < times:
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.05)
    return begun(folder, seed)


def let_go(folder: Path, seeds: int) -> None:
    for seed in range(seeds):
        (folder / f"go.{seed}").touch()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def record(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())


def values(folder: Path) -> Any:
    return [[r["values"] for r in score["repeats"]] for score in record(folder)["scores"]]


def inline(folder: Path) -> Any:
    """What a run of the same suite in one process gives."""
    said = finish(begin(folder, "--executor", "inline", "--store", "inline-store", "--out", "inline"))
    assert said.code == 4, said.err
    return values(folder / "inline")


def on(cluster: TwoNodes, *more: str) -> tuple[str, ...]:
    return ("--executor", "ray", "--address", cluster.address, "--out", "out", *more)


@pytest.mark.parametrize(
    ("victim", "says"),
    [
        ("worker", "the worker was ended by SIGKILL (often a lack of memory)"),
        ("actor", "the actor on"),
    ],
)
def test_a_worker_or_its_actor_is_killed_and_the_results_are_those_of_a_run_inline(
    tmp_path: Path, cluster: TwoNodes, victim: str, says: str
) -> None:
    suite(tmp_path, "wait", seeds=4)
    driver = begin(tmp_path, *on(cluster, "--store", "store"))
    (tmp_path / "go.0").touch()
    [(worker, actor)] = await_begun(tmp_path, 1, 1, driver)
    os.kill(worker if victim == "worker" else actor, signal.SIGKILL)
    await_begun(tmp_path, 1, 2, driver)
    while is_running(worker):
        time.sleep(0.05)
    let_go(tmp_path, 4)
    said = finish(driver)
    assert said.code == 4, said.err
    assert f"it (seed=1) is begun again, 1 of at most 3 times so far: {says}" in said.err
    assert "raylet" not in said.out + said.err
    assert [len(begun(tmp_path, seed)) for seed in range(4)] == [1, 2, 1, 1]
    assert values(tmp_path / "out") == inline(tmp_path)
    assert not list((tmp_path / "store" / "work").iterdir())


def test_an_actor_that_is_killed_between_two_tasks_is_replaced(tmp_path: Path, cluster: TwoNodes) -> None:
    suite(tmp_path, "wait", seeds=4)
    driver = begin(tmp_path, *on(cluster, "--store", "store"))
    for seed in range(4):
        await_begun(tmp_path, seed, 1, driver)
    (tmp_path / "go.0").touch()
    while len(list((tmp_path / "store" / "objects").glob("*/*/entry.json"))) < 2:  # seed 0, and its size
        time.sleep(0.05)
    [(_, actor)] = begun(tmp_path, 0)
    os.kill(actor, signal.SIGKILL)
    let_go(tmp_path, 4)
    said = finish(driver)
    assert said.code == 4, said.err
    assert "goes elsewhere" not in said.err
    assert [len(begun(tmp_path, seed)) for seed in range(4)] == [1, 1, 1, 1]
    assert values(tmp_path / "out") == inline(tmp_path)


def test_a_task_that_fails_is_not_begun_again(tmp_path: Path, cluster: TwoNodes) -> None:
    suite(tmp_path, "fail")
    said = finish(begin(tmp_path, *on(cluster)))
    assert said.code == 5
    assert "it (seed=1): seed 1 is none of mine" in said.err
    assert len(begun(tmp_path, 1)) == 1


def test_a_worker_that_is_killed_every_time_fails_its_task_in_the_end(
    tmp_path: Path, cluster: TwoNodes
) -> None:
    suite(tmp_path, "die")
    said = finish(begin(tmp_path, *on(cluster)))
    assert said.code == 5
    assert "it (seed=1): the worker was ended by SIGKILL (often a lack of memory) (" in said.err
    assert "; begun 3 times" in said.err
    assert len(begun(tmp_path, 1)) == 3
    assert len(begun(tmp_path, 0)) == 1


def test_a_signal_ends_the_run_and_its_actors(tmp_path: Path, cluster: TwoNodes) -> None:
    suite(tmp_path, "wait", seeds=2)
    driver = begin(tmp_path, *on(cluster))
    [(worker, actor)] = await_begun(tmp_path, 1, 1, driver)
    driver.send_signal(signal.SIGTERM)
    said = finish(driver)
    assert said.code == 128 + signal.SIGTERM
    assert said.err.splitlines()[-1].startswith("harness: terminated; what is finished is kept")
    while is_running(worker) or is_running(actor):
        time.sleep(0.05)


def test_actors_end_with_their_driver_and_the_run_goes_on_from_there(
    tmp_path: Path, cluster: TwoNodes
) -> None:
    suite(tmp_path, "wait", seeds=2)
    driver = begin(tmp_path, *on(cluster))
    (tmp_path / "go.0").touch()
    [(worker, actor)] = await_begun(tmp_path, 1, 1, driver)
    driver.kill()
    driver.communicate()
    while is_running(worker) or is_running(actor):
        time.sleep(0.05)
    let_go(tmp_path, 2)
    said = finish(begin(tmp_path, *on(cluster)))
    assert said.code == 4, said.err
    assert len(begun(tmp_path, 1)) == 2
    assert values(tmp_path / "out") == inline(tmp_path)


def test_the_accelerators_of_a_task_are_those_that_ray_gives_it(tmp_path: Path, cluster: TwoNodes) -> None:
    """The second node has two: for one task each, or both for one; the reservations of idle actors are no obstacle."""
    write_suite(
        tmp_path,
        "suite: x\nstages:\n  a: {use: trial.see_one}\n  b: {use: trial.see_all}\n"
        "metrics:\n  n: {use: toy.size, data: a}\n  m: {use: toy.size, data: b}\n"
        "seeds:\n  a.seed: [0, 1, 2]\n  b.seed: [0, 1, 2]\n",
    )
    said = finish(begin(tmp_path, *on(cluster)))
    assert said.code == 4, said.err
    scores = record(tmp_path / "out")["scores"]
    sizes = {s["metric"]: [list(r["values"].values()) for r in s["repeats"]] for s in scores}
    assert sizes == {"n": [[1.0]] * 3, "m": [[2.0]] * 3}


def test_workers_in_containers_run_the_stages_of_their_images(tmp_path: Path, cluster: TwoNodes) -> None:
    write_suite(tmp_path, TOY.replace("subject: [model]", f"subject: [model]\nimage: '{IMAGE}'"))
    said = finish(begin(tmp_path, *on(cluster, "--inside", "container")))
    assert said.code == 4, said.err
    assert values(tmp_path / "out") == inline(tmp_path)
    images = {e.get("image") for e in record(tmp_path / "out")["environments"].values()}
    assert IMAGE.partition("@")[2] in images


def test_without_a_cluster_one_is_started_here_and_ends_with_the_run(
    tmp_path: Path, surroundings: dict[str, str]
) -> None:
    suite(tmp_path, "fail", seeds=1)
    said = finish(begin(tmp_path, "--executor", "ray", "--jobs", "1", "--out", "out"))
    assert said.code == 4, said.err
    [(worker, actor)] = begun(tmp_path, 0)
    assert not is_running(worker)
    while is_running(actor):
        time.sleep(0.05)
    assert said.err.count("\n") == 2  # a line for each task, and none of Ray's


def test_a_node_is_lost_and_the_others_go_on(tmp_path: Path, surroundings: dict[str, str]) -> None:
    (tmp_path / "nodes").mkdir()
    suite(tmp_path, "wait", seeds=4)
    with TwoNodes(surroundings, tmp_path / "nodes") as cluster:
        driver = begin(tmp_path, *on(cluster))
        for seed in range(4):  # the four slots: one on the head, three on the second node
            await_begun(tmp_path, seed, 1, driver)
        workers = [begun(tmp_path, seed)[0][0] for seed in range(4)]
        cluster.lose_a_node()
        while sum(map(is_running, workers)) > 1:
            time.sleep(0.05)
        let_go(tmp_path, 4)
        said = finish(driver)
    assert said.code == 4, said.err
    assert said.err.count("is begun again, 1 of at most 3 times so far: the actor on") == 3
    assert "goes elsewhere: no room for" in said.err
    assert values(tmp_path / "out") == inline(tmp_path)


def test_a_token_that_is_not_the_cluster_s(
    tmp_path: Path, cluster: TwoNodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite(tmp_path, "fail", seeds=1)
    (tmp_path / "token").write_text("f" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    said: Said = finish(begin(tmp_path, *on(cluster)))
    assert said.code == 2
    assert "cannot be used" in said.err.splitlines()[-1]
    assert "(its token and its version of Ray must be ours)" in said.err.splitlines()[-1]
    assert not begun(tmp_path, 0)
