"""One spelling for equal values: what is hashed into keys, ids and digests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.artifact import Json


def canonical(value: Json | Mapping[str, Any]) -> str:
    """One spelling for equal values: sorted keys, no spaces, no NaN (ValueError)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
