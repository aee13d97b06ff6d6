"""Change the code of the verdict a little, in thousands of ways, and see whether the tests notice.

    python scripts/mutants.py [--sample N] [--jobs N] [MODULE…]

tests/mutants/modules.toml has the modules and the tests that must notice: the quick ones about the module itself.
The changes are mutmut's. For each module one process collects the tests once. For each mutant it forks, puts the
changed code into the function, and runs the tests until one fails. (mutmut itself starts pytest for each mutant, which
takes a second or two; this takes a few hundredths.)

A table says how many were noticed. Those that were not and are listed as harmless, with the reason, in
tests/mutants/harmless.toml are let be; the others are printed. The exit code is 0 only if in every module at least 95
of 100 were noticed and all others are listed. ``--sample N`` runs N of each module, drawn at random but always the
same.
"""

from __future__ import annotations
import __future__

import argparse
import ast
import difflib
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LEAST = 0.95
LONGEST_S = 300
"""A mutant whose tests take this many seconds counts as noticed: it does not come to an end."""
NOT_PUT = 99
MODULES = Path("tests/mutants/modules.toml")
HARMLESS = Path("tests/mutants/harmless.toml")
OPTIONS = [
    *("-q", "-p", "no:cacheprovider", "-p", "no:terminalreporter", "-p", "no:xdist"),
    *("--hypothesis-profile", "mutants", "-o", "memory_limit_mb=100000"),
]


@dataclass(frozen=True)
class Mutant:
    """One change of one function."""

    of: str
    """The function, with its class, in its module."""
    gone: str
    come: str
    code: str
    """The whole changed function, under the name ``compiled``."""
    compiled: str

    @property
    def change(self) -> tuple[str, str, str]:
        return self.of, self.gone, self.come


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, metavar="N", help="so many of each module, in place of all")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="modules at the same time"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    given = parser.parse_args()
    tests: dict[str, list[str]] = tomllib.loads(MODULES.read_text(encoding="utf-8"))
    if given.one:
        return _one(given.one, tests[given.one], given.sample)
    unknown = set(given.modules) - tests.keys()
    if unknown:
        parser.error(f"not in {MODULES}: {', '.join(sorted(unknown))}")
    names = given.modules or list(tests)
    with ThreadPoolExecutor(given.jobs) as pool:
        results = dict(zip(names, pool.map(lambda name: _started(name, given.sample), names), strict=True))
    return _told(results)


def _started(module: str, sample: int | None) -> list[dict[str, Any]]:
    """The results of one module, from a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--one",
        module,
        *([] if sample is None else ["--sample", str(sample)]),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(f"{module}: {ran.stderr[-2000:]}{ran.stdout[-2000:]}")
    results: list[dict[str, Any]] = json.loads(ran.stdout.splitlines()[-1])
    print(f"{module}: {len(results)}", file=sys.stderr, flush=True)
    return results


def _told(results: dict[str, list[dict[str, Any]]]) -> int:
    listed = tomllib.loads(HARMLESS.read_text(encoding="utf-8")).get("harmless", [])
    harmless = {(entry["of"], entry["gone"].strip(), entry["come"].strip()) for entry in listed}
    used: set[tuple[str, str, str]] = set()
    low, neither = False, []
    print("| module | mutants | noticed | | harmless |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for module, found in sorted(results.items()):
        alive = [(f"{module}.{r['of']}", r["gone"], r["come"]) for r in found if not r["noticed"]]
        known = [change for change in alive if change in harmless]
        used |= set(known)
        neither += [change for change in alive if change not in harmless]
        share = 1 - len(alive) / max(1, len(found))
        low = low or share < LEAST
        print(f"| `{module}` | {len(found)} | {len(found) - len(alive)} | {share:.1%} | {len(known)} |")
    for function, gone, come in neither:
        print(f"\n{function}\n- {gone}\n+ {come}")
    return int(low or bool(neither) or not results)


def _one(module: str, tests: list[str], sample: int | None) -> int:
    """Run the mutants of one module in this process; the results are the last line of what it prints."""
    import pytest

    found = list(mutants(module))
    if sample is not None:
        found = random.Random(module).sample(found, min(sample, len(found)))
    runs = Runs(module, found)
    with tempfile.TemporaryDirectory() as folder:  # the same for every fork: each begins by emptying it
        code = pytest.main([*OPTIONS, f"--basetemp={folder}/tests", *tests], plugins=[runs])
    if not runs.done:
        print(f"the tests of {module} do not pass without a change (pytest: {code})")
        return 1
    print(json.dumps(runs.done))
    return 0


def mutants(module: str) -> Iterator[Mutant]:
    """What mutmut would change in a module."""
    from mutmut.mutation.file_mutation import mutate_file_contents

    sys.path.insert(0, str(Path.cwd()))  # this tree, also where another one is installed
    file = Path(str(importlib.import_module(module).__file__))
    text = mutate_file_contents(str(file.relative_to(Path.cwd())), file.read_text(encoding="utf-8")).code
    lines = text.splitlines()
    functions = {
        node.name: lines[node.lineno - 1 : node.end_lineno]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name
    }
    for name, changed in functions.items():
        base, _, number = name.rpartition("__mutmut_")
        if number == "orig":
            continue
        before = [line.replace(f"{base}__mutmut_orig", base) for line in functions[f"{base}__mutmut_orig"]]
        after = [line.replace(name, base) for line in changed]
        gone, come = _differing(before, after)
        of = base.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        yield Mutant(of, gone, come, textwrap.dedent("\n".join(after)), base)


def _differing(before: list[str], after: list[str]) -> tuple[str, str]:
    lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    gone, come = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return gone, come


class Runs:
    """A pytest plugin that runs the tests once for each mutant, in forks of the process that has collected them."""

    def __init__(self, module: str, found: list[Mutant]) -> None:
        self.module = importlib.import_module(module)
        self.mutants = found
        self.done: list[dict[str, Any]] = []

    def pytest_runtestloop(self, session: Any) -> bool:
        if self._fails(session, None):
            return True
        for mutant in self.mutants:
            noticed = self._fails(session, mutant)
            self.done.append(
                {
                    **{k: v for k, v in asdict(mutant).items() if k in ("of", "gone", "come")},
                    "noticed": noticed,
                }
            )
        return True

    def _fails(self, session: Any, mutant: Mutant | None) -> bool:
        pid = os.fork()
        if pid:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code == NOT_PUT:
                raise RuntimeError(f"cannot be put into {self.module.__name__}: {mutant}")
            return code != 0
        code = NOT_PUT
        try:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            signal.alarm(LONGEST_S)
            if mutant is not None:
                self._put(mutant)
            code = 1
            code = int(_any_fails(session.items))
        finally:
            os._exit(code)

    def _put(self, mutant: Mutant) -> None:
        """Put the changed code into the function, wherever it was imported to."""
        names = dict(vars(self.module))
        flags = __future__.annotations.compiler_flag
        exec(compile(mutant.code, str(self.module.__file__), "exec", flags, dont_inherit=True), names)
        *outer, own = mutant.of.split(".")
        holder: Any = self.module
        for name in outer:
            holder = getattr(holder, name)
        old, new = (getattr(f, "__func__", f) for f in (vars(holder)[own], names[mutant.compiled]))
        old.__code__, old.__defaults__, old.__kwdefaults__ = (
            new.__code__,
            new.__defaults__,
            new.__kwdefaults__,
        )


def _any_fails(items: list[Any]) -> bool:
    from _pytest.runner import runtestprotocol

    for item, following in zip(items, [*items[1:], None], strict=True):
        if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
