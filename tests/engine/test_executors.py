"""Whatever a stage raises or prints, its task ends with one line, and nothing of it stays in the process."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import os
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.engine import executors
from harness.engine.executors import Call, Executed, LocalExecutor
from harness.errors import HarnessError, ResourceError, StageError, StoreError
from harness.stage import Higher, Scores, Stage


def executed(folder: Path, work: Callable[[], object], *, stopped: bool = False) -> Executed:
    stage = Stage("own.work", work, 1, (), {}, {}, {}, {}, takes_job=False)
    return LocalExecutor(lambda: stopped).execute(Call(stage, {}, {}, folder), lambda done, total, what: None)


def raising(error: BaseException) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


class Panic(BaseException):
    """As extensions in Rust raise it."""


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class Worse(BaseException):
    def __str__(self) -> str:
        raise Panic


class MuteStageError(StageError):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (RuntimeError("one\ntwo"), "RuntimeError: one"),
        (SystemExit(3), "SystemExit: 3"),
        (SystemExit(), "SystemExit"),
        (asyncio.CancelledError(), "CancelledError"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseExceptionGroup("several", [Panic()]), "BaseExceptionGroup: several (1 sub-exception)"),
        (Panic("index out of bounds"), "Panic: index out of bounds"),
        (MuteError(), "MuteError"),
        (Worse(), "Worse"),
        (MuteStageError(), "MuteStageError"),
        (StageError("no images"), "no images"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_any_exception_fails_the_task_in_a_line(tmp_path: Path, error: BaseException, says: str) -> None:
    with pytest.raises(StageError) as failed:
        executed(tmp_path, raising(error))
    assert str(failed.value) == says
    assert says in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), ResourceError),
        (OSError(28, "No space left on device"), StoreError),
        (BaseExceptionGroup("No space left on device", [Panic()]), StoreError),
    ],
    ids=["memory", "disk", "disk in a group"],
)
def test_the_machine_s_limits_keep_their_meaning(
    tmp_path: Path, error: BaseException, kind: type[HarnessError]
) -> None:
    with pytest.raises(kind):
        executed(tmp_path, raising(error))


def test_a_signal_is_no_failure_of_the_task(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        executed(tmp_path, raising(KeyboardInterrupt()))
    for error in (SystemExit(1), asyncio.CancelledError(), BaseExceptionGroup("g", [KeyboardInterrupt()])):
        with pytest.raises(KeyboardInterrupt):
            executed(tmp_path, raising(error), stopped=True)


def test_the_log_is_used_as_libraries_use_the_streams(tmp_path: Path) -> None:
    def work() -> None:
        for stream in (sys.stdout, sys.stderr):
            stream.buffer.write("é".encode()[:1])
            stream.buffer.write(memoryview("é".encode()[1:]))
            stream.buffer.write(b" \xff\x1b[2J\n")
            stream.buffer.flush()
            assert stream.encoding == "utf-8"
            assert "?".encode(stream.encoding, stream.errors) == b"?"
            assert not stream.isatty()
            assert not stream.buffer.isatty()
            assert stream.writable()
            assert not stream.readable()
            assert stream.fileno() == stream.buffer.fileno() > 2
            assert (stream.line_buffering, stream.mode, stream.newlines) == (True, "w", None)
            assert isinstance(stream.name, str)
            stream.reconfigure(line_buffering=True, errors="replace")
            with pytest.raises(io.UnsupportedOperation):
                stream.detach()
            with pytest.raises(TypeError, match="must be str, not bytes"):
                stream.write(b"bytes")
        os.write(sys.stdout.fileno(), b"by number\n")
        subprocess.run([sys.executable, "-c", "print('by a child')"], stdout=sys.stdout, check=True)
        io.TextIOWrapper(sys.stdout.buffer, "utf-8", write_through=True).write("by a wrapper\n")

    executed(tmp_path, work)
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines == ["é \\xff\\x1b[2J"] * 2 + ["by number", "by a child", "by a wrapper"]


def test_a_stage_that_closes_its_streams_ends_all_the_same(tmp_path: Path) -> None:
    def work() -> None:
        sys.stdout.buffer.close()
        sys.stdout.close()
        logging.getLogger("own").error("said to nobody")
        raise ValueError("closed")

    with pytest.raises(StageError, match="ValueError: closed"):
        executed(tmp_path, work)


KEPT: list[weakref.ref[Trainer]] = []


class Trainer:
    """Refers to itself, as a trainer does by way of its loops and its network."""

    def __init__(self) -> None:
        self.itself = self


@dataclass(frozen=True, kw_only=True)
class Accuracy(Scores):
    accuracy: Higher


def train() -> Accuracy:
    KEPT.append(weakref.ref(Trainer()))
    return Accuracy(accuracy=0.5)


@pytest.fixture
def seldom() -> Iterator[None]:
    """The collector does not look by itself."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize(("long_s", "gone"), [(0.0, True), (3600.0, False)])
def test_circles_are_collected_after_a_long_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seldom: None, long_s: float, gone: bool
) -> None:
    monkeypatch.setattr(executors, "LONG_S", long_s)
    stage = Stage("trained.train", train, 1, (), {}, {}, {}, {}, takes_job=False)
    executed = executors.LocalExecutor().execute(
        Call(stage, {}, {}, tmp_path), lambda done, total, what: None
    )
    assert executed.returned.accuracy == 0.5
    assert (KEPT[-1]() is None) == gone


FRAGMENTS = """
import gc, os
from harness.engine.executors import release

def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

class Node:
    pass

gc.disable()
kept = []
before = held()
for _ in range(5_000):
    one, other = Node(), Node()
    one.other, other.one, one.block = other, one, b"x" * 40_000
    kept.append(bytes(600))  # stays, between the blocks
del one, other
full = held() - before
release()
print(full, held() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux says what a process holds")
def test_circles_and_the_gaps_that_they_leave_are_returned_to_the_system() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FRAGMENTS], capture_output=True, text=True, check=True
    ).stdout
    full, left = map(int, said.split())
    assert full > 190_000_000
    assert left < 0.25 * full
