"""Prompts grounded in a corpus: the corpus is indexed, passages are retrieved, and a writer turns them into prompts."""

from harness.stages.systems.prompt_writer.captioned import from_captions
from harness.stages.systems.prompt_writer.filed import from_file
from harness.stages.systems.prompt_writer.grounded import write
from harness.stages.systems.prompt_writer.index import index
from harness.stages.systems.prompt_writer.selecting import select
from harness.stages.systems.prompt_writer.templates import from_templates

__all__ = ["from_captions", "from_file", "from_templates", "index", "select", "write"]
