"""``make trust``: plant every situation, ask the harness, and write the table of ``docs/trust.md``.

    python scripts/trust/table.py [--only WORDS] [--write]

Each situation is a small project that is asked about through the command line; the answer of the harness stands beside
that of another tool, or of a threshold on the mean. Exit code 0 if the harness is right in all of them, else 6.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "planted")]
for name in ("HARNESS_STORE", "HARNESS_MIRROR", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
    os.environ.pop(name, None)
os.environ["HARNESS_DEVICE"] = "cpu"

from planting import SITUATIONS, Bench, Situation  # noqa: E402

DOCUMENT = HERE.parent.parent / "docs" / "trust.md"
BEGIN, END = "<!-- table: make trust -->", "<!-- end of table -->"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="WORDS", help="the situations whose description has these words")
    parser.add_argument("--write", action="store_true", help="put the table into docs/trust.md")
    options = parser.parse_args()
    import situations

    for module in pkgutil.iter_modules(situations.__path__):
        importlib.import_module(f"situations.{module.name}")
    chosen = [s for s in SITUATIONS if not options.only or options.only in s.planted]
    rows, wrong = _ask(chosen)
    table = "\n".join(rows)
    print(table)
    print(f"\n{len(chosen) - wrong} of {len(chosen)} right", file=sys.stderr)
    if options.write:
        _write(table)
    return 0 if chosen and not wrong else 6


def _ask(chosen: Sequence[Situation]) -> tuple[list[str], int]:
    """The lines of the table, and how many answers are wrong."""
    rows, wrong, group, before = [], 0, "", Path.cwd()
    for number, situation in enumerate(chosen, 1):
        if situation.group != group:
            group = situation.group
            rows += [
                f"\n**{group}**\n",
                "| | planted | right | harness | others |",
                "| ---: | --- | --- | --- | --- |",
            ]
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder).resolve()
            (home / "suites").mkdir()
            os.chdir(home)
            try:
                answer = situation.ask(Bench(home))
            finally:
                os.chdir(before)
        is_right = answer.harness in situation.right
        wrong += not is_right
        mark = "" if is_right else " **(wrong)**"
        right = " or ".join(situation.right)
        rows.append(f"| {number} | {situation.planted} | {right} | {answer.harness}{mark} | {answer.peer} |")
        print(
            f"{number} {'right' if is_right else 'WRONG'}: {situation.planted}", file=sys.stderr, flush=True
        )
    return rows, wrong


def _write(table: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    DOCUMENT.write_text(f"{head}{BEGIN}\n{table}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
