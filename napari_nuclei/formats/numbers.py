"""Numbers as files of other tools hold them."""

from __future__ import annotations

import math
import re
from typing import Any


def is_whole(value: Any) -> bool:
    """Whether a value read from JSON is a whole number."""
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def whole(value: Any) -> int | None:
    """Return the whole number that a value is, also as text; None if it is none."""
    if type(value) is int:  # nearly always
        return value
    if is_whole(value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}(\.0*)?\s*", value):
        return int(value.split(".")[0])
    return None


def number(value: Any) -> float | None:
    """Return the finite number that a value is, also as text; None if it is none."""
    if type(value) is float and -math.inf < value < math.inf:  # nearly always
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def finite(value: Any) -> Any:
    """Return a value read from JSON with null for the numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value
