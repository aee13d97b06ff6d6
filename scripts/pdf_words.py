"""The share of pdftotext's words that ``corpus.read_pdfs`` recovers: ``python scripts/pdf_words.py FILE…``.

``pdftotext`` is part of poppler (Debian's poppler-utils). Words are of three letters or more, in lower case; hyphens at
line ends are mended on both sides. Files with fewer than 300 words are left out.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.stages.data.corpus.pdf import mend, read_file

WORD = re.compile(r"[^\W\d_]{3,}")
LEAST = 300


def words(text: str) -> Counter[str]:
    """The words of a text, with how often they occur."""
    return Counter(word.lower() for word in WORD.findall(text))


def compared(file: Path) -> tuple[int, int, int, int]:
    """Words of pdftotext, how many of them were recovered, pages, and glyphs without a character."""
    command = ["pdftotext", "-enc", "UTF-8", str(file), "-"]
    reference = words(mend(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    account, pages = read_file(file, lambda line: None)
    found = words("\n".join(page.text for page in pages))
    unclear = sum(account.unclear.values())
    return reference.total(), (reference & found).total(), account.pages, unclear


def main(files: Sequence[str]) -> None:
    """Print a line for each file, and one for all."""
    rows = []
    for file in files:
        try:
            rows.append((file, *compared(Path(file))))
        except subprocess.CalledProcessError:
            print(f"pdftotext cannot read it: {Path(file).name}")
    rows = [row for row in rows if row[1] >= LEAST]
    for file, total, recovered, pages, unclear in rows:
        print(
            f"{recovered / total:.4f} of {total} words, {pages} pages, {unclear} unclear glyphs: {Path(file).name}"
        )
    if rows:
        shares = [recovered / total for _, total, recovered, _, _ in rows]
        total, recovered = sum(row[1] for row in rows), sum(row[2] for row in rows)
        print(
            f"{recovered / total:.4f} of {total} words in {len(rows)} files, {sum(row[3] for row in rows)} pages; "
            f"median {statistics.median(shares):.4f}, least {min(shares):.4f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
