"""What the two runs of ``make demo`` ended in, from their records: ``python scripts/demo.py FIRST SECOND``.

The exit code is 0 where the first run is *unchanged* in every gate and the second, whose subject is broken, is
*regressed*; anything else is 1, and the line says what happened and why.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> int:
    """Print one line for each run; the exit code."""
    wanted = {"first run": "unchanged", "second run": "regressed"}
    code = 0
    for (name, verdict), folder in zip(wanted.items(), arguments, strict=True):
        found, words = outcome(Path(folder))
        expected = found == verdict
        print(f"{name}: {words}" + ("" if expected else f" (expected: {verdict})"))
        code = code if expected else 1
    return code


def outcome(folder: Path) -> tuple[str, str]:
    """One verdict for all gates of a run, and the same in words, with what it hangs on."""
    try:
        comparison = json.loads((folder / "run.json").read_text(encoding="utf-8"))["comparison"]
    except FileNotFoundError:
        return "failed", "it left no record"
    gated = [finding for finding in comparison["findings"] if finding["gated"]]
    if not gated or comparison["baseline"] is None:
        return "incomparable", "incomparable: nothing was compared with a baseline"
    for verdict in ("regressed", "incomparable", "inconclusive", "improved"):
        if found := [finding for finding in gated if finding["verdict"] == verdict]:
            return verdict, f"{verdict}: {_named(found, why=verdict in ('incomparable', 'inconclusive'))}"
    if comparison["exit"]:
        return "failed", f"a task failed (exit {comparison['exit']})"
    return "unchanged", f"unchanged ({len(gated)} gates)"


def _named(findings: list[dict[str, Any]], why: bool) -> str:
    """The gates by name, and the first one's reason."""
    names = [
        f"{f['metric']}.{f['field']}" + "".join(f" {axis}={_text(value)}" for axis, value in f["at"].items())
        for f in findings
    ]
    return ", ".join(names) + (f" ({findings[0]['reason']})" if why else "")


def _text(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
