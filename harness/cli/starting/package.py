"""A package of one's own stages: an entry point, a stage, a metric, their tests, and a suite."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path

from harness.cli.starting.templating import filled
from harness.errors import UsageError
from harness.formats.escapes import visible
from harness.suite import registry

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def files(folder: Path) -> dict[str, bytes]:
    """All files of the package, named after its folder: relative path → content.

    Raises:
        UsageError: the folder's name cannot be a package's, or another module has it.
    """
    name = folder.resolve().name
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"init --package: {visible(name)!r} cannot be a package's name; expected lower-case letters, digits and "
            "hyphens, such as sea-ice-metrics"
        )
    module = name.replace("-", "_")
    if registry.is_taken(module) or importlib.util.find_spec(module) is not None:
        raise UsageError(
            f"init --package: there is a module {module!r} already; give the folder another name"
        )
    values = {"name": name.replace("_", "-"), "module": module}
    texts = {
        "README.md": "README.md",
        "pyproject.toml": "pyproject.toml",
        ".gitignore": "gitignore",
        f"src/{module}/__init__.py": "init.py",
        f"src/{module}/stages.py": "stages.py",
        "tests/test_stages.py": "test_stages.py",
        "suites/sharpness.yaml": "sharpness.yaml",
    }
    return {path: filled(f"package/{template}", **values).encode() for path, template in texts.items()}
