"""A language model's answers to questions with passages: every draw by seed, class, number and attempt alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from harness.compute.precisions import Precision
from harness.data.order import drawn
from harness.stage import Job
from harness.systems.language_model import decoding
from harness.systems.language_model.generating import write_all
from harness.systems.prompt_writer.writing.asking import Asker, Question
from harness.systems.prompt_writer.writing.drafting import Turn
from harness.systems.prompt_writer.writing.table import Passage
from harness.systems.prompt_writer.writing.tidying import Answer, continued, instructed


@dataclass
class Answering:
    """Asks one model; keeps what it was asked."""

    asker: Asker
    hits: Mapping[str, Sequence[Passage]]
    """By class, the best first."""
    passages: int
    """How many of them a question has."""
    sampling: decoding.Sampling
    max_tokens: int
    precision: Precision
    batch_size: int
    """What there was memory for, in the end."""
    job: Job
    questions: dict[Turn, Question] = field(default_factory=dict)
    tokens: int = 0
    """How many were written."""

    def ask(self, turns: Sequence[Turn]) -> list[Answer]:
        """One answer for each turn."""
        for turn in turns:
            self.questions[turn] = self.asker.question(turn.place.label, self._passages(turn))
        prompts = [decoding.Prompt(_draws(turn), turn.attempt, self.questions[turn].ids) for turn in turns]
        opened, size = self.asker.opened, self.batch_size
        written, self.batch_size = write_all(
            opened, prompts, self.max_tokens, self.sampling, self.precision, size, self.job
        )
        self.tokens += sum(text.tokens for text in written)
        return [self._answer(turn.place.label, text.text) for turn, text in zip(turns, written, strict=True)]

    def _passages(self, turn: Turn) -> list[Passage]:
        """Others for each prompt and for each attempt at it, in the index's order."""
        (label, number), attempt = turn
        named = {f"{label}#{number}#{attempt}#{hit.id}": hit for hit in self.hits[label]}
        chosen = set(drawn(named, self.sampling.seed)[: self.passages])
        return [hit for name, hit in named.items() if name in chosen]

    def _answer(self, label: str, text: str) -> Answer:
        instruction = self.asker.instruction
        if self.asker.style == "complete":
            return continued(instruction.last_line.of(label), text)
        return instructed(text, instruction.sentences(label))


def _draws(turn: Turn) -> int:
    """A place's own draws, whatever other classes and prompts are written."""
    return int.from_bytes(sha256(f"{turn.place.label}#{turn.place.number}".encode()).digest()[:6], "big")
