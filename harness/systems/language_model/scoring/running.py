"""The texts of a corpus on their way through the network."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from harness.compute.precisions import PRECISIONS
from harness.errors import StageError
from harness.stage import Job
from harness.systems.language_model.scoring.scorer import Scorer
from harness.systems.language_model.scoring.table import Likelihood
from harness.systems.language_model.scoring.texts import Rule, Text
from harness.systems.language_model.scoring.windows import Window

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

AHEAD = 32
"""Batches whose windows are planned, and sorted by length, before the first of them is scored."""


class Scoring:
    """The likelihood of every text, and an account of what had none.

    Beside the texts themselves, memory holds a row of figures for each and the windows of some batches, however many
    texts there are and however long they are.
    """

    scorer: Scorer

    def __init__(
        self, texts: Sequence[Text], tokenizer: PreTrainedTokenizerFast, rule: Rule, scorer: Scorer, job: Job
    ) -> None:
        self.texts, self.tokenizer, self.rule, self.scorer, self.job = texts, tokenizer, rule, scorer, job
        self.rows: list[Likelihood] = []
        """In the order of the texts; ``nll`` is that of the windows so far."""
        self.empty: list[str] = []
        """Texts of which nothing is predicted, and which have no row."""
        self.unknown = 0
        """Tokens that stand for something that the tokenizer does not know."""

    def run(self) -> None:
        """Score everything.

        Raises:
            StageError: no text with anything to predict; a likelihood that is not finite.
            ResourceError: out of memory.
        """
        planned = self._windows()
        before = 0
        while part := list(islice(planned, AHEAD * self.scorer.batch_size)):
            begun, done = len(self.rows) + len(self.empty), 0
            for members, sums in self.scorer.scored([window for _, window in part]):
                for member, nll in zip(members, sums.tolist(), strict=True):
                    self._add(part[member][0], nll)
                done += len(members)
                told = before + (begun - before) * done // len(part)
                self.job.progress(told, len(self.texts), "texts")
            before = begun
        self._tell()

    def _windows(self) -> Iterator[tuple[int, Window]]:
        """Each window with the index of its row."""
        for text in self.texts:
            plan = self.rule.plan(text.text, self.tokenizer)
            if plan is None:
                self.empty.append(text.item)
                continue
            self.unknown += plan.unknown
            index = len(self.rows)
            self.rows.append(Likelihood(text.item, text.document, plan.tokens, plan.bytes, 0.0))
            for window in self.rule.windows(plan):
                yield index, window

    def _add(self, index: int, nll: float) -> None:
        row = self.rows[index]
        if not math.isfinite(nll):
            wider = PRECISIONS[self.scorer.precision].wider
            advice = f"try precision: {wider}" if wider else "look at the losses of the model's training"
            raise StageError(
                f"{row.item}: a likelihood that is not a finite number in {self.scorer.precision}; {advice}"
            )
        self.rows[index] = row._replace(nll=row.nll + nll)

    def _tell(self) -> None:
        if not self.rows:
            raise StageError(f"no tokens to predict in any of {len(self.texts)} texts")
        if self.empty:
            self.job.log(
                f"nothing to predict in {len(self.empty)} of {len(self.texts)} texts, which are left out"
            )
        if self.unknown:
            self.job.log(
                f"{self.unknown} tokens are unknown to the tokenizer: what they stand for is predicted for nothing"
            )
