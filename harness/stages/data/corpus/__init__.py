"""Text to train and score language models on: how it is read, cut into chunks and held out.

Nothing is skipped silently: what cannot be read, is empty or comes twice is named or counted in the facts.
"""

from harness.data.corpus.chunking import chunk
from harness.data.corpus.docstrings import docstrings
from harness.data.corpus.pdf import read_pdfs
from harness.data.corpus.splitting import split
from harness.data.corpus.texts import read

__all__ = ["chunk", "docstrings", "read", "read_pdfs", "split"]
