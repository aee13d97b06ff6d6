"""Flip single random bits of the store, of a run and of its baseline: never may another verdict come out unnoticed.

    python scripts/trust/bitflips.py --flips 200 --seed 0

Prints one JSON line. ``refused``: exit code 2 or 5, and the last line says why. ``protested``: a verdict, with the
warning that the run is not as it was written. ``remade``: found damaged and computed again, with the same figures.
``same``: the verdict that there would have been. ``wrong`` and ``crashed`` must be 0.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path

from bench import SUITE, expect, harness, project, restore, say

RUN = ("run", SUITE, "--set", "model.epochs=6", "--out", "reports/again")
COMPARE = ("compare", "reports/second", "--json")
PLACES = {
    "store": (".harness/objects", RUN),
    "run": ("reports/second", COMPARE),
    "baseline": ("baselines", COMPARE),
}
RECORD = Path("reports/again/run.json")
READ = {"run": ("run.json", "items.parquet")}


def flip(file: Path, random_: random.Random) -> None:
    content = bytearray(file.read_bytes())
    bit = random_.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(bytes(content))


def verdicts(comparison: object) -> object:
    """What was decided, and from which figures."""
    findings = comparison["findings"] if isinstance(comparison, dict) else None
    if not isinstance(findings, list):
        return None
    names = ("metric", "field", "verdict", "baseline", "candidate", "estimate")
    return [{name: finding.get(name) for name in names} for finding in findings]


def compared(command: tuple[str, ...], out: str) -> object:
    """The comparison that a command ended in."""
    return json.loads(out) if command is COMPARE else json.loads(RECORD.read_text())["comparison"]


def outcome(command: tuple[str, ...], expected: object) -> str:
    code, out, err = harness(*command)
    if code == 70 or "Traceback" in out + err:
        return "crashed"
    if code in (2, 5):
        told = [line for line in err.splitlines() if line.startswith("harness: ")]
        return "refused" if told and err.rstrip().endswith(told[-1]) else "crashed"
    if "not as the harness wrote it" in err:
        return "protested"
    if verdicts(compared(command, out)) != expected:
        return "wrong"
    return "remade" if "made again" in err or "✓" in err else "same"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--flips", type=int, default=200, help="in each of store, run and baseline")
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    random_ = random.Random(given.seed)
    figures: dict[str, dict[str, int]] = {}
    with project() as home:
        expect(0, *RUN)
        expect(0, "run", SUITE, "--set", "model.epochs=6", "--out", "reports/second")
        for name, (folder, command) in PLACES.items():
            place, copy = home / folder, home.parent / "copy"
            restore(place, copy)
            if command is RUN:
                shutil.rmtree("reports/again")
            expected = verdicts(compared(command, expect(0, *command)))
            counts = dict.fromkeys(("same", "remade", "refused", "protested", "wrong", "crashed"), 0)
            for _ in range(given.flips):
                files = [
                    p for p in sorted(place.rglob("*")) if p.is_file() and p.name in READ.get(name, p.name)
                ]
                flip(random_.choice(files), random_)
                counts[outcome(command, expected)] += 1
                restore(copy, place)
            figures[name] = counts
    say(script="bitflips", flips=given.flips, seed=given.seed, **figures)


if __name__ == "__main__":
    main()
