"""Texts with placeholders for the class and the passages: instructions for a model and queries for an index."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import nearest

_PLACE = re.compile(r"\{([^{}\s]*)\}")


@dataclass(frozen=True)
class Phrase:
    """A text with ``{class}`` in it."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> Phrase:
        """Read a phrase.

        Raises:
            ValueError: no ``{class}``, or another name in braces.
        """
        _check(text, ("class",))
        return cls(text)

    def to_key(self) -> str:
        """The text."""
        return self.text

    def of(self, label: str) -> str:
        """The phrase for a class."""
        return _filled(self.text, {"class": spoken(label)})


@dataclass(frozen=True)
class Instruction:
    """A text with ``{class}`` and ``{passages}`` in it, for a language model."""

    text: str

    @classmethod
    def from_text(cls, text: str) -> Instruction:
        """Read an instruction.

        Raises:
            ValueError: no ``{class}``, no ``{passages}``, or another name in braces.
        """
        _check(text, ("class", "passages"))
        return cls(text.strip())

    def to_key(self) -> str:
        """The text."""
        return self.text

    def of(self, label: str, passages: Sequence[str]) -> str:
        """The instruction for a class, with each passage in its own paragraph."""
        return _filled(self.text, {"class": spoken(label), "passages": "\n\n".join(passages)})

    def sentences(self, label: str) -> list[str]:
        """Its own sentences, without the passages."""
        lines = self.of(label, ()).splitlines()
        return [s for line in lines for s in re.split(r"(?<=[.!?:])\s+", line.strip()) if s]

    @property
    def last_line(self) -> Phrase:
        """The beginning of a prompt that the model should continue; it contains ``{class}``.

        Raises:
            ValueError: it does not contain ``{class}``, or it contains ``{passages}``.
        """
        return Phrase.from_text(self.text.rpartition("\n")[2])


INSTRUCT = Instruction(
    "You write prompts for a model that makes satellite images. These are notes on remote sensing:\n"
    "\n"
    "{passages}\n"
    "\n"
    "Write one prompt for a satellite image of {class}. It names {class}, says that the picture is taken "
    "from above, and describes in at most thirty words the shapes, colours and textures that can be seen from orbit. "
    "It keeps to the notes where they say how {class} looks. Answer with the prompt alone, in one sentence."
)
COMPLETE = Instruction("{passages}\n\nA satellite image of {class}")


def spoken(label: str) -> str:
    """The name of a class within a sentence: ``Crop Land``, ``crop_land`` and ``CropLand`` become ``crop land``."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", label)
    return " ".join(apart.split()).lower()


def _check(text: str, wanted: Sequence[str]) -> None:
    names = _PLACE.findall(text)
    for name in names:
        if name not in wanted:
            raise ValueError(
                f"{{{name}}}: only {_listed(wanted)} can stand in braces here{nearest(name, wanted)}"
            )
    for name in wanted:
        if name not in names:
            raise ValueError(f"{text!r:.60} has no {{{name}}}")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"{{{name}}}" for name in names)


def _filled(text: str, values: dict[str, str]) -> str:
    """Fill all placeholders at once, so that braces within a passage stay as they are."""
    return _PLACE.sub(lambda place: values[place[1]], text)
