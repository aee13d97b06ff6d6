"""Fills in the texts below ``templates/``; their names end in ``.template``, so that no tool reads them as code."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"


def filled(template: str, /, **values: str) -> str:
    """A template with ``«name»`` replaced: Python, TOML, YAML and workflows have all other brackets themselves."""
    return _environment().get_template(f"{template}.template").render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        variable_start_string="«",
        variable_end_string="»",
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
