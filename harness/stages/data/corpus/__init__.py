"""Text to train and score language models on: reading, cutting into chunks, holding out.

Nothing is skipped silently: unreadable, empty and repeated texts are named or counted in the facts.
"""

from harness.stages.data.corpus.chunking import chunk
from harness.stages.data.corpus.pdf import read_pdfs
from harness.stages.data.corpus.splitting import split
from harness.stages.data.corpus.texts import docstrings, read

__all__ = ["chunk", "docstrings", "read", "read_pdfs", "split"]
