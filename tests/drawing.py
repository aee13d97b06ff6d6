"""How many examples a property is tried on where a hundred would take long."""

from __future__ import annotations

from hypothesis import settings

USUAL = 100


def draws(count: int) -> settings:
    """``count`` examples in `make test`; as many times more in `make fuzz` as other properties get there."""
    return settings(max_examples=count * settings.default.max_examples // USUAL)
