"""Whatever a stage raises or prints, its task ends with one line and the process goes on."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.artifact import Artifact
from harness.engine.call import Call
from harness.engine.execution import execute
from harness.engine.outcome import CallOutcome, Cause
from harness.errors import StageError
from harness.stage import Scores, Stage


@dataclass(frozen=True, kw_only=True)
class Nothing(Scores):
    """No fields."""


class Unheard:
    """Takes reports and drops them."""

    def progress(self, done: int, total: int, what: str) -> None:
        pass

    def log(self, line: str) -> None:
        pass


def executed(folder: Path, work: Callable[[], object], *, stopped: bool = False) -> CallOutcome:
    def stage_function() -> object:
        work()
        return Nothing()

    stage = Stage("own.work", stage_function, 1, (), {}, {}, {}, {}, takes_job=False)
    (folder / "entry").mkdir(exist_ok=True)
    call = Call("work", "0" * 64, stage, {}, {}, {}, "cpu", folder)
    return execute(call, Unheard(), lambda: stopped)


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
    assert executed(tmp_path, raising(error)).error == says
    assert says in (tmp_path / "log.txt").read_text()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (MemoryError(), "resources"),
        (OSError(28, "No space left on device"), "storage"),
        (BaseExceptionGroup("No space left on device", [Panic()]), "storage"),
        (OSError(5, "Input/output error"), "system"),
        (ValueError("of the work"), "stage"),
    ],
    ids=["memory", "disk", "disk in a group", "file", "work"],
)
def test_the_machine_s_limits_keep_their_meaning(tmp_path: Path, error: BaseException, cause: Cause) -> None:
    outcome = executed(tmp_path, raising(error))
    assert outcome.cause == cause
    assert outcome.keeps_progress == (cause != "stage")


def test_a_folder_that_is_gone_is_no_output(tmp_path: Path) -> None:
    def stage_function() -> Artifact:
        return Artifact(tmp_path / "entry" / "out")

    stage = Stage("own.work", stage_function, 1, (), {}, {}, {"": Artifact}, None, takes_job=False)
    (tmp_path / "entry").mkdir()
    outcome = execute(Call("work", "0" * 64, stage, {}, {}, {}, "cpu", tmp_path), Unheard())
    assert outcome.error is not None
    assert "is gone" in outcome.error


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

    assert executed(tmp_path, work).error is None
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines == ["é \\xff\\x1b[2J"] * 2 + ["by number", "by a child", "by a wrapper"]


def test_a_stage_that_closes_its_streams_ends_all_the_same(tmp_path: Path) -> None:
    def work() -> None:
        sys.stdout.buffer.close()
        sys.stdout.close()
        logging.getLogger("own").error("said to nobody")
        raise ValueError("closed")

    assert executed(tmp_path, work).error == "ValueError: closed"
