"""Kill accept, extend and rescore at every step that changes a file: the old or the new baseline must be there.

    python scripts/trust/baseline_kills.py

Prints one JSON line: per command how many kills there were, how many left the old and the new baseline, and how many
something that is refused (``torn``, which must be 0) or that the next acceptance did not clean up (``left``, likewise).
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import BASELINE, SUITE, ended, expect, forked, harness, project, restore, say, silently

_CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree"}


def kill_at(number: int, below: Path) -> None:
    """End this process before its ``number``-th change below a folder, or call that waits for the disk or a lock."""
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES and str(arguments[0]).startswith(str(below)):
            count()

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(handle: int, *rest: Any) -> Any:
            if os.readlink(f"/proc/self/fd/{handle}").startswith(str(below)):
                count()
            return function(handle, *rest)

        return call

    os.fsync, fcntl.flock = counted(os.fsync), counted(fcntl.flock)
    sys.addaudithook(hook)


def accepted() -> str:
    """What tells the baseline from others; empty where it is refused."""
    from harness.compare import baseline
    from harness.errors import HarnessError

    try:
        found = baseline.find(Path.cwd(), "toy/small", "cpu")
    except HarnessError:
        return ""
    if found is None or found.run.accepted is None or found.items is None:
        return ""
    return f"{found.run.accepted.reason} {len(list(found.items.rows()))}"


def leftovers() -> list[str]:
    """What lies beside a baseline and its items."""
    from harness.store.record_file import items_file, load

    own = {BASELINE.name, items_file(BASELINE, load(BASELINE)).name}
    return sorted({path.name for path in BASELINE.parent.iterdir()} - own)


def kills(home: Path, *command: str) -> dict[str, int]:
    """Every kill of one command, from the same state on."""
    before = home.parent / "before"
    restore(home / "baselines", before)
    old = accepted()
    if ended(forked(silently(*command))) != 0:
        raise SystemExit(f"{' '.join(command)}: {harness(*command)}")
    new = accepted()
    counts = {"kills": 0, "old": 0, "new": 0, "torn": 0, "left": 0}
    while True:
        restore(before, home / "baselines")
        number = counts["kills"] + 1

        def work(number: int = number) -> int:
            kill_at(number, home / "baselines")
            return harness(*command)[0]

        if ended(forked(work)) != -signal.SIGKILL:
            break
        counts["kills"] += 1
        now = accepted()
        counts["old" if now == old else "new" if now == new else "torn"] += 1
        expect(0, "accept", "reports/first", "--reason", "again", "--new-protocol")
        counts["left"] += bool(leftovers())
    restore(before, home / "baselines")
    return counts


def main() -> None:
    with project() as home:
        expect(0, "run", SUITE, "--set", "model.epochs=6", "--out", "reports/second")
        figures = {
            "accept": kills(home, "accept", "reports/second", "--reason", "second figures"),
            "extend": kills(home, "extend", "toy/small/cpu", "--seeds", "4"),
        }
        toy = home.parent / "site" / "toy.py"
        text = toy.read_text()
        edited = text.replace("[abs(v - centre)", "[2 * abs(v - centre)", 1)
        if edited == text:
            raise SystemExit("nothing to change in the toy metric")
        figures["rescore"] = rescored(home, toy, edited)
        say(script="kills", **figures)


def rescored(home: Path, toy: Path, text: str) -> dict[str, int]:
    """In a process that has not seen the metric's old code."""
    toy.write_text(text)
    code = (
        "import json, sys; sys.path[:0] = sys.argv[1:]; from pathlib import Path; import bench, baseline_kills; "
        "print(json.dumps(baseline_kills.kills(Path.cwd(), 'rescore', 'toy/small/cpu', '--accept', 'twice the error')))"
    )
    paths = [str(Path(__file__).parent), str(home.parent / "site")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
