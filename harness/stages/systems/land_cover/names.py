"""Names of architectures, checked when a suite is read, before timm is imported."""

from __future__ import annotations

from harness.errors import nearest

__contract__ = "which names a suite may use, not what is computed with them: no part of a source digest"


class TimmModel(str):
    """The name of an architecture of timm, such as ``resnet18``; it may have a tag (``resnet18.a1_in1k``)."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> TimmModel:
        """Read a name.

        Raises:
            ValueError: the installed timm has no such architecture; the message has the nearest name.
        """
        from harness.stages.metrics.features.families import networks_of

        known = networks_of("timm")
        if known and text.partition(".")[0] not in known:
            raise ValueError(f"timm has no architecture {text!r}{nearest(text, known)}")
        return cls(text)
