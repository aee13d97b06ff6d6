"""Prompts that rest on a corpus: it is indexed, passages are retrieved, and a writer makes prompts of them."""

from harness.systems.prompt_writer.indexing.making import index
from harness.systems.prompt_writer.writing.captioned import from_captions
from harness.systems.prompt_writer.writing.filed import from_file
from harness.systems.prompt_writer.writing.grounded import write
from harness.systems.prompt_writer.writing.selecting import select
from harness.systems.prompt_writer.writing.templates import from_templates

__all__ = ["from_captions", "from_file", "from_templates", "index", "select", "write"]
