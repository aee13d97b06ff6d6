"""Text to train and score language models on: how it is read, cut into chunks and held out.

Nothing is skipped silently: what cannot be read, is empty or comes twice is named or counted in the facts.
"""

from harness.stages.data.corpus.chunking import chunk, split
from harness.stages.data.corpus.pdf import read_pdfs
from harness.stages.data.corpus.texts import docstrings, read

__all__ = ["chunk", "docstrings", "read", "read_pdfs", "split"]
