"""How many slots the nodes of a cluster have, what each reserves, and what is refused before a cluster is asked."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command_line import Project
from toy_suites import write_suite

from harness.engine.executors import Ended, Lost, Options
from harness.engine.executors.cluster import Node, Place, nodes, places
from harness.engine.executors.holder import Held, Holder, Written, told
from harness.engine.executors.ray import check_answers, executor, reason
from harness.engine.executors.workers import Death
from harness.engine.outcome import CallOutcome
from harness.errors import UsageError


def node(name: str, cpus: float, gpus: int = 0, memory_gb: float = 64.0) -> Node:
    return Node(name, f"host-{name}", cpus, gpus, memory_gb * 1e9)


def listed(name: str, *, alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "NodeManagerHostname": "h", "Alive": alive, "Resources": resources}


def test_nodes_that_live_and_have_a_processor_count() -> None:
    of = [
        listed("b", CPU=4, GPU=1, memory=8.0),
        listed("a", CPU=2, memory=8.0),
        listed("dead", alive=False, CPU=8),
        listed("head", memory=8.0),
    ]
    assert [(n.id, n.gpus) for n in nodes(of, use_gpus=True)] == [("a", 0), ("b", 1)]
    assert [(n.id, n.gpus) for n in nodes(of, use_gpus=False)] == [("a", 0), ("b", 0)]
    with pytest.raises(UsageError, match="no node of the cluster has a processor"):
        nodes(of[2:], use_gpus=True)


def test_a_slot_for_every_two_cores() -> None:
    found = places([node("a", 8), node("b", 1)], None, 0.0)
    assert [(p.node.id, p.cpus, p.gpus) for p in found] == [("a", 2.0, ())] * 4 + [("b", 1.0, ())]


def test_a_slot_for_each_accelerator_and_one_for_all_of_a_node() -> None:
    found = places([node("a", 16, gpus=2), node("b", 4, gpus=1)], None, 0.0)
    assert [(sorted(p.devices), p.cpus) for p in found] == [
        ([], 5.0),
        (["a/0"], 5.0),
        (["a/1"], 5.0),
        (["a/0", "a/1"], 10.0),
        ([], 2.0),
        (["b/0"], 2.0),
    ]


@pytest.mark.parametrize(("jobs", "counts"), [(1, {"a": 1}), (3, {"a": 2, "b": 1}), (6, {"a": 4, "b": 2})])
def test_jobs_are_shared_out_by_cores(jobs: int, counts: dict[str, int]) -> None:
    found = places([node("a", 8), node("b", 4)], jobs, 0.0)
    assert Counter(p.node.id for p in found) == counts


@pytest.mark.parametrize("jobs", [None, 1, 2, 5, 40])
@pytest.mark.parametrize("memory", [0.0, 10e9, 100e9])
def test_what_may_work_at_the_same_time_fits_its_node(jobs: int | None, memory: float) -> None:
    of = [node("a", 3, gpus=4, memory_gb=32), node("b", 8), node("c", 1, memory_gb=4)]
    found = places(of, jobs, memory)
    assert found
    for one in of:
        for together in ({0, 1}, {0, 4}):  # processors with single accelerators, or with all of them
            held = [p for p in found if p.node == one and len(p.gpus) in together]
            assert sum(p.cpus for p in held) <= one.cpus
            assert sum(len(p.gpus) for p in held) <= one.gpus
            assert sum(p.memory for p in held) <= one.memory


def test_memory_that_no_node_has_is_a_slot_on_the_largest() -> None:
    found = places([node("a", 8, memory_gb=16), node("b", 8, memory_gb=32)], None, 99e9)
    assert [(p.node.id, p.memory) for p in found] == [("b", 32e9)]


def test_how_a_place_is_told() -> None:
    place = Place(node("a", 8), (0, 1), 2.5, 16e9)
    assert str(place) == "2.5 CPUs, 2 GPUs, 16 GB of memory on host-a"
    assert (place.threads, Place(node("a", 8), cpus=0.3).threads) == (2, 1)


@pytest.mark.parametrize(
    "code", [-signal.SIGKILL, -signal.SIGSEGV, 128 + signal.SIGKILL, 128 + signal.SIGTERM]
)
def test_a_worker_that_a_signal_has_ended_is_lost(code: int) -> None:
    assert told(Death("ended", code), "k", "h") == Lost("ended (h)")


@pytest.mark.parametrize("code", [0, 1, 3, 128, 255])
def test_a_worker_that_ended_by_itself_has_failed_its_task(code: int) -> None:
    assert told(Death("ended", code), "k", "h") == Ended(CallOutcome("k", error="ended (h)", cause="stage"))


def test_an_outcome_stays_in_the_store() -> None:
    assert told(CallOutcome("k", error="it broke", cause="stage"), "k", "h") == Written()


def test_a_store_that_a_node_does_not_see(tmp_path: Path) -> None:
    [last] = Holder(Held({})).work(str(tmp_path / "work"), "k", None)
    assert isinstance(last, Ended)
    assert last.outcome.cause == "system"
    says = "is not there; the store must be on a file system that all nodes share (--store or HARNESS_STORE)"
    assert says in str(last.outcome.error)


def test_the_reason_of_a_long_error_is_its_last_line() -> None:
    assert (
        reason(RuntimeError("The actor died.\n\tclass_name: Holder\n\nIts node died.\n")) == "Its node died."
    )
    assert reason(RuntimeError()) == "RuntimeError"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engine.executors.ray.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^--executor ray needs the package ray"):
        executor(Options())


def test_workers_are_inside_of_containers_or_of_nothing() -> None:
    with pytest.raises(UsageError, match="--inside vm: expected container"):
        executor(Options(inside="vm"))


@pytest.mark.parametrize("address", ["here", "ray://host:10001", ":1", "host:port"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="is HOST:PORT, auto or local, not"):
        check_answers(address)


def test_an_address_where_nothing_listens() -> None:
    with pytest.raises(UsageError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        check_answers("127.0.0.1:1")


def test_an_address_is_of_a_cluster(project: Project) -> None:
    file = write_suite(project.folder)
    for arguments, says in (
        (("--address", "h:1"), "--address h:1: inline runs on this machine; --executor ray takes it"),
        (("--address", "h:1", "--jobs", "2"), "--address h:1: local runs on this machine"),
        (("--inside", "container", "--executor", "container"), "--inside container: container runs on this"),
    ):
        said = project.harness("run", file, *arguments)
        assert said.code == 2
        assert says in said.error
    (project.folder / "harness.toml").write_text('address = "h:1"\ninside = "container"\n')
    assert (
        project.harness("plan", file, "--executor", "local").code == 0
    )  # a key is for those that it concerns
