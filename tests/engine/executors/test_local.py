"""Several tasks at a time give what one at a time gives; a worker that dies fails its task and is replaced."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import Project, Said, finish, package, start
from toy_suites import TOY, changed, write_suite

from harness.engine.executors.local import accelerators, launch, listed
from harness.engine.executors.workers import died

DYING = """
import os, signal
from harness.stage import Count, Job, Seed, stage
from toy import Numbers, _write
@stage(version=1)
def make(*, sign: Count, seed: Seed = 0, job: Job) -> Numbers:
    (job.scratch / "so-far").touch()
    if seed == 1:
        os.kill(os.getpid(), sign)
    return Numbers(_write(job.folder(), [float(seed)]))
"""


GATED = """
import time
from pathlib import Path
from harness.stage import Job, Seed, stage
from toy import Numbers, _write
@stage(version=1)
def make(*, seed: Seed = 0, job: Job) -> Numbers:
    gate = Path.cwd() / "gate"
    (gate / f"begun-{seed}").touch()
    while not (gate / str(seed)).exists():
        time.sleep(0.02)
    return Numbers(_write(job.folder(), [float(seed)]))
"""


def run(folder: Path, *arguments: str | Path, packages: tuple[Path, ...] = ()) -> Said:
    return finish(start(folder, "run", folder / "suites" / "suite.yaml", *arguments, packages=packages))


def scores(folder: Path) -> Any:
    return json.loads((folder / "run.json").read_text())["scores"]


def without_environments(found: Any) -> Any:
    return [
        {**s, "repeats": [{n: v for n, v in r.items() if n != "environments"} for r in s["repeats"]]}
        for s in found
    ]


def test_the_number_of_workers_changes_no_result(tmp_path: Path) -> None:
    write_suite(tmp_path)
    for name, jobs in (
        ("one", []),
        ("two", ["--jobs", "2"]),
        ("three", ["--executor", "local", "--jobs", "3"]),
    ):
        said = run(tmp_path, *jobs, "--store", tmp_path / f"store-{name}", "--out", tmp_path / name)
        assert said.code == 4, said.err  # no baseline
    assert len(scores(tmp_path / "one")) == 4
    for name in ("two", "three"):
        assert without_environments(scores(tmp_path / name)) == without_environments(scores(tmp_path / "one"))
    tasks = json.loads((tmp_path / "two" / "run.json").read_text())["tasks"]
    assert {t["state"] for t in tasks} == {"executed"}


@pytest.mark.parametrize(("sign", "says"), [(9, "SIGKILL (often a lack of memory)"), (11, "SIGSEGV")])
def test_a_worker_that_dies_fails_its_task_and_is_replaced(tmp_path: Path, sign: int, says: str) -> None:
    own = package(tmp_path / "site", "dying", DYING)
    text = (
        f"suite: x\nstages:\n  it: {{use: dying.make, sign: {sign}}}\nmetrics:\n  n: {{use: toy.size, data: it}}\n"
        "seeds:\n  it.seed: [0, 1, 2, 3]\n"
    )
    write_suite(tmp_path, text)
    said = run(tmp_path, "--jobs", "1", "--executor", "local", "--out", tmp_path / "out", packages=(own,))
    assert said.code == 5
    assert f"it (seed=1): the worker was ended by {says}" in said.err
    tasks = json.loads((tmp_path / "out" / "run.json").read_text())["tasks"]
    states = {(t["node"], t["seeds"]["it.seed"]): t["state"] for t in tasks}
    assert [states["it", seed] for seed in range(4)] == ["executed", "failed", "executed", "executed"]
    assert [states["n", seed] for seed in range(4)] == ["executed", "skipped", "executed", "executed"]
    kept = list((tmp_path / ".harness" / "work").glob("*/scratch/so-far"))
    assert len(kept) == (1 if sign == 9 else 0)  # a lack of memory is not the fault of the work


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists the children of a process")
@pytest.mark.parametrize("begun", [1, 2, 4])
def test_a_killed_driver_takes_its_workers_along_and_the_run_goes_on_from_there(
    tmp_path: Path, begun: int
) -> None:
    """The driver is killed when this many tasks have begun. Nothing that was finished is made again."""
    own = package(tmp_path / "site", "gated", GATED)
    text = (
        "suite: x\nstages:\n  it: {use: gated.make}\nmetrics:\n  n: {use: toy.size, data: it}\n"
        "seeds:\n  it.seed: [0, 1, 2, 3, 4, 5]\n"
    )
    file = write_suite(tmp_path, text)
    gate = tmp_path / "gate"
    gate.mkdir()
    for seed in range(begun - 1):
        (gate / str(seed)).touch()  # the tasks before the last one that has begun can finish
    driver = start(tmp_path, "run", file, "--jobs", "2", packages=(own,))
    while len(list(gate.glob("begun-*"))) < begun:
        assert driver.poll() is None
        time.sleep(0.02)
    workers = children(driver.pid)
    driver.kill()
    driver.wait()
    while any(map(is_running, workers)):
        time.sleep(0.02)
    for seed in range(6):
        (gate / str(seed)).touch()
    before = {p.name for p in (tmp_path / ".harness" / "objects").glob("*/*")}
    said = run(tmp_path, "--jobs", "2", "--out", tmp_path / "out", packages=(own,))
    assert said.code == 4, said.err
    tasks = json.loads((tmp_path / "out" / "run.json").read_text())["tasks"]
    assert {t["key"] for t in tasks if t["state"] == "cached"} == before
    assert len(scores(tmp_path / "out")[0]["repeats"]) == 6
    assert not list((tmp_path / ".harness" / "work").iterdir())


def test_two_drivers_on_one_store_make_no_task_twice(tmp_path: Path) -> None:
    """Each has two workers. The tasks are held until both drivers have begun all that they can."""
    own = package(tmp_path / "site", "gated", GATED.replace("touch()", "open('a').write('x')"))
    text = (
        "suite: x\nstages:\n  it: {use: gated.make}\nmetrics:\n  n: {use: toy.size, data: it}\n"
        "seeds:\n  it.seed: [0, 1, 2, 3, 4, 5, 6, 7]\n"
    )
    file = write_suite(tmp_path, text)
    gate = tmp_path / "gate"
    gate.mkdir()
    drivers = [
        start(tmp_path, "run", file, "--jobs", "2", "--out", out, packages=(own,)) for out in ("one", "two")
    ]
    while len(list(gate.glob("begun-*"))) < 4:
        assert all(driver.poll() is None for driver in drivers)
        time.sleep(0.02)
    for seed in range(8):
        (gate / str(seed)).touch()
    assert [finish(driver).code for driver in drivers] == [4, 4]
    assert [(gate / f"begun-{seed}").read_text() for seed in range(8)] == ["x"] * 8
    records = [json.loads((tmp_path / out / "run.json").read_text()) for out in ("one", "two")]
    made = [t["key"] for r in records for t in r["tasks"] if t["state"] == "executed"]
    assert sorted(made) == sorted({t["key"] for t in records[0]["tasks"]})
    assert [[r["values"] for r in record["scores"][0]["repeats"]] for record in records] == [
        [{"numbers": 1.0}] * 8
    ] * 2


def test_the_executor_of_a_project(tmp_path: Path) -> None:
    write_suite(tmp_path, changed(("[square, absolute]", "[square]")))
    for text, says in (
        (
            'executor = "lokal"',
            "--executor lokal: none of container, inline, local, ray; did you mean 'local'?",
        ),
        ("executor = 3", "executor: expected a text, not 3"),
        ("jobs = 0", "jobs: expected a whole number, at least 1, not 0"),
        (
            'executer = "local"',
            "unknown key 'executer'; expected executor, jobs, engine, memory, address, inside; did you mean "
            "'executor'?",
        ),
        ("executor =", "not TOML"),
        ('engine = "poodman"', "engine 'poodman': none of docker, podman, apptainer; did you mean 'podman'?"),
        ('memory = "16x"', "memory: expected an amount such as 16g, not '16x'"),
        ('memory = "g"', "memory: expected an amount such as 16g, not 'g'"),
        ('executor = "inline"\njobs = 2', "inline runs one task at a time"),
    ):
        (tmp_path / "harness.toml").write_text(text)
        said = run(tmp_path)
        assert said.code == 2
        assert says in said.error
    (tmp_path / "harness.toml").write_text('executor = "local"\njobs = 2\nmemory = "16G"\n')
    assert run(tmp_path).code == 4
    (tmp_path / "harness.toml").rename(tmp_path / "other.toml")
    (tmp_path / "harness.toml").symlink_to("gone.toml")
    assert run(tmp_path).code == 2, "a link to nothing is not the absence of settings"


def test_the_devices_of_workers() -> None:
    gpus = "GPU 0: NVIDIA H200 (UUID: GPU-aa-1)\nGPU 1: NVIDIA H200 (UUID: GPU-bb-2)\n"
    assert listed(gpus) == ["GPU-aa-1", "GPU-bb-2"]
    sliced = gpus.replace(
        "\nGPU 1",
        "\n  MIG 3g.71gb Device 0: (UUID: MIG-cc-3)\n  MIG 3g.71gb Device 1: (UUID: MIG-dd-4)\nGPU 1",
    )
    assert listed(sliced) == ["MIG-cc-3", "MIG-dd-4", "GPU-bb-2"]
    assert accelerators({"CUDA_VISIBLE_DEVICES": "0, MIG-cc-3"}) == ["0", "MIG-cc-3"]
    assert accelerators({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert accelerators({"CUDA_VISIBLE_DEVICES": "0", "HARNESS_DEVICE": "cpu"}) == []


def test_workers_share_the_cores_unless_the_user_has_said_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engine.executors.local.cores", lambda: 8)
    assert launch({}, (), 2).environment["OMP_NUM_THREADS"] == "4"
    assert launch({}, ("GPU-aa-1",), 16).environment["MKL_NUM_THREADS"] == "1"
    assert launch({"OMP_NUM_THREADS": "3"}, (), 2).environment["OPENBLAS_NUM_THREADS"] == "3"
    assert launch({}, ("a", "b"), 1).environment["CUDA_VISIBLE_DEVICES"] == "a,b"


def test_how_an_end_is_told() -> None:
    assert died(3) == "the worker ended with exit code 3"
    assert died(-9) == "the worker was ended by SIGKILL (often a lack of memory)"
    assert died(-250) == "the worker was ended by signal 250"


@pytest.mark.parametrize("jobs", ["0", "-1"])
def test_there_is_at_least_one_job(project: Project, jobs: str) -> None:
    said = project.harness("run", write_suite(project.folder, TOY), "--executor", "local", "--jobs", jobs)
    assert (said.code, f"{jobs} is less than 1" in said.err) == (2, True)
    assert not (project.folder / ".harness").exists()
